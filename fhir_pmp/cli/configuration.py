"""Commands that list the settings and check the mapping files."""

import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from fhir_pmp.errors import Fault
from fhir_pmp.runtime import check_all_mappings
from fhir_pmp.settings import PACKAGED_MAPPINGS, SOURCE_TREE_MAPPINGS, show_settings


@click.command()
def settings() -> None:
    """List every setting with its value and its origin; secrets are hidden."""
    shown, faults = show_settings()
    table = Table("setting", "value", "origin", "purpose", box=None, header_style="bold")
    for line in shown:
        table.add_row(
            line.name,
            line.value,
            line.came_from,
            line.about,
            style="red" if line.came_from == "missing" else None,
        )
    Console(width=None if sys.stdout.isatty() else 200).print(table)
    _report_faults(faults)


@click.command("check-mappings")
@click.argument("folder", required=False, type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--wording",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A file with licensed item wording.",
)
def check_mappings(folder: Path | None, wording: Path | None) -> None:
    """Check every mapping file and report all faults at once, with file, line and field."""
    mappings_folder = folder or (PACKAGED_MAPPINGS if PACKAGED_MAPPINGS.is_dir() else SOURCE_TREE_MAPPINGS)
    faults = check_all_mappings(mappings_folder, wording)
    if not faults:
        click.echo("All mapping files are valid.")
    _report_faults(faults)


def _report_faults(faults: list[Fault]) -> None:
    for fault in faults:
        click.echo(str(fault), err=True)
    if faults:
        raise click.exceptions.Exit(1)
