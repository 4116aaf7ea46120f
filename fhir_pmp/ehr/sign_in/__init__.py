"""Signs in at an EHR as SMART Backend Services describes: discovery, a signed assertion, a short-lived token."""

from fhir_pmp.ehr.sign_in.keys import SigningKey, load_keys, public_keys
from fhir_pmp.ehr.sign_in.tokens import BackendSignIn, FixedToken

__all__ = ["BackendSignIn", "FixedToken", "SigningKey", "load_keys", "public_keys"]
