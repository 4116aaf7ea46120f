"""The only SQL: what the house remembers, one repository per file, the same on SQLite and PostgreSQL."""
