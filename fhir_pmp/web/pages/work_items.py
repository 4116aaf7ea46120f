"""Serves one work item: the decision, the records concerned and the closing form."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from flask import Response, redirect, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from fhir_pmp.errors import NotAllowed, NotUnderstood
from fhir_pmp.fhir.serialization.json_reader import read_fhir_json
from fhir_pmp.identifiers import LinkId, PersonId
from fhir_pmp.intake.clinician_questions import WHO_IS_THIS
from fhir_pmp.intake.matching.identity_resolution import IdentityDecision, resolve_identity
from fhir_pmp.intake.referral.referral_receiving import LARGEST_BUNDLE
from fhir_pmp.pathway.facts import Episode, Person
from fhir_pmp.pathway.plain_words import plain_date
from fhir_pmp.store import UnitOfWork
from fhir_pmp.store.clinical.work_items import WorkItem
from fhir_pmp.web.access.audit_trail import note_persons
from fhir_pmp.web.access.callers import account
from fhir_pmp.web.context import web_context
from fhir_pmp.web.pages.actor_names import ActorNames
from fhir_pmp.web.pages.blueprint import clinicians_may_change, pages, staff_may_read
from fhir_pmp.web.pages.fhir_outline import OutlineLine, build_outline, type_name
from fhir_pmp.web.pages.forms import Form
from fhir_pmp.web.pages.page_layout import render_page

_LABELS = {"how": "How it was decided"}

_WHO = {"who": "Who this is"}
_ANOTHER = "another"

_SHOWN_SEPARATELY = frozenset(
    {"others", "inbox", "faults", "reasons", "said", "fields", "items", "timepoint", "referral"}
)
"""Details that the template shows in sections of their own."""


@dataclass(frozen=True, slots=True)
class PersonRecord:
    """One of the person records that are shown side by side."""

    person: Person
    episodes: list[Episode]
    is_in_doubt: bool


@dataclass(frozen=True, slots=True)
class ArrivedBody:
    """One received body: its inbox number and the lines that differ from the other."""

    number: int
    heading: str
    lines: list[OutlineLine]


@dataclass(frozen=True, slots=True)
class RelatedRecords:
    """The records that belong to a work item."""

    person: Person | None
    records: list[PersonRecord]
    arrivals: list[ArrivedBody]
    names: ActorNames


@pages.get("/work/<int:item_id>")
@staff_may_read
def work_item(item_id: int) -> str:
    """Shows the item with its related records."""
    return _show(item_id, Form({**_LABELS, **_WHO}))


@pages.post("/work/<int:item_id>/close")
@clinicians_may_change
def close(item_id: int) -> ResponseReturnValue:
    """Closes the item with the clinician's note."""
    form = Form.from_request(_LABELS)
    form.require("how", "Enter how it was decided")
    form.require_printable("how")
    if form.faults:
        return _show(item_id, form), 400
    try:
        with web_context().store.begin_without_publishing() as uow:
            if uow.work_items.get(item_id).kind == WHO_IS_THIS:
                # The decision changes what is published; a note alone would leave the identity undecided.
                raise NotAllowed("Choose who this is: that closes the item")
            closed = uow.work_items.close(
                item_id, by=f"account:{account().id}", how=form.value("how"), now=web_context().clock()
            )
    except NotAllowed as refusal:
        form.add_refusal(refusal)
        return _show(item_id, form), 409
    note_persons([] if closed.person is None else [closed.person])
    return redirect(url_for("pages.worklist"), 303)


@pages.post("/work/<int:item_id>/decide")
@clinicians_may_change
def decide(item_id: int) -> ResponseReturnValue:
    """Decides whether a record in doubt is a known person or another person."""
    form = Form.from_request(_WHO)
    form.require("who", "Choose who this is")
    if form.faults:
        return _show(item_id, form), 400
    context, who = web_context(), form.value("who")
    another = who == _ANOTHER
    try:
        with context.store.begin() as uow:
            decided = resolve_identity(
                uow,
                context.publishing,
                item_id,
                IdentityDecision.ANOTHER_PERSON if another else IdentityDecision.SAME_PERSON,
                by=f"account:{account().id}",
                now=context.clock(),
                same_as=None if another else PersonId(who),
            )
    except (NotAllowed, NotUnderstood) as refusal:
        form.add_refusal(refusal)
        return _show(item_id, form), 409
    note_persons([decided.person, *([] if another else [PersonId(who)])])
    return redirect(url_for("pages.person", person_id=decided.person), 303)


@pages.get("/work/<int:item_id>/arrivals/<int:number>")
@staff_may_read
def arrival(item_id: int, number: int) -> Response:
    """Returns a received body unchanged, as a download; only bodies that the item names."""
    with web_context().store.read() as uow:
        item = uow.work_items.get(item_id)
        if number not in _inbox_rows(item):
            raise NotFound
        found = uow.inbox.get(number)
    note_persons([] if item.person is None else [item.person])
    headers = {"Content-Disposition": f'attachment; filename="arrival-{number}.bin"'}
    return Response(found.body, headers=headers, content_type="application/octet-stream")


def _show(item_id: int, form: Form) -> str:
    with web_context().store.read() as uow:
        item = uow.work_items.get(item_id)
        related = _load_related(uow, item)
    note_persons(record.person.id for record in related.records)
    note_persons([] if item.person is None else [item.person])
    return render_page(
        "work_item.html",
        title=f"To decide: {item.what[:1].upper()}{item.what[1:]}",
        section="worklist",
        form=form,
        item=item,
        related=related,
        item_names=_item_names(item),
        registered=_registered(related.person),
        reported=_reported_fields(item),
        link=_link(item),
        others=_others(item),
        asks_identity=item.kind == WHO_IS_THIS,
        choices=_choices(related),
    )


def _choices(related: RelatedRecords) -> list[dict[str, str]]:
    """Returns the choices for "Who this is": each known record, or another person."""
    same = [
        {
            "value": record.person.id,
            "text": f"The same person as {record.person.given} {record.person.family}, "
            f"born {plain_date(record.person.birth_date)}",
        }
        for record in related.records
        if not record.is_in_doubt
    ]
    return [*same, {"value": _ANOTHER, "text": "Another person: the record stays separate"}]


def _others(item: WorkItem) -> dict[str, Any]:
    return {
        name: value
        for name, value in item.details.items()
        if name not in _SHOWN_SEPARATELY and value not in (None, "", [])
    }


def _item_names(item: WorkItem) -> list[str]:
    """Returns the names, as in letters, of the questionnaire items the work item is about."""
    labels = {
        one.link_id: one.label
        for instrument in web_context().clinic.instruments.values()
        for one in instrument.items
    }
    wanted = [LinkId(str(name)) for name in item.details.get("items", [])]
    return [web_context().letter_context.wording.safety_item(one, labels.get(one, one)) for one in wanted]


def _registered(person: Person | None) -> dict[str, str]:
    """Returns the registered fields of a person as text, by the names that work items use."""
    if person is None:
        return {}
    born = plain_date(person.birth_date)
    return {"given": person.given, "family": person.family, "birth_date": born, "sex": person.sex.value}


def _reported_fields(item: WorkItem) -> dict[str, str]:
    """Returns the fields as the referral or the platform now states them, by the same names."""
    reported: dict[str, str] = item.details.get("said", {})
    return reported | (
        {"birth_date": plain_date(date.fromisoformat(reported["birth_date"]))}
        if "birth_date" in reported
        else {}
    )


def _link(item: WorkItem) -> tuple[str, str] | None:
    """Returns URL and name of the page that the item is about, or None."""
    kind, _, name = item.about.partition("/")
    if kind == "letter":
        return url_for("pages.letter", letter_id=name), "the letter"
    if kind == "referral":
        return url_for("pages.referral", referral_id=name), "the referral"
    if kind == "episode" and item.person is not None:
        return url_for("pages.episode", person_id=item.person, episode_id=name), "the episode"
    return None


def _load_related(uow: UnitOfWork, item: WorkItem) -> RelatedRecords:
    person = None if item.person is None else uow.people.get(item.person)
    wanted = [PersonId(str(one)) for one in item.details.get("others", [])]
    people = uow.people.find_many(wanted)
    records = [] if person is None or not wanted else [_record(uow, person, is_in_doubt=True)]
    records += [_record(uow, people[one], is_in_doubt=False) for one in wanted if one in people]
    return RelatedRecords(person, records, _arrivals(uow, item), ActorNames.load(uow))


def _record(uow: UnitOfWork, person: Person, *, is_in_doubt: bool) -> PersonRecord:
    return PersonRecord(person, uow.episodes.of_person(person.id), is_in_doubt)


def _inbox_rows(item: WorkItem) -> list[int]:
    if item.about.startswith("inbox/"):
        return [int(item.about.removeprefix("inbox/"))]
    return [row for row in item.details.get("inbox", []) if isinstance(row, int)]


def _arrivals(uow: UnitOfWork, item: WorkItem) -> list[ArrivedBody]:
    """Returns the bodies the item is about; of two bodies only the lines that differ."""
    found = [(row, _outline_body(uow.inbox.get(row).body)) for row in _inbox_rows(item)]
    common = set.intersection(*(set(lines) for _, lines in found)) if len(found) > 1 else set()
    headings = ("As recorded", "As received later") if len(found) > 1 else ("As received",)
    return [
        ArrivedBody(row, heading, [line for line in lines if line not in common])
        for (row, lines), heading in zip(found, headings, strict=False)
    ]


def _outline_body(body: bytes) -> list[OutlineLine]:
    """Returns the lines of a Bundle or a single resource; no lines where it cannot be parsed."""
    try:
        bundle: dict[str, Any] = read_fhir_json(body, max_bytes=LARGEST_BUNDLE)
    except Exception:  # noqa: BLE001 - a body that cannot be parsed can still be downloaded
        return []
    lines: list[OutlineLine] = []
    for entry in (
        bundle.get("entry", []) if bundle.get("resourceType") == "Bundle" else [{"resource": bundle}]
    ):
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(resource, dict):
            name = type_name(str(resource.get("resourceType", "resource")))
            lines += [OutlineLine(f"{name}: {line.label}", line.text) for line in build_outline(resource)]
    return lines
