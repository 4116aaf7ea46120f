"""Writes the sections of the receipt and the decline letter of a referral."""

from fhir_pmp.letters.text.discharge_sections import build_sections, paragraphs
from fhir_pmp.letters.text.letter_content import Paragraph, ParagraphStyle, Section
from fhir_pmp.letters.text.letter_facts import LetterFacts
from fhir_pmp.letters.text.letter_wording import Wording
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.facts import Referral
from fhir_pmp.pathway.plain_words import plain_date
from fhir_pmp.pathway.programme.timepoints import today


def receipt_sections(
    clinic: ClinicalContext, wording: Wording, facts: LetterFacts, referral: Referral
) -> tuple[Section, ...]:
    """The receipt: the referral arrived, its number, and the next steps."""
    words = {
        "person": full_name(facts),
        "received": plain_date(today(referral.received_at, clinic.zone)),
    }
    if referral.authored_on is None:
        arrived = wording.sentence("received_undated", **words)
    else:
        arrived = wording.sentence("received", authored=plain_date(referral.authored_on), **words)
    result = (
        Paragraph(arrived, ParagraphStyle.STRONG),
        Paragraph(wording.sentence("number", number=referral.number)),
    )
    contact = (Paragraph(wording.sentence("receipt_next")), Paragraph(wording.sentence("receipt_urgent")))
    return build_sections(wording, {"result": result, "contact": contact})


def decline_sections(
    clinic: ClinicalContext, wording: Wording, facts: LetterFacts, referral: Referral
) -> tuple[Section, ...]:
    """The decline letter: the decision, its reason, and requests to the GP."""
    # Declined by this letter or by the letter that it replaces.
    declined_on = facts.episode.ended_on or facts.dated_on
    words = {"person": full_name(facts), "number": referral.number, "date": plain_date(declined_on)}
    if referral.authored_on is None:
        declined = wording.sentence("declined_undated", **words)
    else:
        declined = wording.sentence("declined", authored=plain_date(referral.authored_on), **words)
    result = [Paragraph(declined, ParagraphStyle.STRONG)]
    if facts.fields.stop_reason.strip():
        reason = facts.fields.stop_reason.strip()
        result.append(Paragraph(wording.sentence("decline_reason", reason=reason)))
    provider = clinic.programme.provider
    again = Paragraph(wording.sentence("back", provider=provider.name, phone=provider.phone))
    return build_sections(
        wording,
        {
            "result": tuple(result),
            "requests": paragraphs(facts.fields.gp_actions),
            "comment": paragraphs(facts.fields.comment),
            "contact": (again,),
        },
    )


def full_name(facts: LetterFacts) -> str:
    """The person's name in the order of speech."""
    return f"{facts.person.given} {facts.person.family}".strip()
