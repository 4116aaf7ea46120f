"""The programme as data: its definition, loading, timepoints and their windows."""
