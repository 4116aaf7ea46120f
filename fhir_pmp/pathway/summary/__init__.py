"""The outcome summary of one episode: scales, categories, safety answers and engagement."""
