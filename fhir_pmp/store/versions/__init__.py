"""Stores published FHIR resource versions, and decides in SQL who may read and find them."""
