"""Generates pages of docs/reference from the program and the mappings."""
