"""What a schedule is made of: each step is a few JSON values, so that a schedule can be kept in a file and done again."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from fhir_pmp.ehr.deliveries import Selection, replay, unpause
from fhir_pmp.fhir.definitions import build_definitions
from fhir_pmp.identifiers import Identifier, InstrumentId, ResponseId, SourceId, TimepointId
from fhir_pmp.intake.arrivals import ArrivedEnrolment, ArrivedPractice, ArrivedResponse, Fate
from fhir_pmp.intake.cells import read_moment
from fhir_pmp.intake.decisions import acknowledge_flag
from fhir_pmp.intake.enrolments import record_enrolments
from fhir_pmp.intake.responses import record_responses
from fhir_pmp.intake.withdrawals import withdraw_response
from fhir_pmp.pathway.facts import Sex
from fhir_pmp.store import Books
from tests.soak.clinic import clinics
from tests.soak.history import Emptied, Final, Forgiven, Stood
from tests.soak.hospital import MEDICARE
from tests.soak.world import HOSPITAL, World

Step = Mapping[str, Any]

SOURCE = SourceId("redcap-wide")
BORN = date(1970, 1, 2)
STARTED = date(2026, 3, 2)
TIMEPOINTS = {"screening": -10, "start": 0, "post": 56, "follow_up": 147}
"""A day of each timepoint's window, counted from the start."""
ANSWERS = {"phq9": 9, "peg": 3}
"""How many numbered items each questionnaire has."""
OPERATOR = "command:operator"
DEFINED = ("Organization", "Questionnaire")


def do(world: World, step: Step) -> None:
    """Does one step. Raises what the product should not have raised."""
    DOING[step["do"]](world, step)


def come_to_rest(world: World) -> None:
    """The weather clears, time passes, people do what work items ask of them; what then stands is judged."""
    world.weather = {"kind": "fair"}
    world.restart()
    _unpause(world, {})
    _push_until_quiet(world)
    if world.history.of(Emptied):
        _reconcile_to_the_end(world)
        _push_until_quiet(world)
    # Whatever somebody refused in bad weather is sent again; what then is still dead is so for a reason.
    _replay(world, {})
    _push_until_quiet(world)
    _reconcile_to_the_end(world)
    _push_until_quiet(world)
    if any(stood.by is None for stood in world.history.of(Stood)):
        world.sync(0, "pull")
        _push_until_quiet(world)
    world.look()
    world.history.reconciled = True
    with world.store.read() as books:
        world.history.deliveries = [
            Final(_seq(books, d.seq), d.reference, d.version, d.state.value, d.reason)
            for d in books.deliveries.list_all(limit=100_000)
        ]
        world.history.work_items = frozenset((item.kind, item.about) for item in books.work_items.list_open())
        routes = [row.route for _, row in books.audit.list_all(limit=100_000)]
        world.history.audited = routes.count("deliveries replay")


def _push_until_quiet(world: World, most: int = 60) -> None:
    for n in range(most):
        world.sync(0, "push")
        with world.store.read() as books:
            counts = books.deliveries.counts(HOSPITAL).get(HOSPITAL, {})
        if not {"pending", "in_flight"} & {state.value for state in counts}:
            return
        # Longer than a lease, at last longer than any EHR may ask us to wait.
        world.now += timedelta(minutes=4) if n < 10 else timedelta(hours=2)


def _reconcile_to_the_end(world: World, most: int = 5) -> None:
    for _ in range(most):
        if world.sync(0, "reconcile"):
            return
        world.now += timedelta(hours=7)
    raise AssertionError("the comparison does not come to its end")


def _seq(books: Books, delivery: int) -> int:
    from fhir_pmp.store.tables.delivery import outbox  # noqa: PLC0415

    return int(books._connection.execute(outbox.select().where(outbox.c.seq == delivery)).one().published)


def _enrol(world: World, step: Step) -> None:
    practice = step.get("practice")
    arrival = ArrivedEnrolment(
        source=SOURCE,
        enrolment=f"e{step['person']}",
        given="Ann",
        family=f"Example {step.get('family', 0)}",
        birth_date=BORN,
        sex=Sex.FEMALE,
        identifiers=(Identifier(MEDICARE, f"m-{step['person']}"),),
        referral_number=None,
        share_with_ehr=step["share"],
        enrolled_on=STARTED - timedelta(days=5),
        started_on=STARTED,
        lessons=tuple((n, STARTED + timedelta(days=n)) for n in range(1, step.get("lessons", 0) + 1)),
        ended_on=None,
        ended_how=None,
        end_reason=None,
        practice=None
        if practice is None
        else ArrivedPractice(Identifier("urn:hpio", "1"), f"Practice {practice}", None, None),
    )
    with world.life(step.get("moments", ())) as process, process.store.begin() as books:
        receipts = record_enrolments(books, clinics()[0], world.publisher, [arrival], world.now)
        _must_not_be_refused(receipts)


def _respond(world: World, step: Step) -> None:
    name = step["instrument"]
    answers = {f"{name}-{n}": value for n, value in enumerate(step["values"], start=1)}
    if name == "phq9":
        answers["phq9-difficulty"] = 0
    authored = read_moment((STARTED + timedelta(days=TIMEPOINTS[step["timepoint"]])).isoformat())
    assert authored is not None
    arrival = ArrivedResponse(
        source=SOURCE,
        enrolments_of=SOURCE,
        enrolment=f"e{step['person']}",
        response_id=None,
        instrument=InstrumentId(name),
        timepoint=TimepointId(step["timepoint"]),
        authored=authored,
        amends=step.get("amends", True),
        answers=answers,
    )
    with world.life(step.get("moments", ())) as process, process.store.begin() as books:
        record_responses(books, clinics()[0], world.publisher, [arrival], world.now)


def _must_not_be_refused(receipts: Sequence[Any]) -> None:
    for receipt in receipts:
        assert receipt.fate is not Fate.REFUSED, receipt.faults


def _withdraw(world: World, step: Step) -> None:
    with world.store.read() as books:
        query = "SELECT id FROM responses ORDER BY id"
        known = [row[0] for row in books._connection.exec_driver_sql(query)]
    if not known:
        return
    response = ResponseId(known[step["nth"] % len(known)])
    with world.life(step.get("moments", ())) as process, process.store.begin() as books:
        withdraw_response(
            books,
            clinics()[0],
            world.publisher,
            response,
            reason="the wrong person",
            by="test",
            now=world.now,
        )


def _acknowledge(world: World, step: Step) -> None:
    with world.store.read() as books:
        flags = sorted(flag.id for flag in books.flags.list_open())
    if not flags:
        return
    flag = flags[step["nth"] % len(flags)]
    with world.life(step.get("moments", ())) as process, process.store.begin() as books:
        acknowledge_flag(
            books, clinics()[0], world.publisher, flag, by="account:ada", action="rang", now=world.now
        )


def _define(world: World, step: Step) -> None:
    # Of all the definitions the one that people's resources refer to, and one that nothing refers to: every schedule
    # sends them, compares them, and may lose them.
    definitions = [d for d in build_definitions(clinics()[step["phone"]]) if d.type in DEFINED]
    with world.life(step.get("moments", ())) as process, process.store.begin() as books:
        world.publisher.publish(books, definitions, now=world.now)


def _register(world: World, step: Step) -> None:
    world.hospital.register(step["person"], step["kind"], f"m-{step['person']}", BORN.isoformat())


def _edit(world: World, step: Step) -> None:
    places = world.hospital.places()
    if places:
        world.hospital.edit(places[step["nth"] % len(places)], f"x-{world.tick()}")


def _delete(world: World, step: Step) -> None:
    places = world.hospital.places()
    if places:
        world.hospital.delete(places[step["nth"] % len(places)])


def _empty(world: World, step: Step) -> None:
    world.empty_hospital(ids_again=step.get("ids_again", False), strangers=step.get("strangers", ()))


def _weather(world: World, step: Step) -> None:
    world.weather = dict(step)


def _clock(world: World, step: Step) -> None:
    world.now += timedelta(seconds=step["seconds"])
    if step["seconds"] < 0:
        world.note(Forgiven(world.tick()))


def _sync(world: World, step: Step) -> None:
    world.sync(step.get("worker", 0), step["do"], step.get("moments", ()))


def _restart(world: World, step: Step) -> None:
    world.restart()


def _replay(world: World, step: Step) -> None:
    with world.life(step.get("moments", ())) as process:
        replay(process.store, Selection(destination=HOSPITAL), who=OPERATOR, now=world.now, dry_run=False)
        world.history.acted += 1


def _unpause(world: World, step: Step) -> None:
    with world.life(step.get("moments", ())) as process:
        world.note(Forgiven(world.tick()))
        unpause(process.store, HOSPITAL, who=OPERATOR, now=world.now)


DOING: Mapping[str, Callable[[World, Step], None]] = {
    "enrol": _enrol,
    "respond": _respond,
    "withdraw": _withdraw,
    "acknowledge": _acknowledge,
    "define": _define,
    "register": _register,
    "edit": _edit,
    "delete": _delete,
    "empty": _empty,
    "weather": _weather,
    "clock": _clock,
    "push": _sync,
    "pull": _sync,
    "reconcile": _sync,
    "restart": _restart,
    "replay": _replay,
    "unpause": _unpause,
}
