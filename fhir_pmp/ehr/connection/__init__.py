"""One EHR that can be called: client, capability, breaker and read-back."""
