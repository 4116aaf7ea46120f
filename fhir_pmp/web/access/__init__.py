"""Who is calling, what they may do, and what is written of it in the audit."""
