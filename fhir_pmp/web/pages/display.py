"""How values are shown on the pages: days and times in the clinic's zone, states and kinds in plain words."""

from datetime import date, datetime
from typing import Any

from fhir_pmp.pathway.episode_states import EpisodeEvent
from fhir_pmp.pathway.facts import EpisodeState, Moment
from fhir_pmp.pathway.plain_words import plain_date
from fhir_pmp.pathway.programme.timepoints import day_of
from fhir_pmp.store.clinical.episodes import EpisodeMove
from fhir_pmp.store.clinical.letters import LetterKind, LetterState
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
_LETTERS = {
    LetterKind.RECEIPT: "Receipt",
    LetterKind.DECLINE: "Decline letter",
    LetterKind.DISCHARGE: "Discharge letter",
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
    DeliveryState.DEAD: "stopped: a person has to look",
    DeliveryState.SUPERSEDED: "not sent: a newer version went instead",
    DeliveryState.WAITING: "waiting for a decision or a link",
    DeliveryState.NOT_WANTED: "not sent: the destination does not take it",
    DeliveryState.WITHHELD: "withheld: no consent to share",
}
_RESOURCES = {
    "Bundle": "Letter as a document",
    "DocumentReference": "Letter (PDF)",
    "EpisodeOfCare": "Part in the programme",
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
    """ "5 April 2026"; a dash in words where there is none."""
    return "not known" if value is None else plain_date(value)


def answered(value: Moment | None) -> str:
    """The clinic's day on which a response was answered: windows and letters go by it."""
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
    """Where an episode stands."""
    return STATES[value]


def letter(value: LetterKind) -> str:
    """What kind of letter it is."""
    return _LETTERS[value]


def letter_state(value: LetterState) -> str:
    """How far a letter got."""
    return _LETTER_STATES[value]


def delivery(value: DeliveryState) -> str:
    """Where a delivery stands."""
    return _DELIVERIES[value]


def resource(kind: str) -> str:
    """A resource type in plain words; an unknown one by its name."""
    return _RESOURCES.get(kind, kind)


def timepoint(value: str) -> str:
    """The title of a timepoint."""
    return web_context().clinic.programme.timepoint(value).title


def identifier(system: str) -> str:
    """What an identifier system is called; one without a name is shown as it is."""
    return web_context().letter_context.wording.identifier(system) or system


def move(value: EpisodeMove) -> str:
    """One line of an episode's history."""
    if value.event in _MOVES:
        return _MOVES[value.event]
    if value.event == "share_with_ehr":
        return f"sharing with the EHR changed from {value.before} to {value.after}"
    if value.event == "doubt":
        return "who this is was doubted" if value.after == "True" else "who this is was decided"
    return value.event.replace("_", " ")


def count(number: int, one: str, many: str) -> str:
    """ "1 flag", "3 flags"."""
    return f"{number} {one if number == 1 else many}"


def plain(value: Any) -> str:
    """A simple value of a work item's details as text."""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
