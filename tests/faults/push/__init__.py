"""What every fault of a push must lead to."""
