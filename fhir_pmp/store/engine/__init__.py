"""Opens SQLite and PostgreSQL databases, migrates them, and writes and reads many rows at once."""
