"""One person's outcomes on the terminal."""

import json
import uuid

import click
from rich.console import Console
from rich.table import Table

from fhir_pmp.cli.start import now, start
from fhir_pmp.identifiers import PersonId
from fhir_pmp.opening import House
from fhir_pmp.pathway.summary import Summary, summarise
from fhir_pmp.pathway.summary_values import summary_values
from fhir_pmp.store.audit import AuditRow


@click.command()
@click.argument("person")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def summary(person: str, as_json: bool) -> None:
    """Show a person's outcomes: every scale at every timepoint, changes, verdicts, safety answers."""
    house = start()
    summaries = _summaries(house, PersonId(person))
    if as_json:
        click.echo(json.dumps([summary_values(one) for one in summaries], indent=2, ensure_ascii=False))
        return
    for one in summaries:
        _print(Console(), house, one)


def _summaries(house: House, person_id: PersonId) -> list[Summary]:
    with house.store.begin_beside() as books:
        person = books.people.get(person_id)
        found = []
        for episode in books.episodes.of_person(person_id):
            responses = [one.response for one in books.responses.of_episode(episode.id)]
            flags = books.flags.of_episodes([episode.id]).get(episode.id, [])
            found.append(summarise(house.clinic, person, episode, responses, flags, now()))
        row = AuditRow(
            now(), "command:summary", "summary", "read", "shown", uuid.uuid4().hex, (), (person_id,)
        )
        books.audit.append([row])
    return found


def _print(console: Console, house: House, summary: Summary) -> None:
    engagement = summary.engagement
    console.print(f"[bold]{engagement.state.value}[/bold], {engagement.lessons_text}", highlight=False)
    for line in summary.results:
        title = house.clinic.programme.timepoint(line.timepoint).title
        console.print(f"{title}: {line.text}", highlight=False)
    for safety in summary.safety:
        console.print(f"{safety.title}, {safety.timepoint_title}: {safety.text}", highlight=False)
    table = Table(
        "measure", *(t.title for t in house.clinic.programme.timepoints), box=None, header_style="bold"
    )
    for outcome in summary.scales:
        cells = []
        for cell in outcome.cells:
            band = f" {cell.score.band}" if cell.score is not None and cell.score.band else ""
            change = f"\n{cell.change.movement.words}" if cell.change is not None else ""
            verdict = f"\n{cell.headline.outcome.value}" if cell.headline is not None else ""
            notes = f"\n{'; '.join(cell.notes)}" if cell.notes else ""
            cells.append(f"{cell.text}{band}{notes}{change}{verdict}")
        table.add_row(f"{outcome.instrument.title}: {outcome.scale.title}", *cells)
    console.print(table)
