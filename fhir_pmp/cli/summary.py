"""The command that shows a person's outcomes."""

import json
import uuid

import click
from rich.console import Console
from rich.table import Table

from fhir_pmp.cli.startup import now, start_runtime
from fhir_pmp.identifiers import PersonId
from fhir_pmp.pathway.summary.outcome_summary import Summary, summarise
from fhir_pmp.pathway.summary.summary_values import summary_values
from fhir_pmp.runtime import Runtime
from fhir_pmp.store.access.audit import AuditRow


@click.command()
@click.argument("person")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def summary(person: str, as_json: bool) -> None:
    """Show a person's outcomes: scores at every timepoint, changes, verdicts and safety answers."""
    runtime = start_runtime()
    summaries = _summaries(runtime, PersonId(person))
    if as_json:
        click.echo(json.dumps([summary_values(one) for one in summaries], indent=2, ensure_ascii=False))
        return
    for one in summaries:
        _print(Console(), runtime, one)


def _summaries(runtime: Runtime, person_id: PersonId) -> list[Summary]:
    with runtime.store.begin_without_publishing() as uow:
        person = uow.people.get(person_id)
        found = []
        for episode in uow.episodes.of_person(person_id):
            responses = [one.response for one in uow.responses.of_episode(episode.id)]
            flags = uow.flags.of_episodes([episode.id]).get(episode.id, [])
            found.append(summarise(runtime.clinic, person, episode, responses, flags, now()))
        row = AuditRow(
            now(), "command:summary", "summary", "read", "shown", uuid.uuid4().hex, (), (person_id,)
        )
        uow.audit.append([row])
    return found


def _print(console: Console, runtime: Runtime, summary: Summary) -> None:
    engagement = summary.engagement
    console.print(f"[bold]{engagement.state.value}[/bold], {engagement.lessons_text}", highlight=False)
    for line in summary.results:
        title = runtime.clinic.programme.timepoint(line.timepoint).title
        console.print(f"{title}: {line.text}", highlight=False)
    for safety in summary.safety:
        console.print(f"{safety.title}, {safety.timepoint_title}: {safety.text}", highlight=False)
    table = Table(
        "measure", *(t.title for t in runtime.clinic.programme.timepoints), box=None, header_style="bold"
    )
    for outcome in summary.scales:
        cells = []
        for cell in outcome.cells:
            band = f" {cell.score.band}" if cell.score is not None and cell.score.band else ""
            change = f"\n{cell.change.comparison.words}" if cell.change is not None else ""
            verdict = f"\n{cell.headline.outcome.value}" if cell.headline is not None else ""
            notes = f"\n{'; '.join(cell.notes)}" if cell.notes else ""
            cells.append(f"{cell.text}{band}{notes}{change}{verdict}")
        table.add_row(f"{outcome.instrument.title}: {outcome.scale.title}", *cells)
    console.print(table)
