"""The rules that a history is held against, each a pure function that yields what breaks it."""
