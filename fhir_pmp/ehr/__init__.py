"""Exchanges resources with an EHR's FHIR server: capabilities, sign-in, push, pull and comparison."""
