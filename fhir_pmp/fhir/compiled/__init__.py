"""Renders responses and changes from byte templates, much faster than the builders."""
