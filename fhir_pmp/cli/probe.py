"""The command that probes which interactions a FHIR server really honours.

It needs no settings and no database.
"""

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

from fhir_pmp.cli.startup import now
from fhir_pmp.ehr.capability.probing import Honoured, ProbeReport, probe
from fhir_pmp.ehr.capability.probing.probe_session import ProbeSession
from fhir_pmp.ehr.sign_in import FixedToken
from fhir_pmp.ehr.transport.client import EhrClient, origin_of
from fhir_pmp.ehr.transport.response_class import OffOrigin
from fhir_pmp.errors import FhirPmpError
from fhir_pmp.logs import error_location

COULD_NOT_PROBE = 3
"""Exit status: the server is unreachable, not FHIR R4, or refuses access."""
LEFT_BEHIND = 4
"""Exit status: the probe finished, but a resource it created could not be removed."""


@click.command("probe")
@click.argument("url")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--read-only", is_flag=True, help="Write nothing and probe reads only.")
@click.option(
    "--type", "kind", help="The resource type to write; by default the first suitable one the server lists."
)
@click.option(
    "--subject",
    help="Patient/ID of a test patient there, for a server that refuses resources without a subject.",
)
@click.option(
    "--search-timeout",
    type=click.FloatRange(0, 600),
    default=90,
    show_default=True,
    help="Seconds that a search may take to find a written resource.",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A file with the bearer token to send.",
)
def probe_server(
    url: str,
    as_json: bool,
    read_only: bool,
    kind: str | None,
    subject: str | None,
    search_timeout: float,
    token_file: Path | None,
) -> None:
    """Probe what the FHIR server at URL really honours, beside what it claims.

    It writes test resources about no real person and removes them again; it names what it could not remove. Exit
    status: 0 done; 3 no FHIR R4 server could be probed there; 4 something could not be removed.
    """
    try:
        origin_of(url)
    except OffOrigin:
        raise click.UsageError("URL is not an http or https address without a user name") from None
    sessions: list[ProbeSession] = []
    token = token_file.read_text(encoding="utf-8").strip() if token_file else None
    try:
        with EhrClient(url, tokens=FixedToken(token) if token else None) as client, _sigterm_as_interrupt():
            report = probe(
                client,
                now(),
                read_only=read_only,
                kind=kind,
                subject=subject,
                search_timeout=search_timeout,
                on_session_start=sessions.append,
            )
    except FhirPmpError as wrong:
        _give_up("; ".join(str(fault) for fault in wrong.faults), sessions)
    except KeyboardInterrupt:
        _give_up("interrupted", sessions)
    except Exception as unexpected:  # noqa: BLE001 - resources left behind are reported after any failure
        _give_up(f"unexpected error at {error_location(unexpected)}", sessions)
    if as_json:
        click.echo(json.dumps(as_values(report), indent=2))
    else:
        _print(report)
    if report.remains:
        _report_left_behind(report.remains)
        raise click.exceptions.Exit(LEFT_BEHIND)


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """Treats SIGTERM as Ctrl-C within the block, so that created resources are removed first."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _give_up(why: str, sessions: list[ProbeSession]) -> NoReturn:
    click.echo(f"This server could not be probed: {why}", err=True)
    remains = [one for session in sessions for one in session.remains]
    _report_left_behind(remains)
    raise click.exceptions.Exit(LEFT_BEHIND if remains else COULD_NOT_PROBE)


def _report_left_behind(remains: object) -> None:
    for one in remains if isinstance(remains, list) else []:
        click.echo(f"could not be removed: {one}", err=True)


def as_values(report: ProbeReport) -> dict[str, object]:
    """Returns the report as JSON values."""
    choice = report.choice
    return {
        "address": report.address,
        "written_as": report.kind,
        "probes": [
            {
                "name": one.name,
                "title": one.title,
                "honoured": one.result.honoured.value,
                "seen": one.result.seen,
                "seconds": one.result.seconds,
                "claimed": one.claimed,
            }
            for one in report.findings
        ],
        "write_strategy": None
        if choice is None
        else {
            "way": choice.strategy.value,
            "why": choice.why,
            "refused": {strategy.value: why for strategy, why in choice.strategies.items() if why},
        },
        "left_behind": list(report.remains),
    }


_STYLES = {Honoured.YES: "green", Honoured.NO: "red", Honoured.PARTLY: "yellow", Honoured.UNKNOWN: "dim"}


def _print(report: ProbeReport) -> None:
    console = Console(width=None if sys.stdout.isatty() else 200)
    table = Table("probe", "honoured", "seen", "claimed", box=None, header_style="bold")
    for one in report.findings:
        style = _STYLES[one.result.honoured]
        table.add_row(one.title, f"[{style}]{one.result.honoured.value}[/]", one.result.seen, one.claimed)
    console.print(f"{report.address} written as {report.kind}")
    console.print(table)
    if report.choice is None:
        console.print("Nothing was written, so no write strategy is verified.")
        return
    console.print(f"We would write by: {report.choice.strategy.value}, because {report.choice.why}.")
    for strategy, why in report.choice.strategies.items():
        if why:
            console.print(f"  not {strategy.value}: {why}")
