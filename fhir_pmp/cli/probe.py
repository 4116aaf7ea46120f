"""What a FHIR server truly honours, as a table: for any integration engineer, without settings or database of ours."""

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import click
from rich.console import Console
from rich.table import Table

from fhir_pmp.cli.start import now
from fhir_pmp.ehr.client import EhrClient, origin_of
from fhir_pmp.ehr.outcomes import OffOrigin
from fhir_pmp.ehr.probing import Honoured, Probed, probe
from fhir_pmp.ehr.probing.ground import Ground
from fhir_pmp.ehr.sign_in import GivenToken
from fhir_pmp.errors import FhirPmpError
from fhir_pmp.logs import place_of

COULD_NOT_PROBE = 3
"""Exit status: unreachable, not FHIR R4, or it does not let us look."""
LEFT_BEHIND = 4
"""Exit status: the table is there, and something that was made could not be removed."""


@click.command("probe")
@click.argument("url")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
@click.option("--read-only", is_flag=True, help="Write nothing; only what can be read is probed.")
@click.option(
    "--type", "kind", help="The resource type to write; by itself the first the server lists that fits."
)
@click.option(
    "--subject", help="Patient/ID there of a test patient, for a server that takes nothing without one."
)
@click.option(
    "--patience",
    type=click.FloatRange(0, 600),
    default=90,
    show_default=True,
    help="Seconds that a search is given to find what was written.",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A file with a bearer token to be sent along.",
)
def probe_server(
    url: str,
    as_json: bool,
    read_only: bool,
    kind: str | None,
    subject: str | None,
    patience: float,
    token_file: Path | None,
) -> None:
    """Find out what the FHIR server at URL truly honours, beside what it claims.

    It writes resources that are about nobody and removes them again; what it could not remove it names. Exit status: 0
    done; 3 no FHIR R4 server could be asked there; 4 something could not be removed.
    """
    try:
        origin_of(url)
    except OffOrigin:
        raise click.UsageError("URL is not an http or https address without a user name") from None
    made: list[Ground] = []
    token = token_file.read_text(encoding="utf-8").strip() if token_file else None
    try:
        with EhrClient(url, tokens=GivenToken(token) if token else None) as client, _ends_orderly():
            probed = probe(
                client,
                now(),
                read_only=read_only,
                kind=kind,
                subject=subject,
                patience=patience,
                begun=made.append,
            )
    except FhirPmpError as wrong:
        _give_up("; ".join(str(fault) for fault in wrong.faults), made)
    except KeyboardInterrupt:
        _give_up("broken off", made)
    except Exception as unexpected:  # noqa: BLE001 - what was left behind is told whatever went wrong
        _give_up(f"broken off by {place_of(unexpected)}", made)
    if as_json:
        click.echo(json.dumps(as_values(probed), indent=2))
    else:
        _print(probed)
    if probed.left:
        _tell_left(probed.left)
        raise click.exceptions.Exit(LEFT_BEHIND)


@contextmanager
def _ends_orderly() -> Iterator[None]:
    """SIGTERM ends it as Ctrl-C does: what was made is removed first."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _give_up(why: str, made: list[Ground]) -> NoReturn:
    click.echo(f"This server could not be probed: {why}", err=True)
    left = [one for ground in made for one in ground.left]
    _tell_left(left)
    raise click.exceptions.Exit(LEFT_BEHIND if left else COULD_NOT_PROBE)


def _tell_left(left: object) -> None:
    for one in left if isinstance(left, list) else []:
        click.echo(f"could not be removed: {one}", err=True)


def as_values(probed: Probed) -> dict[str, object]:
    """The table as JSON values."""
    choice = probed.choice
    return {
        "address": probed.address,
        "written_as": probed.kind,
        "probes": [
            {
                "name": one.name,
                "title": one.title,
                "honoured": one.found.honoured.value,
                "seen": one.found.seen,
                "seconds": one.found.seconds,
                "claimed": one.claimed,
            }
            for one in probed.findings
        ],
        "write_strategy": None
        if choice is None
        else {
            "way": choice.way.value,
            "why": choice.why,
            "refused": {way.value: why for way, why in choice.ways.items() if why},
        },
        "left_behind": list(probed.left),
    }


_STYLES = {Honoured.YES: "green", Honoured.NO: "red", Honoured.PARTLY: "yellow", Honoured.UNKNOWN: "dim"}


def _print(probed: Probed) -> None:
    console = Console(width=None if sys.stdout.isatty() else 200)
    table = Table("probe", "honoured", "seen", "claimed", box=None, header_style="bold")
    for one in probed.findings:
        style = _STYLES[one.found.honoured]
        table.add_row(one.title, f"[{style}]{one.found.honoured.value}[/]", one.found.seen, one.claimed)
    console.print(f"{probed.address} written as {probed.kind}")
    console.print(table)
    if probed.choice is None:
        console.print("Nothing was written, so no way of writing is proven.")
        return
    console.print(f"We would write by: {probed.choice.way.value}, because {probed.choice.why}.")
    for way, why in probed.choice.ways.items():
        if why:
            console.print(f"  not {way.value}: {why}")
