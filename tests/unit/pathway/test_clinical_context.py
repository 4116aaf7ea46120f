"""The clinical context scores and checks by what it compiled from its instruments."""

import pytest

from fhir_pmp.instruments.scoring import AnswerNotOffered
from tests.unit.pathway.examples import CLINIC, MOOD, MOOD_SCALE, answers


def test_scores_come_from_the_compiled_scorers() -> None:
    (score,) = CLINIC.score(MOOD, answers("mood", "3 2 1"))
    assert (score.scale, score.published, score.band) == (MOOD_SCALE.id, "6", "high")
    assert CLINIC.scorer(MOOD) is CLINIC.scorer(MOOD)


def test_answers_are_checked_by_the_compiled_checkers() -> None:
    assert CLINIC.check(MOOD, {"mood-1": 3}) == answers("mood", "3 - -")
    with pytest.raises(AnswerNotOffered, match="mood-1"):
        CLINIC.check(MOOD, {"mood-1": 4})


def test_repr_hides_the_id_secret() -> None:
    assert "aaaa" not in repr(CLINIC)


def test_provider_id_is_the_id_of_the_programmes_provider() -> None:
    assert CLINIC.provider_id() == CLINIC.ids.organization_id(CLINIC.programme.provider.identifier)
