"""What arrives becomes recorded fact: referrals, people, enrolments, lessons and responses."""
