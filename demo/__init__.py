"""The demonstration: synthetic people, sent through the service's public interfaces to an EHR."""
