"""Serves the HTML pages for clinicians and administrators."""
