"""fhir_pmp joins a pain-management programme to the electronic health record by FHIR."""
