"""Records what a platform states about an enrolment."""
