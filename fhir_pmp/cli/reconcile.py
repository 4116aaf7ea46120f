"""The command that compares an EHR with our database, for example after a restore."""

import json
import threading

import click

from fhir_pmp.cli.startup import now, read_settings
from fhir_pmp.ehr.sync_back.reconcile import ReconcileWorker
from fhir_pmp.schedule.sync_jobs import build_sync_jobs

ACTOR = "command:reconcile"


@click.command()
@click.option("--destination", help="Only this destination; by default each in turn.")
@click.option("--dry-run", is_flag=True, help="Report the differences and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one line for each destination.")
def reconcile(destination: str | None, dry_run: bool, as_json: bool) -> int:
    """Compare our resources in each EHR with the database and repair differences.

    Exit status 1: an EHR could not be read completely.
    """
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
                click.echo(f"  not read completely: {compared.incomplete_reason}")
        return 0 if complete else 1
    finally:
        work.close()
