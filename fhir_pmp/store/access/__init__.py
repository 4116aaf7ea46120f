"""Stores accounts, sessions, API clients and the audit."""
