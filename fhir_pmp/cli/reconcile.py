"""Comparing an EHR with our books by hand: after a restore of either side, or whenever somebody wants to know."""

import json
import threading

import click

from fhir_pmp.cli.start import now, read_settings
from fhir_pmp.ehr.reconcile import Reconcile
from fhir_pmp.schedule.work import find_work

WHO = "command:reconcile"


@click.command()
@click.option("--destination", help="This one only; otherwise each in turn.")
@click.option("--dry-run", is_flag=True, help="Tell what would be done, and do nothing.")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON, one line a destination.")
def reconcile(destination: str | None, dry_run: bool, as_json: bool) -> int:
    """Compare what EHRs hold of ours with our books and repair either side; status 1: one was not read to its end."""
    work = find_work(read_settings(), threading.Event())
    try:
        chosen = [one for one in work.neighbours if destination in (None, one.id)]
        if not chosen:
            known = ", ".join(one.id for one in work.neighbours) or "no destination"
            raise click.UsageError(f"FHIR_PMP_DESTINATIONS names {known}")
        systems = work.house.clinic.own_systems(work.house.sources)
        complete = True
        for neighbour in chosen:
            compared = Reconcile(work.house.store, neighbour, systems, now, who=WHO, dry_run=dry_run).run()
            complete = complete and compared.complete
            if as_json:
                told = {
                    "destination": compared.destination,
                    "complete": compared.complete,
                    "why_not": compared.why_not,
                }
                click.echo(json.dumps({**told, "found": compared.counts, "again": compared.again}))
                continue
            click.echo(f"{compared.destination}: {compared}")
            for line in compared.again:
                click.echo(f"  {'would send' if dry_run else 'sends'} again {line}")
            if not compared.complete:
                click.echo(f"  not read to the end: {compared.why_not}")
        return 0 if complete else 1
    finally:
        work.close()
