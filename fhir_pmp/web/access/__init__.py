"""Identifies callers, checks what they may do, and writes the audit trail."""
