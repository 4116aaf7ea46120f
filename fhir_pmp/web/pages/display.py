"""Formats values for the pages: dates in the clinic's zone, states in plain words."""

from datetime import date, datetime
from typing import Any

from fhir_pmp.pathway.episode_states import EpisodeEvent
from fhir_pmp.pathway.facts import EpisodeState, Moment
from fhir_pmp.pathway.letter_kinds import LetterKind
from fhir_pmp.pathway.plain_words import plain_date
from fhir_pmp.pathway.programme.timepoints import day_of
from fhir_pmp.store.clinical.episodes import EpisodeMove
from fhir_pmp.store.clinical.letters import LetterState
from fhir_pmp.store.delivery.deliveries import DeliveryState
from fhir_pmp.web.context import web_context

STATES = {
    EpisodeState.REFERRED: "Referred",
    EpisodeState.ACCEPTED: "Accepted",
    EpisodeState.DECLINED: "Declined",
    EpisodeState.CANCELLED: "Cancelled by the GP",
    EpisodeState.ENROLLED: "Enrolled",
    EpisodeState.COMMENCED: "Commenced",
    EpisodeState.FINISHED: "Finished",
    EpisodeState.STOPPED: "Stopped early",
    EpisodeState.NEVER_STARTED: "Never started",
}
_LETTER_STATES = {
    LetterState.DRAFT: "Draft, not signed",
    LetterState.SIGNED: "Signed",
    LetterState.REPLACED: "Signed, replaced since",
}
_DELIVERIES = {
    DeliveryState.PENDING: "waiting to be sent",
    DeliveryState.IN_FLIGHT: "being sent",
    DeliveryState.SENT: "delivered",
    DeliveryState.DEAD: "stopped: needs a decision",
    DeliveryState.SUPERSEDED: "not sent: a newer version was sent instead",
    DeliveryState.WAITING: "waiting for a decision or a link",
    DeliveryState.NOT_WANTED: "not sent: the destination does not accept it",
    DeliveryState.WITHHELD: "withheld: no consent to share",
}
_RESOURCES = {
    "Bundle": "Letter as a document",
    "DocumentReference": "Letter (PDF)",
    "EpisodeOfCare": "Participation in the programme",
    "Flag": "Safety flag",
    "Observation": "Scores, changes and safety answers",
    "Organization": "Organization",
    "Patient": "Name, birth date and identifiers",
    "Practitioner": "Practitioner",
    "PractitionerRole": "Practitioner's role",
    "QuestionnaireResponse": "Questionnaire answers",
    "ServiceRequest": "Referral",
    "Task": "Progress of the referral",
}


_MOVES = {
    "refer": "referred",
    EpisodeEvent.ACCEPT: "referral accepted",
    EpisodeEvent.DECLINE: "referral declined",
    EpisodeEvent.CANCEL: "referral cancelled by the GP",
    EpisodeEvent.ENROL: "enrolled",
    EpisodeEvent.COMMENCE: "commenced",
    EpisodeEvent.FINISH: "finished",
    EpisodeEvent.STOP: "stopped early",
    EpisodeEvent.NEVER_START: "never started",
}


def day(value: date | None) -> str:
    """ "5 April 2026", or "not known" for None."""
    return "not known" if value is None else plain_date(value)


def answered(value: Moment | None) -> str:
    """Returns the day, in the clinic's zone, on which a response was answered."""
    return "" if value is None else plain_date(day_of(value, web_context().clinic.zone))


def moment(value: datetime) -> str:
    """ "5 April 2026, 1:07 pm" in the clinic's zone. The value is aware."""
    local = value.astimezone(web_context().clinic.zone)
    return f"{plain_date(local.date())}, {clock(value)}"


def clock(value: datetime) -> str:
    """ "1:07 pm" in the clinic's zone. The value is aware."""
    local = value.astimezone(web_context().clinic.zone)
    return f"{local.hour % 12 or 12}:{local.minute:02} {'am' if local.hour < 12 else 'pm'}"


def state(value: EpisodeState) -> str:
    """Returns the state of an episode in plain words."""
    return STATES[value]


def letter(value: LetterKind) -> str:
    """Returns the kind of a letter in plain words."""
    return value.definition.title


def letter_state(value: LetterState) -> str:
    """Returns the state of a letter in plain words."""
    return _LETTER_STATES[value]


def delivery(value: DeliveryState) -> str:
    """Returns the state of a delivery in plain words."""
    return _DELIVERIES[value]


def resource(kind: str) -> str:
    """Returns a resource type in plain words; an unknown type unchanged."""
    return _RESOURCES.get(kind, kind)


def timepoint(value: str) -> str:
    """Returns the title of a timepoint."""
    return web_context().clinic.programme.timepoint(value).title


def identifier(system: str) -> str:
    """Returns the name of an identifier system; its URI where the wording has no name."""
    return web_context().letter_context.wording.identifier(system) or system


def move(value: EpisodeMove) -> str:
    """Returns one entry of an episode's history in words."""
    if value.event in _MOVES:
        return _MOVES[value.event]
    if value.event == "share_with_ehr":
        return f"sharing with the EHR changed from {value.before} to {value.after}"
    if value.event == "doubt":
        return "identity put in doubt" if value.after == "True" else "identity decided"
    return value.event.replace("_", " ")


def count(number: int, one: str, many: str) -> str:
    """ "1 flag", "3 flags"."""
    return f"{number} {one if number == 1 else many}"


def plain(value: Any) -> str:
    """Returns a simple value of a work item's details as text."""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
