"""Commands that import an export of the platform and withdraw a response."""

import sys
import uuid
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from fhir_pmp.cli.startup import now, start_runtime
from fhir_pmp.identifiers import ResponseId, SourceId
from fhir_pmp.intake.arrivals import RecordingStatus
from fhir_pmp.intake.csv_import.file_import import FileImport, RowRefusal
from fhir_pmp.intake.response.response_withdrawal import withdraw_response
from fhir_pmp.store.access.audit import AuditRow


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--source", required=True, help="The name of a file in mappings/sources, such as redcap-wide.")
@click.option(
    "--refused", type=click.Path(path_type=Path), help="The file for refused rows; by default beside FILE."
)
def import_file(file: Path, source: str, refused: Path | None) -> None:
    """Import an export of the platform.

    It is safe to run twice, or again after it was killed: rows already recorded are counted as repeated.
    """
    runtime = start_runtime()
    if SourceId(source) not in runtime.sources:
        raise click.UsageError(f"--source must be one of {', '.join(runtime.sources)}")
    refused_path = refused or file.with_name(f"{file.stem}.refused.csv")
    if refused_path.resolve() == file.resolve():
        raise click.UsageError("--refused must be another file than FILE")
    console = Console(stderr=True)
    columns = (TextColumn("importing"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with (
        Progress(*columns, console=console, disable=not console.is_terminal) as progress,
        file.open("rb") as opened,
    ):
        task = progress.add_task("importing", total=file.stat().st_size)
        file_import = FileImport(
            store=runtime.store,
            context=runtime.publishing,
            source=runtime.sources[SourceId(source)],
            clock=now,
            on_refusal=_print_refusal,
            on_progress=lambda position: progress.update(task, completed=position),
        )
        report = file_import.run(opened, refused_path)
    with runtime.store.begin_without_publishing() as uow:
        uow.audit.append([_audit_row("import", "create", "done")])
    for title, counts in (("responses", report.responses), ("enrolments", report.enrolments)):
        click.echo(f"{title}: " + ", ".join(f"{counts[status]} {status.value}" for status in RecordingStatus))
    if report.refused_rows:
        click.echo(
            f"{report.refused_rows} rows were refused; correct them in {refused_path} and import that file"
        )
        raise click.exceptions.Exit(1)


def _print_refusal(refusal: RowRefusal) -> None:
    where = f"line {refusal.line}" + (f", {refusal.column}" if refusal.column else "")
    click.echo(f"{where}: {refusal.reason}", err=True)


@click.group()
def responses() -> None:
    """Manage recorded responses."""


@responses.command()
@click.argument("response")
@click.option("--reason", required=True, help="The reason; it is stored with the response.")
def withdraw(response: str, reason: str) -> None:
    """Withdraw a response: it and the results computed from it become entered-in-error."""
    runtime = start_runtime()
    by = "command:responses withdraw"
    with runtime.store.begin() as uow:
        result = withdraw_response(
            uow, runtime.publishing, ResponseId(response), reason=reason, by=by, now=now()
        )
        uow.audit.append([_audit_row("responses withdraw", "update", result.status.value)])
    click.echo("withdrawn" if result.status is RecordingStatus.AMENDED else "it was withdrawn before")


def _audit_row(route: str, action: str, outcome: str) -> AuditRow:
    return AuditRow(
        at=now(),
        who=f"command:{Path(sys.argv[0]).name}",
        route=route,
        action=action,
        outcome=outcome,
        request_id=uuid.uuid4().hex,
    )
