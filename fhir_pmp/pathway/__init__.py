"""Episodes, timepoints, scores, changes and outcome summaries of the programme, as pure values."""
