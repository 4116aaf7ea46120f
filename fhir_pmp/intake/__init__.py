"""Records what arrives: referrals, people, enrolments, lessons and responses."""
