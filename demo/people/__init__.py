"""Generates synthetic people of a pain-management programme, with responses, exports and referrals.

No person here exists. Person `i` of a seed is the same whatever the size of the cohort. Nothing is imported
from the service: the receiver scores the answers.
"""

from demo.people.cohort import cohort
from demo.people.exports import write_long_csv, write_wide_csv
from demo.people.gp_referral import gp_bundle
from demo.people.person import Person, Practice, Practitioner, Response
from demo.people.practices import PRACTICES

__all__ = [
    "PRACTICES",
    "Person",
    "Practice",
    "Practitioner",
    "Response",
    "cohort",
    "gp_bundle",
    "write_long_csv",
    "write_wide_csv",
]
