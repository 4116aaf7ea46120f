"""Comparing an EHR with our books by hand: after a restore of either side, or whenever somebody wants to know."""

import json
import threading

import click

from fhir_pmp.cli.startup import now, read_settings
from fhir_pmp.ehr.sync_back.reconcile import ReconcileWorker
from fhir_pmp.schedule.sync_jobs import build_sync_jobs

ACTOR = "command:reconcile"


@click.command()
@click.option("--destination", help="This one only; otherwise each in turn.")
@click.option("--dry-run", is_flag=True, help="Tell what would be done, and do nothing.")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON, one line a destination.")
def reconcile(destination: str | None, dry_run: bool, as_json: bool) -> int:
    """Compare what EHRs hold of ours with our books and repair either side; status 1: one was not read to its end."""
    work = build_sync_jobs(read_settings(), threading.Event())
    try:
        chosen = [one for one in work.ehr_connections if destination in (None, one.id)]
        if not chosen:
            known = ", ".join(one.id for one in work.ehr_connections) or "no destination"
            raise click.UsageError(f"FHIR_PMP_DESTINATIONS names {known}")
        systems = work.runtime.clinic.ids.own_systems(work.runtime.sources)
        complete = True
        for connection in chosen:
            compared = ReconcileWorker(
                work.runtime.store, connection, systems, now, who=ACTOR, dry_run=dry_run
            ).run()
            complete = complete and compared.complete
            if as_json:
                values = {
                    "destination": compared.destination,
                    "complete": compared.complete,
                    "why_not": compared.incomplete_reason,
                }
                click.echo(json.dumps({**values, "found": compared.counts, "again": compared.sent_again}))
                continue
            click.echo(f"{compared.destination}: {compared}")
            for line in compared.sent_again:
                click.echo(f"  {'would send' if dry_run else 'sends'} again {line}")
            if not compared.complete:
                click.echo(f"  not read to the end: {compared.incomplete_reason}")
        return 0 if complete else 1
    finally:
        work.close()
