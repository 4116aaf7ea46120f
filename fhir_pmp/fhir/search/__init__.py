"""Defines our FHIR API's search parameters and reads their keys from resources."""
