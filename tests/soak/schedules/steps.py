"""What a schedule is made of: each step is a few JSON values, so that a schedule can be kept in a file and done again."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from fhir_pmp.ehr.push.delivery_commands import DeliverySelection, replay, unpause
from fhir_pmp.fhir.definitions import build_definitions
from fhir_pmp.identifiers import Identifier, InstrumentId, ResponseId, SourceId, TimepointId
from fhir_pmp.intake.arrivals import ArrivedEnrolment, ArrivedPractice, ArrivedResponse, RecordingStatus
from fhir_pmp.intake.csv_import.cells import read_moment
from fhir_pmp.intake.enrolment.enrolment_recording import record_enrolments
from fhir_pmp.intake.episode.clinician_decisions import acknowledge_flag
from fhir_pmp.intake.response.response_recording import record_responses
from fhir_pmp.intake.response.response_withdrawal import withdraw_response
from fhir_pmp.pathway.facts import Sex
from fhir_pmp.publishing.publishing_context import PublishingContext
from fhir_pmp.store import UnitOfWork
from tests.soak.history import BackoffCleared, EhrEmptied, FinalDelivery, RemoteVersionStored
from tests.soak.simulation.simulated_ehr import MEDICARE
from tests.soak.simulation.simulation import HOSPITAL, Simulation
from tests.soak.simulation.small_clinic import clinic_variants

Step = Mapping[str, Any]

SOURCE = SourceId("redcap-wide")
BIRTH_DATE = date(1970, 1, 2)
STARTED = date(2026, 3, 2)
TIMEPOINTS = {"screening": -10, "start": 0, "post": 56, "follow_up": 147}
"""A day of each timepoint's window, counted from the start."""
ANSWERS = {"phq9": 9, "peg": 3}
"""How many numbered items each questionnaire has."""
OPERATOR = "command:operator"
DEFINITION_TYPES_SENT = ("Organization", "Questionnaire")


def do(simulation: Simulation, step: Step) -> None:
    """Does one step. Raises what the product should not have raised."""
    STEP_FUNCTIONS[step["do"]](simulation, step)


def run_until_settled(simulation: Simulation) -> None:
    """The weather clears, time passes, people do what work items ask of them; what then stands is judged."""
    simulation.ehr_condition = {"kind": "healthy"}
    simulation.restart()
    _unpause(simulation, {})
    _push_until_quiet(simulation)
    if simulation.history.events_of(EhrEmptied):
        _reconcile_to_the_end(simulation)
        _push_until_quiet(simulation)
    # Whatever somebody refused in bad weather is sent again; what then is still dead is so for a reason.
    _replay(simulation, {})
    _push_until_quiet(simulation)
    _reconcile_to_the_end(simulation)
    _push_until_quiet(simulation)
    if any(stood.by is None for stood in simulation.history.events_of(RemoteVersionStored)):
        simulation.sync(0, "pull")
        _push_until_quiet(simulation)
    simulation.read_database_changes()
    simulation.history.is_reconciled = True
    with simulation.store.read() as uow:
        simulation.history.deliveries = [
            FinalDelivery(_seq(uow, d.seq), d.reference, d.version, d.state.value, d.reason)
            for d in uow.deliveries.list_all(limit=100_000)
        ]
        simulation.history.work_items = frozenset(
            (item.kind, item.about) for item in uow.work_items.list_open()
        )
        routes = [row.route for _, row in uow.audit.list_all(limit=100_000)]
        simulation.history.audited_replay_count = routes.count("deliveries replay")


def _push_until_quiet(simulation: Simulation, most: int = 60) -> None:
    for n in range(most):
        simulation.sync(0, "push")
        with simulation.store.read() as uow:
            counts = uow.deliveries.counts(HOSPITAL).get(HOSPITAL, {})
        if not {"pending", "in_flight"} & {state.value for state in counts}:
            return
        # Longer than a lease, at last longer than any EHR may ask us to wait.
        simulation.now += timedelta(minutes=4) if n < 10 else timedelta(hours=2)


def _reconcile_to_the_end(simulation: Simulation, most: int = 5) -> None:
    for _ in range(most):
        if simulation.sync(0, "reconcile"):
            return
        simulation.now += timedelta(hours=7)
    raise AssertionError("the comparison does not come to its end")


def _seq(uow: UnitOfWork, delivery: int) -> int:
    from fhir_pmp.store.tables.delivery import outbox  # noqa: PLC0415

    return int(uow._connection.execute(outbox.select().where(outbox.c.seq == delivery)).one().published_seq)


def _enrol(simulation: Simulation, step: Step) -> None:
    practice = step.get("practice")
    arrival = ArrivedEnrolment(
        source=SOURCE,
        enrolment=f"e{step['person']}",
        given="Ann",
        family=f"Example {step.get('family', 0)}",
        birth_date=BIRTH_DATE,
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
    with simulation.process(step.get("moments", ())) as process, process.store.begin() as uow:
        results = record_enrolments(
            uow, PublishingContext(clinic_variants()[0], simulation.publisher), [arrival], simulation.now
        )
        _assert_not_refused(results)


def _respond(simulation: Simulation, step: Step) -> None:
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
    with simulation.process(step.get("moments", ())) as process, process.store.begin() as uow:
        record_responses(
            uow, PublishingContext(clinic_variants()[0], simulation.publisher), [arrival], simulation.now
        )


def _assert_not_refused(results: Sequence[Any]) -> None:
    for result in results:
        assert result.status is not RecordingStatus.REFUSED, result.faults


def _withdraw(simulation: Simulation, step: Step) -> None:
    with simulation.store.read() as uow:
        query = "SELECT id FROM responses ORDER BY id"
        known = [row[0] for row in uow._connection.exec_driver_sql(query)]
    if not known:
        return
    response = ResponseId(known[step["nth"] % len(known)])
    with simulation.process(step.get("moments", ())) as process, process.store.begin() as uow:
        withdraw_response(
            uow,
            PublishingContext(clinic_variants()[0], simulation.publisher),
            response,
            reason="the wrong person",
            by="test",
            now=simulation.now,
        )


def _acknowledge(simulation: Simulation, step: Step) -> None:
    with simulation.store.read() as uow:
        flags = sorted(flag.id for flag in uow.flags.list_open())
    if not flags:
        return
    flag = flags[step["nth"] % len(flags)]
    with simulation.process(step.get("moments", ())) as process, process.store.begin() as uow:
        acknowledge_flag(
            uow,
            PublishingContext(clinic_variants()[0], simulation.publisher),
            flag,
            by="account:ada",
            action="rang",
            now=simulation.now,
        )


def _define(simulation: Simulation, step: Step) -> None:
    # Of all the definitions the one that people's resources refer to, and one that nothing refers to: every schedule
    # sends them, compares them, and may lose them.
    definitions = [
        d for d in build_definitions(clinic_variants()[step["phone"]]) if d.type in DEFINITION_TYPES_SENT
    ]
    with simulation.process(step.get("moments", ())) as process, process.store.begin() as uow:
        simulation.publisher.publish(uow, definitions, now=simulation.now)


def _register(simulation: Simulation, step: Step) -> None:
    simulation.hospital.register(step["person"], step["kind"], f"m-{step['person']}", BIRTH_DATE.isoformat())


def _edit(simulation: Simulation, step: Step) -> None:
    remote_references = simulation.hospital.remote_references()
    if remote_references:
        simulation.hospital.edit(
            remote_references[step["nth"] % len(remote_references)], f"x-{simulation.next_position()}"
        )


def _delete(simulation: Simulation, step: Step) -> None:
    remote_references = simulation.hospital.remote_references()
    if remote_references:
        simulation.hospital.delete(remote_references[step["nth"] % len(remote_references)])


def _empty(simulation: Simulation, step: Step) -> None:
    simulation.empty_hospital(
        ids_again=step.get("ids_again", False), foreign_types=step.get("foreign_types", ())
    )


def _set_ehr_condition(simulation: Simulation, step: Step) -> None:
    simulation.ehr_condition = dict(step)


def _clock(simulation: Simulation, step: Step) -> None:
    simulation.now += timedelta(seconds=step["seconds"])
    if step["seconds"] < 0:
        simulation.record_event(BackoffCleared(simulation.next_position()))


def _sync(simulation: Simulation, step: Step) -> None:
    simulation.sync(step.get("worker", 0), step["do"], step.get("moments", ()))


def _restart(simulation: Simulation, step: Step) -> None:
    simulation.restart()


def _replay(simulation: Simulation, step: Step) -> None:
    with simulation.process(step.get("moments", ())) as process:
        replay(
            process.store,
            DeliverySelection(destination=HOSPITAL),
            who=OPERATOR,
            now=simulation.now,
            dry_run=False,
        )
        simulation.history.replay_count += 1


def _unpause(simulation: Simulation, step: Step) -> None:
    with simulation.process(step.get("moments", ())) as process:
        simulation.record_event(BackoffCleared(simulation.next_position()))
        unpause(process.store, HOSPITAL, who=OPERATOR, now=simulation.now)


STEP_FUNCTIONS: Mapping[str, Callable[[Simulation, Step], None]] = {
    "enrol": _enrol,
    "respond": _respond,
    "withdraw": _withdraw,
    "acknowledge": _acknowledge,
    "define": _define,
    "register": _register,
    "edit": _edit,
    "delete": _delete,
    "empty": _empty,
    "ehr condition": _set_ehr_condition,
    "clock": _clock,
    "push": _sync,
    "pull": _sync,
    "reconcile": _sync,
    "restart": _restart,
    "replay": _replay,
    "unpause": _unpause,
}
