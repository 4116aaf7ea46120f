"""Platform exports: CSV files, described by mappings/sources, read row by row and recorded in batches."""
