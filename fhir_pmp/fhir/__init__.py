"""Our facts as FHIR R4 and back: one file per resource, a strict JSON reader and a canonical writer; pure values."""
