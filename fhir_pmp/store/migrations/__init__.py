"""Holds the migrations: alembic runs env.py, and versions/ holds one file for each."""
