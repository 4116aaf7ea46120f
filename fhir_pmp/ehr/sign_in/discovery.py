"""Finds the token endpoint of an EHR in .well-known/smart-configuration.

It is accepted on allowed origins only.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from fhir_pmp.ehr.config.destinations import Algorithm
from fhir_pmp.ehr.transport.client import EhrClient, origin_of
from fhir_pmp.ehr.transport.response_class import (
    HttpResponseClass,
    OffOrigin,
    SignInRefused,
    TokenEndpointFailing,
    WireFailure,
    classify_status,
)
from fhir_pmp.errors import NotUnderstood
from fhir_pmp.fhir.serialization.json_reader import read_json

WELL_KNOWN = ".well-known/smart-configuration"
LARGEST = 64 * 1024
"""Bytes of a configuration or a token answer."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")
RETRYABLE = frozenset({HttpResponseClass.RETRY, HttpResponseClass.RETRY_UNKNOWN, HttpResponseClass.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Configuration:
    """As far as it decides how we sign in."""

    token_endpoint: str


def discover(client: EhrClient, algorithm: Algorithm, allowed: Collection[str]) -> Configuration:
    """Fetches the token endpoint. Raises TokenEndpointFailing without an answer.

    Raises SignInRefused for an answer that we cannot sign in by.
    """
    try:
        answer = client.ask("GET", WELL_KNOWN, headers={"Accept": "application/json"})
    except WireFailure:
        raise TokenEndpointFailing from None
    response_class = classify_status(answer.status)
    if response_class in RETRYABLE:
        raise TokenEndpointFailing
    if response_class is not HttpResponseClass.DONE:
        raise SignInRefused(f"the destination has no SMART configuration ({answer.status})")
    try:
        configuration = read_json(answer.body, max_bytes=LARGEST)
    except NotUnderstood:
        raise SignInRefused("the destination's SMART configuration is not JSON") from None
    return Configuration(_token_endpoint(configuration, client.base, algorithm, allowed))


def _token_endpoint(
    configuration: Mapping[str, Any], base: str, algorithm: Algorithm, allowed: Collection[str]
) -> str:
    endpoint = configuration.get("token_endpoint")
    if not isinstance(endpoint, str):
        raise SignInRefused("the destination's SMART configuration names no token endpoint")
    try:
        origin = origin_of(endpoint)
        own = {origin_of(base), *(origin_of(one) for one in allowed)}
    except OffOrigin:
        raise SignInRefused("the destination's token endpoint is no address") from None
    if origin not in own:
        raise SignInRefused("the destination's token endpoint is on an origin that its file does not allow")
    parts = urlsplit(endpoint)
    if parts.scheme != "https" and parts.hostname not in LOOPBACK:
        raise SignInRefused("the destination's token endpoint is not https")
    for name, needed in (
        ("grant_types_supported", "client_credentials"),
        ("token_endpoint_auth_methods_supported", "private_key_jwt"),
        ("token_endpoint_auth_signing_alg_values_supported", algorithm.value),
    ):
        offered = configuration.get(name)
        if isinstance(offered, list) and needed not in offered:
            raise SignInRefused(f"the destination's SMART configuration does not offer {needed}")
    return endpoint
