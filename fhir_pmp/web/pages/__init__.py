"""The clinicians' pages: a worklist, one person's pathway, referrals, flags, letters; sessions, no decisions."""
