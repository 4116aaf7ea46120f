"""Writes the content of a letter from its facts, by the kind of letter."""

from collections.abc import Callable, Mapping

from fhir_pmp.errors import NotAllowed
from fhir_pmp.letters.text import discharge_sections
from fhir_pmp.letters.text.letter_content import LetterContent, Section
from fhir_pmp.letters.text.letter_facts import LetterFacts, LetterFields
from fhir_pmp.letters.text.letter_wording import Wording
from fhir_pmp.letters.text.referral_sections import decline_sections, full_name, receipt_sections
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.facts import Referral
from fhir_pmp.pathway.letter_kinds import LetterKind
from fhir_pmp.pathway.plain_words import plain_date
from fhir_pmp.pathway.programme.definition import Provider
from fhir_pmp.pathway.summary.outcome_summary import Summary

_Pages = tuple[tuple[Section, ...], tuple[Section, ...]]  # page one, then the details


class LetterKindNotApplicable(NotAllowed):
    """A letter of that kind has no ground in this episode."""


def write_letter(clinic: ClinicalContext, wording: Wording, facts: LetterFacts) -> LetterContent:
    """Writes the whole content of a letter; equal facts give an equal letter.

    A letter whose episode names no practice has no recipient and cannot be signed.

    Raises LetterKindNotApplicable when the kind does not fit the episode.
    """
    page_one, details = SECTION_BUILDERS[facts.kind](clinic, wording, facts)
    return LetterContent(
        kind=facts.kind,
        title=wording.heading(facts.kind.value, programme=clinic.programme.title),
        provider=_provider_lines(clinic.programme.provider),
        recipient=_recipient_lines(facts),
        dated=plain_date(facts.dated_on),
        dated_on=facts.dated_on,
        subject=_subject(wording, facts),
        salutation=_salutation(wording, facts),
        opening=_opening(wording, facts),
        page_one=page_one,
        details=details,
        closing=_closing(wording, facts),
        footer=wording.sentence(
            "footer",
            person=full_name(facts),
            birth_date=plain_date(facts.person.birth_date),
            letter=facts.letter,
        ),
    )


def propose_fields(clinic: ClinicalContext, wording: Wording, facts: LetterFacts) -> LetterFields:
    """Proposes the four fields of a new draft."""
    return (
        LetterFields()
        if facts.summary is None
        else discharge_sections.propose_fields(clinic, wording, facts, facts.summary)
    )


def _receipt(clinic: ClinicalContext, wording: Wording, facts: LetterFacts) -> _Pages:
    return receipt_sections(clinic, wording, facts, _referral(facts)), ()


def _decline(clinic: ClinicalContext, wording: Wording, facts: LetterFacts) -> _Pages:
    return decline_sections(clinic, wording, facts, _referral(facts)), ()


def _discharge(clinic: ClinicalContext, wording: Wording, facts: LetterFacts) -> _Pages:
    summary = _summary(facts)
    return (
        discharge_sections.page_one(clinic, wording, facts, summary),
        discharge_sections.details(clinic, wording, facts, summary),
    )


SECTION_BUILDERS: Mapping[LetterKind, Callable[[ClinicalContext, Wording, LetterFacts], _Pages]] = {
    LetterKind.RECEIPT: _receipt,
    LetterKind.DECLINE: _decline,
    LetterKind.DISCHARGE: _discharge,
}
"""Builds the sections of page one and of the details, for each kind of letter."""


def _referral(facts: LetterFacts) -> Referral:
    if facts.referral is None:
        raise LetterKindNotApplicable(f"a {facts.kind.value} letter needs a referral", field="referral")
    return facts.referral


def _summary(facts: LetterFacts) -> Summary:
    if facts.summary is None or facts.episode.ended_on is None:
        raise LetterKindNotApplicable(
            f"a {facts.kind.value} letter needs an episode that has ended", field="episode"
        )
    return facts.summary


def _provider_lines(provider: Provider) -> tuple[str, ...]:
    address = provider.address
    town = " ".join(filter(None, (address.city, address.state, address.postal_code)))
    return (provider.name, ", ".join((*address.lines, town)), f"{provider.phone} · {provider.email}")


def _recipient_lines(facts: LetterFacts) -> tuple[str, ...]:
    practice = facts.episode.practice
    if practice is None:
        return ()
    return tuple(filter(None, (practice.practitioner_name, practice.organization_name)))


def _subject(wording: Wording, facts: LetterFacts) -> tuple[tuple[str, str], ...]:
    """Name, birth date and each identifier whose system has a label in the wording."""
    named = [(wording.identifier(one.system), one.value) for one in facts.person.identifiers]
    lines = [
        (wording.subject("person"), full_name(facts)),
        (wording.subject("born"), plain_date(facts.person.birth_date)),
        *((label, value) for label, value in named if label is not None),
    ]
    if facts.referral is not None:
        lines.append((wording.subject("referral"), facts.referral.number))
    return tuple(lines)


def _salutation(wording: Wording, facts: LetterFacts) -> str:
    practice = facts.episode.practice
    if practice is None or not practice.practitioner_name:
        return wording.sentence("salutation_practice")
    return wording.sentence("salutation", name=practice.practitioner_name)


def _opening(wording: Wording, facts: LetterFacts) -> str:
    if facts.referral is None:
        opening = wording.sentence("opening_not_referred", person=full_name(facts))
    else:
        opening = wording.sentence("opening_referred", person=full_name(facts), number=facts.referral.number)
    if facts.replaces_on is None:
        return opening
    return f"{opening} {wording.sentence('replaces', date=plain_date(facts.replaces_on))}"


def _closing(wording: Wording, facts: LetterFacts) -> tuple[str, ...]:
    if facts.signer is None:
        return () if facts.kind.definition.signed_by_clinician else (wording.sentence("unsigned"),)
    registration = facts.signer.registration
    registration_lines = (
        (wording.sentence("registration", registration=registration),) if registration else ()
    )
    return (wording.sentence("sincerely"), facts.signer.name, *registration_lines)
