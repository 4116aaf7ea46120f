"""Signs in at an EHR by SMART Backend Services: discovery, signed assertion, short-lived token."""

from fhir_pmp.ehr.sign_in.keys import SigningKey, load_keys, public_keys
from fhir_pmp.ehr.sign_in.tokens import BackendSignIn, FixedToken

__all__ = ["BackendSignIn", "FixedToken", "SigningKey", "load_keys", "public_keys"]
