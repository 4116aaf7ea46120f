"""The two short letters about a referral: it has arrived, and it is declined."""

from fhir_pmp.letters.content import Paragraph, Section, Weight
from fhir_pmp.letters.discharge import made_sections, paragraphs
from fhir_pmp.letters.facts import LetterFacts
from fhir_pmp.letters.wording import Wording
from fhir_pmp.pathway.clinic import Clinic
from fhir_pmp.pathway.facts import Referral
from fhir_pmp.pathway.timepoints import today
from fhir_pmp.pathway.wording import plain_date


def receipt_sections(
    clinic: Clinic, wording: Wording, facts: LetterFacts, referral: Referral
) -> tuple[Section, ...]:
    """That the referral arrived, its number, and what happens next. Nobody signs it."""
    words = {
        "person": full_name(facts),
        "received": plain_date(today(referral.received_at, clinic.zone)),
    }
    if referral.authored_on is None:
        arrived = wording.say("received_undated", **words)
    else:
        arrived = wording.say("received", authored=plain_date(referral.authored_on), **words)
    result = (
        Paragraph(arrived, Weight.STRONG),
        Paragraph(wording.say("number", number=referral.number)),
    )
    contact = (Paragraph(wording.say("receipt_next")), Paragraph(wording.say("receipt_urgent")))
    return made_sections(wording, {"result": result, "contact": contact})


def decline_sections(
    clinic: Clinic, wording: Wording, facts: LetterFacts, referral: Referral
) -> tuple[Section, ...]:
    """That the referral is declined, why, and what we ask of the GP."""
    # It is declined by this letter, or was by the one that this letter replaces.
    declined_on = facts.episode.ended_on or facts.dated_on
    words = {"person": full_name(facts), "number": referral.number, "date": plain_date(declined_on)}
    if referral.authored_on is None:
        declined = wording.say("declined_undated", **words)
    else:
        declined = wording.say("declined", authored=plain_date(referral.authored_on), **words)
    result = [Paragraph(declined, Weight.STRONG)]
    if facts.fields.stop_reason.strip():
        reason = facts.fields.stop_reason.strip()
        result.append(Paragraph(wording.say("decline_reason", reason=reason)))
    provider = clinic.programme.provider
    again = Paragraph(wording.say("back", provider=provider.name, phone=provider.phone))
    return made_sections(
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
