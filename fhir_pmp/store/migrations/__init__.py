"""The line of migrations; alembic runs env.py, versions/ holds one file a step."""
