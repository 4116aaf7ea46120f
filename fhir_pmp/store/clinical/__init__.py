"""Stores people, episodes, responses, flags, referrals, letters and work items."""
