"""A person's way through the programme: episode, timepoints, outcomes and their verdicts; pure values."""
