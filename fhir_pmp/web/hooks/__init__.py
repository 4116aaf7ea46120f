"""The door at which EHRs say that something changed."""
