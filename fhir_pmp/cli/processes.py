"""Commands that run the web and sync processes and migrate the database."""

import click

from fhir_pmp.app import serve as serve_web
from fhir_pmp.cli.startup import read_settings
from fhir_pmp.schedule import run_once, run_sync
from fhir_pmp.store.engine.migrating import migrate as migrate_database


@click.command()
def serve() -> None:
    """Run the web process: the FHIR API, the programme API and the pages, until SIGTERM."""
    serve_web(read_settings())


@click.command()
@click.option("--once", is_flag=True, help="Do everything that is due now, then exit.")
def sync(once: bool) -> None:
    """Run the sync process: push to EHRs, draft letters and close windows, until SIGTERM."""
    settings = read_settings()
    if once:
        run_once(settings)
    else:
        raise click.exceptions.Exit(run_sync(settings))


@click.command()
def migrate() -> None:
    """Migrate the database to this version. Safe to repeat."""
    settings = read_settings()
    click.echo(f"the database is at {migrate_database(settings.database_url)}")
