"""Serves GET /programme/people/{person}/outcomes: an outcome summary for each enrolment of a person."""

from flask import Response
from marshmallow import Schema, fields

from fhir_pmp.errors import NotFound
from fhir_pmp.identifiers import PersonId
from fhir_pmp.pathway.summary.outcome_summary import summarise
from fhir_pmp.pathway.summary.summary_values import summary_values
from fhir_pmp.web.access.audit_trail import note_persons
from fhir_pmp.web.access.policy import CallerKind, allow
from fhir_pmp.web.context import web_context
from fhir_pmp.web.programme_api.blueprint import (
    also_returns,
    build_json_response,
    enrolment_source,
    operation,
    returns,
)
from fhir_pmp.web.programme_api.shared_schemas import ErrorSchema


class PersonUnknown(NotFound):
    """No person with that id is enrolled by this platform."""


class SummarySchema(Schema):
    """One enrolment's outcomes.

    Scores and percentages are strings, as published; changes are post minus pre.
    """

    person = fields.String(required=True)
    episode = fields.String(required=True)
    made_at = fields.String(required=True)
    engagement = fields.Dict(required=True)
    results = fields.List(fields.Dict(), required=True)
    safety = fields.List(fields.Dict(), required=True)
    flags = fields.List(fields.Dict(), required=True)
    scales = fields.List(fields.Dict(), required=True)
    categories = fields.List(fields.Dict(), required=True)
    next_due = fields.Dict(required=True, allow_none=True)
    made_from = fields.List(fields.Dict(), required=True)


class OutcomesSchema(Schema):
    """A person's outcomes."""

    person = fields.String(required=True)
    enrolments = fields.List(fields.Nested(SummarySchema), required=True)


@operation("GET", "/people/<our_id:person>/outcomes")
@allow(CallerKind.PLATFORM)
@returns(200, OutcomesSchema, "The outcome summary of each of the person's enrolments by this platform")
@also_returns(404, ErrorSchema, "No person with that id is enrolled by this platform")
def read_outcomes(person: str) -> Response:
    """Read a person's outcomes: scores at every timepoint, changes, verdicts and safety answers."""
    context, source_id = web_context(), enrolment_source()
    with context.store.read() as uow:
        # A person found to be a duplicate is read under the record that was kept.
        kept = uow.people.same_as(PersonId(person)) or PersonId(person)
        episodes = [episode for episode in uow.episodes.of_person(kept) if episode.source == source_id]
        if not episodes:
            raise PersonUnknown(field="person")
        person_record = uow.people.get(kept)
        recorded = uow.responses.of_episodes((episode.id for episode in episodes), withdrawn=True)
        flags = uow.flags.of_episodes(episode.id for episode in episodes)
    note_persons([kept])
    summaries = [
        summarise(
            context.clinic,
            person_record,
            episode,
            [one.response for one in recorded.get(episode.id, [])],
            flags.get(episode.id, []),
            context.clock(),
        )
        for episode in episodes
    ]
    return build_json_response({"person": kept, "enrolments": [summary_values(one) for one in summaries]})
