"""Reports the result of the demo on the terminal and as demo/data/summary.json."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.table import Table

from demo.letter_signing import SignedLetter
from demo.progress import CONSOLE
from demo.run_folder import RunFolder, write_private

UNSENT_STATES = ("pending", "in_flight", "waiting", "dead")


@dataclass
class DemoResult:
    """The facts of one demo run, as read back from service and EHR."""

    ehr: str
    ehr_address: str
    people: int
    address: str
    login: str
    password: str
    counted_there: bool  # False at an external EHR that assigns ids itself
    referrals: int = 0
    accepted: int = 0
    import_output: list[str] = field(default_factory=list)
    flags_acknowledged: int = 0
    deliveries: dict[str, int] = field(default_factory=dict)
    sent: dict[str, int] = field(default_factory=dict)
    read_back: dict[str, int] = field(default_factory=dict)
    newly_sent: int = 0
    letters: list[SignedLetter] = field(default_factory=list)
    summary_of: str = ""
    summary: list[Any] = field(default_factory=list)
    summary_text: str = ""
    seconds: float = 0.0

    @property
    def is_everything_delivered(self) -> bool:
        """Whether everything was delivered.

        Nothing is unsent or a dead letter, and the EHR holds as many resources of each type as were sent.
        """
        unsent = sum(self.deliveries.get(state, 0) for state in UNSENT_STATES)
        return unsent == 0 and (not self.counted_there or self.sent == self.read_back)

    @property
    def is_successful(self) -> bool:
        """Whether everything is delivered and each signed letter is readable by its own practice only."""
        return self.is_everything_delivered and all(letter.is_as_promised for letter in self.letters)


def write_summary(run_folder: RunFolder, result: DemoResult) -> None:
    """Writes the facts to demo/data/summary.json, for programs to read."""
    document = {
        **asdict(result),
        "everything_there": result.is_everything_delivered,
        "all_went_well": result.is_successful,
    }
    write_private(run_folder.summary, json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n")


def print_report(result: DemoResult, *, serves: bool) -> None:
    """Prints the counts, the letters and the addresses to open."""
    CONSOLE.print()
    CONSOLE.print(_counts(result))
    states = ", ".join(
        f"{count} {state.replace('_', ' ')}" for state, count in sorted(result.deliveries.items())
    )
    _print_plain(f"Deliveries to {result.ehr} in all: {states}. Sent in this run: {result.newly_sent}.")
    if result.summary_text:
        _print_plain(
            f"\nOne person's outcomes: fhir-pmp summary {result.summary_of}\n\n{result.summary_text.rstrip()}\n"
        )
    for letter in result.letters:
        _print_plain(letter.line)
    for letter in result.letters[:1]:
        _print_plain(f"That person's letter (PDF): {letter.pdf}")
    _print_plain(
        f"\n{result.people} people, {result.referrals} of them referred, {result.accepted} accepted, "
        f"delivered to {result.ehr} in {result.seconds:.0f} s."
    )
    if not result.is_successful:
        CONSOLE.print("[red]Not everything is as it should be[/red]: see above, and the logs in demo/data.")
    if serves:
        _print_plain(f"\nPages:  {result.address}   login: {result.login}   password: {result.password}")
        if result.letters:
            _print_plain(f"        {result.address}/people/{result.summary_of} is that person")
        _print_plain(f"EHR:    {_place(result)}")


def _counts(result: DemoResult) -> Table:
    counted = (
        f"read back from {result.ehr}"
        if result.counted_there
        else f"{result.ehr} (assigns its own ids: not counted)"
    )
    table = Table("resource", "sent", counted, title=_place(result))
    for kind, count in sorted(result.sent.items()):
        table.add_row(kind, str(count), str(result.read_back.get(kind, "")))
    total = str(sum(result.read_back.values())) if result.counted_there else ""
    table.add_row("all", str(sum(result.sent.values())), total, style="bold")
    return table


def _place(result: DemoResult) -> str:
    return result.ehr if result.ehr == result.ehr_address else f"{result.ehr} at {result.ehr_address}"


def _print_plain(text: str) -> None:
    CONSOLE.print(text, markup=False, soft_wrap=True)
