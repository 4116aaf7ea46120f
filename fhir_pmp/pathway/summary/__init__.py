"""The outcome summary of one episode, line by line."""
