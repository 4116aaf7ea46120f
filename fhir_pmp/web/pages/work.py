"""One work item: what has to be decided, both records where there are two, and the form that closes it."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from flask import Response, redirect, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from fhir_pmp.errors import NotAllowed, NotUnderstood
from fhir_pmp.fhir.json_reader import read_strict
from fhir_pmp.identifiers import LinkId, PersonId
from fhir_pmp.intake.questions import WHO_IS_THIS
from fhir_pmp.intake.referrals import LARGEST_BUNDLE
from fhir_pmp.intake.same_person import Decision, decide_same_person
from fhir_pmp.pathway.facts import Episode, Person
from fhir_pmp.pathway.wording import plain_date
from fhir_pmp.store import Books
from fhir_pmp.store.work_items import WorkItem
from fhir_pmp.web.access.auditing import note_persons
from fhir_pmp.web.access.callers import account
from fhir_pmp.web.desk import desk
from fhir_pmp.web.pages.accounts import Names
from fhir_pmp.web.pages.blueprint import decides, pages, reads
from fhir_pmp.web.pages.forms import Form
from fhir_pmp.web.pages.frame import page
from fhir_pmp.web.pages.outline import Said, outline, type_name

_LABELS = {"how": "How it was decided"}

_WHO = {"who": "Who this is"}
_ANOTHER = "another"

_TOLD_APART = frozenset(
    {"others", "inbox", "faults", "reasons", "said", "fields", "items", "timepoint", "referral"}
)
"""Details that are shown in words of their own."""


@dataclass(frozen=True, slots=True)
class Record:
    """One of the records that stand side by side."""

    person: Person
    episodes: list[Episode]
    this: bool


@dataclass(frozen=True, slots=True)
class Arrived:
    """One body as it came in, the lines that only it says, and its number in the inbox."""

    number: int
    heading: str
    lines: list[Said]


@dataclass(frozen=True, slots=True)
class Background:
    """What is known around an item."""

    person: Person | None
    records: list[Record]
    arrivals: list[Arrived]
    names: Names


@pages.get("/work/<int:item_id>")
@reads
def work_item(item_id: int) -> str:
    """The item with what is known around it."""
    return _show(item_id, Form({**_LABELS, **_WHO}))


@pages.post("/work/<int:item_id>/close")
@decides
def close(item_id: int) -> ResponseReturnValue:
    """Closes the item with how it was decided."""
    form = Form.posted(_LABELS)
    form.require("how", "Say how it was decided")
    form.must_print("how")
    if form.faults:
        return _show(item_id, form), 400
    try:
        with desk().store.begin_beside() as books:
            if books.work_items.get(item_id).kind == WHO_IS_THIS:
                # Its answer changes what is published: a line of text would leave the doubt standing.
                raise NotAllowed("Choose who this is: that closes the line")
            closed = books.work_items.close(
                item_id, by=f"account:{account().id}", how=form.value("how"), now=desk().clock()
            )
    except NotAllowed as refusal:
        form.refuse(refusal)
        return _show(item_id, form), 409
    note_persons([] if closed.person is None else [closed.person])
    return redirect(url_for("pages.worklist"), 303)


@pages.post("/work/<int:item_id>/decide")
@decides
def decide(item_id: int) -> ResponseReturnValue:
    """Says who a record in doubt is: the same person as a known one, or a person of their own."""
    form = Form.posted(_WHO)
    form.require("who", "Choose who this is")
    if form.faults:
        return _show(item_id, form), 400
    here, who = desk(), form.value("who")
    another = who == _ANOTHER
    try:
        with here.store.begin() as books:
            decided = decide_same_person(
                books,
                here.clinic,
                here.publisher,
                item_id,
                Decision.ANOTHER_PERSON if another else Decision.SAME_PERSON,
                by=f"account:{account().id}",
                now=here.clock(),
                same_as=None if another else PersonId(who),
            )
    except (NotAllowed, NotUnderstood) as refusal:
        form.refuse(refusal)
        return _show(item_id, form), 409
    note_persons([decided.person, *([] if another else [PersonId(who)])])
    return redirect(url_for("pages.person", person_id=decided.person), 303)


@pages.get("/work/<int:item_id>/arrivals/<int:number>")
@reads
def arrival(item_id: int, number: int) -> Response:
    """What arrived, verbatim, to keep; only what the item names."""
    with desk().store.read() as books:
        item = books.work_items.get(item_id)
        if number not in _inbox_rows(item):
            raise NotFound
        found = books.inbox.get(number)
    note_persons([] if item.person is None else [item.person])
    headers = {"Content-Disposition": f'attachment; filename="arrival-{number}.bin"'}
    return Response(found.body, headers=headers, content_type="application/octet-stream")


def _show(item_id: int, form: Form) -> str:
    with desk().store.read() as books:
        item = books.work_items.get(item_id)
        background = _background(books, item)
    note_persons(record.person.id for record in background.records)
    note_persons([] if item.person is None else [item.person])
    return page(
        "work_item.html",
        title=f"To decide: {item.what[:1].upper()}{item.what[1:]}",
        section="worklist",
        form=form,
        item=item,
        background=background,
        item_names=_item_names(item),
        registered=_registered(background.person),
        said=_heard(item),
        link=_link(item),
        others=_others(item),
        asks_who=item.kind == WHO_IS_THIS,
        choices=_choices(background),
    )


def _choices(background: Background) -> list[dict[str, str]]:
    """What a clinician may answer to "who is this?"."""
    same = [
        {
            "value": record.person.id,
            "text": f"The same person as {record.person.given} {record.person.family}, "
            f"born {plain_date(record.person.birth_date)}",
        }
        for record in background.records
        if not record.this
    ]
    return [*same, {"value": _ANOTHER, "text": "Another person: the record stays on its own"}]


def _others(item: WorkItem) -> dict[str, Any]:
    return {
        name: value
        for name, value in item.details.items()
        if name not in _TOLD_APART and value not in (None, "", [])
    }


def _item_names(item: WorkItem) -> list[str]:
    """The questionnaire items a line is about, as letters call them."""
    labels = {
        one.link_id: one.label
        for instrument in desk().clinic.instruments.values()
        for one in instrument.items
    }
    wanted = [LinkId(str(name)) for name in item.details.get("items", [])]
    return [desk().press.wording.safety_item(one, labels.get(one, one)) for one in wanted]


def _registered(person: Person | None) -> dict[str, str]:
    """A person's own fields as text, by the names that work items use."""
    if person is None:
        return {}
    born = plain_date(person.birth_date)
    return {"given": person.given, "family": person.family, "birth_date": born, "sex": person.sex.value}


def _heard(item: WorkItem) -> dict[str, str]:
    """What a door says of a person now, by the same names."""
    said: dict[str, str] = item.details.get("said", {})
    return said | (
        {"birth_date": plain_date(date.fromisoformat(said["birth_date"]))} if "birth_date" in said else {}
    )


def _link(item: WorkItem) -> tuple[str, str] | None:
    """The page of what the item is about."""
    kind, _, name = item.about.partition("/")
    if kind == "letter":
        return url_for("pages.letter", letter_id=name), "the letter"
    if kind == "referral":
        return url_for("pages.referral", referral_id=name), "the referral"
    if kind == "episode" and item.person is not None:
        return url_for("pages.episode", person_id=item.person, episode_id=name), "the episode"
    return None


def _background(books: Books, item: WorkItem) -> Background:
    person = None if item.person is None else books.people.get(item.person)
    wanted = [PersonId(str(one)) for one in item.details.get("others", [])]
    people = books.people.find_many(wanted)
    records = [] if person is None or not wanted else [_record(books, person, this=True)]
    records += [_record(books, people[one], this=False) for one in wanted if one in people]
    return Background(person, records, _arrivals(books, item), Names.of(books))


def _record(books: Books, person: Person, *, this: bool) -> Record:
    return Record(person, books.episodes.of_person(person.id), this)


def _inbox_rows(item: WorkItem) -> list[int]:
    if item.about.startswith("inbox/"):
        return [int(item.about.removeprefix("inbox/"))]
    return [row for row in item.details.get("inbox", []) if isinstance(row, int)]


def _arrivals(books: Books, item: WorkItem) -> list[Arrived]:
    """The bodies an item is about; where there are two, the lines in which they differ."""
    found = [(row, _said(books.inbox.get(row).body)) for row in _inbox_rows(item)]
    common = set.intersection(*(set(lines) for _, lines in found)) if len(found) > 1 else set()
    headings = ("As we hold it", "As it arrived later") if len(found) > 1 else ("As it arrived",)
    return [
        Arrived(row, heading, [line for line in lines if line not in common])
        for (row, lines), heading in zip(found, headings, strict=False)
    ]


def _said(body: bytes) -> list[Said]:
    """The lines of a Bundle, or of one resource that was read at an EHR; none where it cannot be read."""
    try:
        bundle: dict[str, Any] = read_strict(body, max_bytes=LARGEST_BUNDLE)
    except Exception:  # noqa: BLE001 - whatever is wrong with a foreign body, it can still be downloaded
        return []
    lines: list[Said] = []
    for entry in (
        bundle.get("entry", []) if bundle.get("resourceType") == "Bundle" else [{"resource": bundle}]
    ):
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(resource, dict):
            name = type_name(str(resource.get("resourceType", "resource")))
            lines += [Said(f"{name}: {line.where}", line.what) for line in outline(resource)]
    return lines
