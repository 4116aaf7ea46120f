"""The command that reports delivery health, for the terminal or a monitoring system."""

import json
from datetime import timedelta

import click

from fhir_pmp.cli.startup import now, read_settings
from fhir_pmp.runtime import load_configured_destinations
from fhir_pmp.store import Store
from fhir_pmp.store.delivery_health import DestinationHealth, Health, health_values

ATTENTION = 3
"""Exit status where an operator should look."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON on one line; ages in seconds.")
def health(as_json: bool) -> None:
    """Report the delivery health of each EHR.

    Exit status: 0 healthy; 3 an operator should look; 1 the database is not usable.
    """
    settings = read_settings()
    destinations = load_configured_destinations(settings)
    store = Store(settings.database_url)
    try:
        store.check_ready()
        with store.read() as uow:
            found = uow.delivery_health.assess(list(destinations), now=now())
    finally:
        store.close()
    if as_json:
        click.echo(json.dumps(health_values(found)))
    else:
        _print(found)
    if found.attention:
        raise click.exceptions.Exit(ATTENTION)


def _print(found: Health) -> None:
    click.echo(f"sync: {'running' if found.has_leader else 'no process is running'}")
    for one in found.destinations:
        for line in _lines(one, found):
            click.echo(f"{one.destination}, {line}")
    for (kind, role), count in sorted(found.work_items.items()):
        click.echo(f"to decide: {count} {kind}, for the {role}")


def _lines(one: DestinationHealth, found: Health) -> list[str]:
    ages = {
        "last successful delivery": one.last_sent_at,
        "oldest unsent": one.oldest_unsent_at,
        "oldest waiting": one.oldest_waiting_at,
        "last complete pull": one.last_pull_at,
        "last complete reconcile": one.reconciled_at,
    }
    lines = [
        f"{what}: " + ("none" if at is None else f"{_age(found.at - at)} ago") for what, at in ages.items()
    ]
    counts = ", ".join(f"{count} {state.value}" for state, count in one.counts.items() if count)
    return [*lines, f"deliveries: {counts or 'none'}", *(f"attention: {why}" for why in one.attention)]


def _age(age: timedelta) -> str:
    """Returns an age in its two largest units: "3 days 4 hours", "12 seconds"."""
    seconds = max(0, round(age.total_seconds()))
    parts = []
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}{'' if count == 1 else 's'}")
    return " ".join(parts[:2]) or "0 seconds"
