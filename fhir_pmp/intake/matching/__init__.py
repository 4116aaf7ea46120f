"""Decides which person an enrolment or referral is about."""
