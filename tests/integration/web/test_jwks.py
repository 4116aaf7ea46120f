"""The EHRs we sign in at fetch our public keys here; whoever else does learns nothing."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from fhir_pmp.app import create_app
from fhir_pmp.ehr.config.destinations import load_destinations
from fhir_pmp.ehr.sign_in import load_keys, public_keys
from fhir_pmp.identifiers import DestinationId
from fhir_pmp.runtime import load_configured_keys
from fhir_pmp.settings import Settings, SettingsWrong
from tests.integration.ehr.token_server import ec_key, rsa_key
from tests.integration.web.web_harness import WebHarness

SIGNS_IN = """
id: clinic
title: A clinic
patients: ours
sign_in:
  client_id: pain-programme
  scope: system/*.cruds
  algorithm: ES384
"""


@pytest.mark.promise("P20")
def test_every_key_in_use_is_served_by_its_public_half(harness: WebHarness, tmp_path: Path) -> None:
    keys = load_keys([rsa_key(tmp_path / "rsa.pem"), ec_key(tmp_path / "ec.pem")], "x")
    client = create_app(replace(harness.web_context, jwks=public_keys(keys))).test_client()
    response = client.get("/.well-known/jwks.json")
    assert response.status_code == 200
    assert response.content_type == "application/json"
    assert response.headers["Cache-Control"] == "public, max-age=300"
    served = json.loads(response.data)
    assert {key["kid"] for key in served["keys"]} == {key.kid for key in keys}
    for key in keys:
        signed = jwt.encode(
            {"alg": key.algorithm, "kid": key.kid}, {"a": 1}, key.key, algorithms=["RS384", "ES384"]
        )
        found = jwt.decode(signed, KeySet.import_key_set(served), algorithms=["RS384", "ES384"])
        assert found.claims == {"a": 1}


def settings(folder: Path, keys: str) -> Settings:
    environment = {
        "FHIR_PMP_DATABASE_URL": f"sqlite:///{folder / 'x.db'}",
        "FHIR_PMP_CANONICAL_BASE": "https://example.org",
        "FHIR_PMP_ID_SECRET": "0" * 40,
        "FHIR_PMP_SECRET_KEY": "1" * 40,
        "FHIR_PMP_CLINIC_ZONE": "Australia/Sydney",
        "FHIR_PMP_DESTINATIONS": "clinic=https://ehr.example.org/fhir",
        "FHIR_PMP_SIGNING_KEYS": keys,
    }
    return Settings.from_environment(environment)


def test_each_destination_that_we_sign_in_at_has_a_key_and_no_other_has(tmp_path: Path) -> None:
    (tmp_path / "clinic.yaml").write_text(SIGNS_IN)
    destinations = load_destinations(tmp_path)
    right, wrong = ec_key(tmp_path / "ec.pem"), rsa_key(tmp_path / "rsa.pem")
    found = load_configured_keys(settings(tmp_path, f"clinic={right}+{wrong}"), destinations)
    assert [key.algorithm.value for key in found[DestinationId("clinic")]] == ["ES384", "RS384"]
    for keys, message in (
        ("", "clinic needs a key for ES384"),
        (f"clinic={wrong}", "clinic needs a key for ES384"),
        (f"clinic={right},other={right}", "other is no destination whose file says sign_in"),
    ):
        with pytest.raises(SettingsWrong, match=message):
            load_configured_keys(settings(tmp_path, keys), destinations)
    with pytest.raises(SettingsWrong, match="is not NAME=FILE"):
        settings(tmp_path, f"clinic={tmp_path / 'none.pem'}")
