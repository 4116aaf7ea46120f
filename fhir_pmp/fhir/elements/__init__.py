"""FHIR data types as we write them: codings, references, instants, narrative."""
