"""A fact becomes an immutable published version and its outbox rows."""
