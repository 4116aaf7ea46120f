"""The pages of docs/reference that are written from the program and the mappings, so that they cannot differ from them."""
