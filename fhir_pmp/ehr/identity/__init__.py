"""Which remote resource or Patient is ours."""
