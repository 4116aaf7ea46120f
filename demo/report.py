"""What the demo came to: on the terminal, and as demo/data/summary.json."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.table import Table

from demo.progress import CONSOLE
from demo.signing import SignedLetter
from demo.workplace import Workplace, write_private

UNSENT = ("pending", "in_flight", "waiting", "dead")


@dataclass
class Facts:
    """Everything that is worth telling, as it was read back."""

    ehr: str
    ehr_address: str
    people: int
    address: str
    login: str
    password: str
    counted_there: bool  # not where the EHR is somebody else's and names resources itself
    referrals: int = 0
    accepted: int = 0
    import_says: list[str] = field(default_factory=list)
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
    def everything_there(self) -> bool:
        """Whether nothing waits, nothing died, and the EHR holds as many of each as were sent."""
        unsent = sum(self.deliveries.get(state, 0) for state in UNSENT)
        return unsent == 0 and (not self.counted_there or self.sent == self.read_back)

    @property
    def all_went_well(self) -> bool:
        """Everything is there, and whoever was referred and ended has their letter at their practice alone."""
        return self.everything_there and all(letter.is_as_promised for letter in self.letters)


def write_summary(workplace: Workplace, facts: Facts) -> None:
    """Leaves the facts in demo/data/summary.json, for whoever reads them by machine."""
    told = {**asdict(facts), "everything_there": facts.everything_there, "all_went_well": facts.all_went_well}
    write_private(workplace.summary, json.dumps(told, indent=2, ensure_ascii=False, default=str) + "\n")


def print_report(facts: Facts, *, serves: bool) -> None:
    """Prints where to look."""
    CONSOLE.print()
    CONSOLE.print(_counts(facts))
    states = ", ".join(
        f"{count} {state.replace('_', ' ')}" for state, count in sorted(facts.deliveries.items())
    )
    _say(f"Deliveries to {facts.ehr} in all: {states}. Sent in this run: {facts.newly_sent}.")
    if facts.summary_text:
        _say(
            f"\nOne person's outcomes: fhir-pmp summary {facts.summary_of}\n\n{facts.summary_text.rstrip()}\n"
        )
    for letter in facts.letters:
        _say(letter.line)
    for letter in facts.letters[:1]:
        _say(f"That person's letter (PDF): {letter.pdf}")
    _say(
        f"\n{facts.people} people, {facts.referrals} of them referred, {facts.accepted} accepted, "
        f"all the way to {facts.ehr} in {facts.seconds:.0f} s."
    )
    if not facts.all_went_well:
        CONSOLE.print("[red]Not everything is as it should be[/red]: see above, and the logs in demo/data.")
    if serves:
        _say(f"\nPages:  {facts.address}   login: {facts.login}   password: {facts.password}")
        if facts.letters:
            _say(f"        {facts.address}/people/{facts.summary_of} is that person")
        _say(f"EHR:    {_place(facts)}")


def _counts(facts: Facts) -> Table:
    counted = (
        f"read back from {facts.ehr}"
        if facts.counted_there
        else f"{facts.ehr} (names them itself: not counted)"
    )
    table = Table("resource", "sent", counted, title=_place(facts))
    for kind, count in sorted(facts.sent.items()):
        table.add_row(kind, str(count), str(facts.read_back.get(kind, "")))
    total = str(sum(facts.read_back.values())) if facts.counted_there else ""
    table.add_row("all", str(sum(facts.sent.values())), total, style="bold")
    return table


def _place(facts: Facts) -> str:
    return facts.ehr if facts.ehr == facts.ehr_address else f"{facts.ehr} at {facts.ehr_address}"


def _say(text: str) -> None:
    CONSOLE.print(text, markup=False, soft_wrap=True)
