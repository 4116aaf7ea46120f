"""The programme as data: definition, loading, timepoints and their windows."""
