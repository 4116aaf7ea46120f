"""Our ids: keyed hashes of business keys, equal to HMAC-SHA-256 as the standard library computes it."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_pmp.identifiers import MIN_SECRET_BYTES, KeyedIds, definition_id


@given(
    secret=st.binary(min_size=MIN_SECRET_BYTES, max_size=200),
    kind=st.sampled_from(["score", "response", "letter"]),
    key=st.lists(st.text(), max_size=4),
)
def test_an_id_is_the_keyed_hash_of_its_business_key(secret: bytes, kind: str, key: list[str]) -> None:
    message = (kind + "|" + "".join(f"{len(part)}:{part}" for part in key)).encode()
    expected = hmac.new(secret, message, "sha256").hexdigest()[:32]
    assert KeyedIds(secret).compute(kind, *key) == f"{kind}-{expected}"


def test_parts_of_a_key_never_run_into_one_another() -> None:
    ids = KeyedIds(b"s" * MIN_SECRET_BYTES)
    assert ids.compute("score", "ab", "c") != ids.compute("score", "a", "bc")


def test_a_secret_that_could_be_guessed_is_refused() -> None:
    with pytest.raises(ValueError, match="fewer than 32 bytes"):
        KeyedIds(b"s" * (MIN_SECRET_BYTES - 1))


def test_the_secret_shows_in_no_repr() -> None:
    assert "sss" not in repr(KeyedIds(b"s" * MIN_SECRET_BYTES))


def test_a_definition_has_the_same_id_in_every_installation() -> None:
    first = definition_id("questionnaire", "https://example.org/Questionnaire/x", "1")
    assert first == definition_id("questionnaire", "https://example.org/Questionnaire/x", "1")
    assert first != definition_id("questionnaire", "https://example.org/Questionnaire/x", "2")
