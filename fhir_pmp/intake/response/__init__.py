"""Records, amends and withdraws questionnaire responses."""
