"""What one EHR takes, as data, and the kinds of work items."""
