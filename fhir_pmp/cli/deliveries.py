"""Commands that list, count, replay and link deliveries to EHRs."""

import json
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import click
from rich.console import Console
from rich.table import Table

from fhir_pmp.cli.startup import now, read_settings, start_runtime
from fhir_pmp.ehr.config.destinations import PatientOwnership
from fhir_pmp.ehr.identity.patient_link import decide_link
from fhir_pmp.ehr.push import delivery_commands
from fhir_pmp.identifiers import DestinationId, PersonId
from fhir_pmp.runtime import Runtime
from fhir_pmp.schedule.sync_jobs import build_sync_jobs
from fhir_pmp.store.delivery.deliveries import Delivery, DeliveryState

ACTOR = "command:deliveries"


@click.group()
def deliveries() -> None:
    """Show and manage the deliveries to EHRs."""


def selection_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options that select deliveries."""
    for option in (
        click.option("--delivery", type=int, help="One delivery, by its number."),
        click.option("--destination", help="All deliveries to one destination."),
        click.option("--person", help="All deliveries about one person, by our id."),
        click.option("--resource", help="All deliveries of one resource, as Type/id."),
        click.option(
            "--since",
            type=click.DateTime(["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"]),
            help="Queued at this time or later, in UTC.",
        ),
        click.option(
            "--until",
            type=click.DateTime(["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"]),
            help="Queued before this time, in UTC.",
        ),
    ):
        command = option(command)
    return command


def _selection(
    delivery: int | None,
    destination: str | None,
    person: str | None,
    resource: str | None,
    since: datetime | None,
    until: datetime | None,
) -> delivery_commands.DeliverySelection:
    return delivery_commands.DeliverySelection(
        delivery=delivery,
        destination=DestinationId(destination) if destination else None,
        person=PersonId(person) if person else None,
        reference=resource,
        since=since.replace(tzinfo=UTC) if since else None,
        until=until.replace(tzinfo=UTC) if until else None,
    )


@deliveries.command("counts")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on one line.")
@click.option("--every", type=click.FloatRange(min=0.1), help="Repeat after so many seconds, until Ctrl-C.")
def counts(as_json: bool, every: float | None) -> None:
    """Count the deliveries to each destination by state."""
    runtime = start_runtime()
    while True:
        found = _count_deliveries(runtime)
        if as_json:
            click.echo(json.dumps(found))
        for name, counted in {} if as_json else found.items():
            for title, numbers in counted.items():
                text = ", ".join(f"{count} {what}" for what, count in numbers.items()) or "nothing"
                click.echo(f"{name}, {title.replace('_', ' ')}: {text}")
        if every is None:
            return
        time.sleep(every)


def _count_deliveries(runtime: Runtime) -> dict[str, dict[str, dict[str, int]]]:
    with runtime.store.read() as uow:
        states = uow.deliveries.counts()
        return {
            str(name): {
                "deliveries": {state.value: count for state, count in states.get(name, {}).items()},
                "resources_sent": uow.deliveries.sent_by_type(name),
            }
            for name in runtime.destinations
        }


@deliveries.command("list")
@selection_options
@click.option("--state", "states", multiple=True, type=click.Choice([s.value for s in DeliveryState]))
@click.option("--after", type=int, help="Start after this delivery number.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_deliveries(
    delivery: int | None,
    destination: str | None,
    person: str | None,
    resource: str | None,
    since: datetime | None,
    until: datetime | None,
    states: tuple[str, ...],
    after: int | None,
    limit: int,
    as_json: bool,
) -> None:
    """List deliveries in the order they were queued."""
    selection = _selection(delivery, destination, person, resource, since, until)
    with_states = delivery_commands.DeliverySelection(
        delivery=selection.delivery,
        destination=selection.destination,
        person=selection.person,
        reference=selection.reference,
        since=selection.since,
        until=selection.until,
        states=tuple(DeliveryState(state) for state in states) or None,
    )
    found = delivery_commands.list_deliveries(
        start_runtime().store, with_states, who=ACTOR, now=now(), after=after, limit=limit
    )
    if as_json:
        click.echo(json.dumps([_delivery_values(one) for one in found]))
    else:
        _print(found)


@deliveries.command("show")
@click.argument("delivery", type=int)
def show_delivery(delivery: int) -> None:
    """Show one delivery: its state, the reason, and its open work items."""
    shown = delivery_commands.show_delivery(start_runtime().store, delivery, who=ACTOR, now=now())
    for name, value in _delivery_values(shown.delivery).items():
        click.echo(f"{name}: {value}")
    for item in shown.work_items:
        click.echo(f"work item {item.id}: {item.what} (for the {item.role}, since {item.since.isoformat()})")


@deliveries.command("replay")
@selection_options
@click.option("--execute", is_flag=True, help="Send them again; without it the command only lists them.")
def replay(
    delivery: int | None,
    destination: str | None,
    person: str | None,
    resource: str | None,
    since: datetime | None,
    until: datetime | None,
    execute: bool,
) -> None:
    """Send dead deliveries again. A dry run unless --execute is given."""
    selection = _selection(delivery, destination, person, resource, since, until)
    replayed = delivery_commands.replay(
        start_runtime().store, selection, who=ACTOR, now=now(), dry_run=not execute
    )
    _print(replayed.chosen)
    click.echo(f"{len(replayed.chosen)} {'will be sent again' if replayed.done else 'would be sent again'}")
    if replayed.overtaken:
        click.echo(f"{len(replayed.overtaken)} skipped: a newer version was sent instead")


@deliveries.command("backfill")
@click.argument("destination")
def backfill(destination: str) -> None:
    """Queue every current resource that was never queued for a destination."""
    runtime = _runtime_with_destination(destination)
    click.echo(
        f"{delivery_commands.backfill(runtime.store, DestinationId(destination), who=ACTOR, now=now())} queued"
    )


@deliveries.command("resume")
@click.argument("destination")
def resume(destination: str) -> None:
    """Resume a paused destination, after its address, certificate or sign-in was repaired."""
    runtime = _runtime_with_destination(destination)
    delivery_commands.unpause(runtime.store, DestinationId(destination), who=ACTOR, now=now())
    click.echo(f"{destination} is resumed")


@deliveries.command("link")
@click.argument("person")
@click.option("--destination", required=True, help="The EHR that holds the Patient.")
@click.option("--patient", required=True, help="The id of the Patient in that EHR.")
def link(person: str, destination: str, patient: str) -> None:
    """Link a person to a Patient of an EHR; waiting deliveries resume.

    Resources that were already sent are updated to refer to that Patient.
    """
    work = build_sync_jobs(read_settings(), threading.Event())
    try:
        chosen = [one for one in work.ehr_connections if one.id == destination]
        if not chosen:
            known = ", ".join(one.id for one in work.ehr_connections) or "no destination"
            raise click.UsageError(f"FHIR_PMP_DESTINATIONS names {known}")
        if chosen[0].destination.patients is not PatientOwnership.THEIRS:
            raise click.UsageError(
                f"at {destination} this service creates the Patients: there is nothing to link"
            )
        resumed = decide_link(
            work.runtime.store,
            chosen[0].client,
            chosen[0].id,
            PersonId(person),
            f"Patient/{patient.removeprefix('Patient/')}",
            who=ACTOR,
            now=now(),
        )
    finally:
        work.close()
    click.echo(f"linked; {resumed} deliveries resumed")


def _runtime_with_destination(destination: str) -> Runtime:
    runtime = start_runtime()
    if DestinationId(destination) not in runtime.destinations:
        raise click.UsageError(
            f"FHIR_PMP_DESTINATIONS names {', '.join(runtime.destinations) or 'no destination'}"
        )
    return runtime


def _delivery_values(one: Delivery) -> dict[str, object]:
    return {
        "delivery": one.seq,
        "destination": one.destination,
        "resource": one.reference,
        "version": one.version,
        "state": one.state.value,
        "attempts": one.attempts,
        "reason": one.reason,
        "queued_at": one.created_at.isoformat(),
        "sent_at": None if one.sent_at is None else one.sent_at.isoformat(),
    }


def _print(found: Sequence[Delivery]) -> None:
    table = Table("delivery", "destination", "resource", "version", "state", "attempts", "reason", box=None)
    for one in found:
        values = _delivery_values(one)
        table.add_row(
            *(
                str(values[name] if values[name] is not None else "")
                for name in ("delivery", "destination", "resource", "version", "state", "attempts", "reason")
            )
        )
    Console().print(table)
