"""Imports platform exports: CSV files, described by mappings/sources, recorded in batches."""
