"""HTTP to one EHR, and what each answer or failure means."""
