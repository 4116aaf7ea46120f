"""The search parameters of our FHIR API, and the search keys that are read from resources for them."""
