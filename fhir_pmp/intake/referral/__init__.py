"""Receives, records and cancels GP referrals."""
