"""What the demo came to: on the terminal, and as demo/data/summary.json."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.table import Table

from demo.progress import CONSOLE
from demo.workplace import Workplace


@dataclass
class Facts:
    """Everything that is worth telling, as it was read back."""

    ehr: str
    ehr_address: str
    people: int
    referrals: int
    import_says: list[str] = field(default_factory=list)
    flags_acknowledged: int = 0
    deliveries: dict[str, int] = field(default_factory=dict)
    sent: dict[str, int] = field(default_factory=dict)
    read_back: dict[str, int] = field(default_factory=dict)
    newly_sent: int = 0
    letter: dict[str, Any] = field(default_factory=dict)
    summary_of: str = ""
    summary: list[Any] = field(default_factory=list)
    summary_text: str = ""
    address: str = ""
    login: str = ""
    password: str = ""
    seconds: float = 0.0
    shared_server: bool = False  # somebody else's: what it holds is not ours alone

    @property
    def everything_there(self) -> bool:
        """Whether nothing waits, nothing died, and the EHR holds as many of each as were sent."""
        unsent = sum(self.deliveries.get(state, 0) for state in ("pending", "in_flight", "waiting", "dead"))
        return unsent == 0 and (self.shared_server or self.sent == self.read_back)


def write_summary(workplace: Workplace, facts: Facts) -> None:
    """Leaves the facts in demo/data/summary.json, for whoever reads them by machine."""
    told = {**asdict(facts), "everything_there": facts.everything_there}
    (workplace.folder / "summary.json").write_text(json.dumps(told, indent=2, ensure_ascii=False))


def print_report(facts: Facts) -> None:
    """Prints where to look."""
    table = Table(
        "resource", "sent", f"read back from {facts.ehr}", title=f"{facts.ehr} at {facts.ehr_address}"
    )
    for kind, count in sorted(facts.sent.items()):
        there = "not ours alone" if facts.shared_server else str(facts.read_back.get(kind, 0))
        table.add_row(kind, str(count), there)
    table.add_row(
        "all",
        str(sum(facts.sent.values())),
        "" if facts.shared_server else str(sum(facts.read_back.values())),
    )
    CONSOLE.print(table)
    CONSOLE.print(f"Sent to {facts.ehr} in this run: {facts.newly_sent}")
    CONSOLE.print(f"Deliveries: {', '.join(f'{n} {state}' for state, n in sorted(facts.deliveries.items()))}")
    CONSOLE.print(f"\nOne person's outcomes ({facts.summary_of}):\n{facts.summary_text}", markup=False)
    for name, value in facts.letter.items():
        CONSOLE.print(f"{name}: {value}", markup=False)
    CONSOLE.print(
        f"\nPages: {facts.address}   login: {facts.login}   password: {facts.password}", markup=False
    )
    CONSOLE.print(f"{facts.people} people, {facts.referrals} referred, in {facts.seconds:.0f} s.")
    if not facts.everything_there:
        CONSOLE.print(
            "[red]Not everything was delivered[/red]: see the deliveries above and the logs in demo/data."
        )
