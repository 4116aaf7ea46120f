"""One file for each migration, which names the one before it."""
