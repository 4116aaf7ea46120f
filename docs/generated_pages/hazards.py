"""Reads and checks docs/safety/hazards, and generates docs/safety/hazard-log.md."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from docs.generated_pages.markdown import NOTE, code, table
from fhir_pmp.mapping_file import MappingTable, load_folder

LIKELIHOODS = ("Very Low", "Low", "Medium", "High", "Very High")
SEVERITIES = ("Minor", "Significant", "Considerable", "Major", "Catastrophic")
RISK = {
    "Very High": (3, 4, 4, 5, 5),
    "High": (2, 3, 3, 4, 5),
    "Medium": (2, 2, 3, 3, 4),
    "Low": (1, 2, 2, 3, 4),
    "Very Low": (1, 1, 2, 2, 3),
}
"""The risk matrix of the NHS UK Core Hazard Log page; other published matrices differ (docs/research/reliability-and-safety.md 11)."""


class HazardStatus(StrEnum):
    """How many of the controls that a hazard needs are built."""

    CONTROLLED = "controlled"  # every needed control is built and tested
    PARTLY_OPEN = "partly open"
    OPEN = "open"  # no control is built yet
    CLOSED = "closed"  # the hazard no longer exists; its file is never deleted


@dataclass(frozen=True, slots=True)
class Rating:
    """A proposed rating of a risk."""

    likelihood: str
    severity: str

    @property
    def level(self) -> int:
        """The risk level by the matrix, from 1 to 5."""
        return RISK[self.likelihood][SEVERITIES.index(self.severity)]

    def __str__(self) -> str:
        return f"{self.likelihood} x {self.severity}: {self.level}"


@dataclass(frozen=True, slots=True)
class Control:
    """One built control: what it does, the files that contain it, and the tests that show it."""

    what: str
    code: tuple[str, ...]
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hazard:
    """One file of docs/safety/hazards."""

    id: str
    title: str
    status: HazardStatus
    before: Rating
    after: Rating
    description: str
    impact: str
    causes: tuple[str, ...]
    controls: tuple[Control, ...]
    not_built: tuple[str, ...]
    training: str
    business_process: str


def load_hazards(folder: Path) -> tuple[Hazard, ...]:
    """Returns every hazard, ordered by number. Raises MappingFaults with all faults."""
    return tuple(load_folder(folder, _read).values())


def _read(file: MappingTable) -> Hazard:
    status = file.one_of("status", HazardStatus)
    controls = tuple(_control(one) for one in file.tables_or_none("controls"))
    not_built = tuple(file.texts_or_none("not_built"))
    if not controls and status is not HazardStatus.OPEN:
        file.fault("must name a control with its tests, unless the hazard is open", "controls")
    if bool(not_built) != (status in (HazardStatus.OPEN, HazardStatus.PARTLY_OPEN)):
        file.fault("must be present exactly where the hazard is open or partly open", "not_built")
    return Hazard(
        id=file.file_name("id"),
        title=file.text("title"),
        status=status,
        before=_rating(file.table("before")),
        after=_rating(file.table("after")),
        description=file.text("description"),
        impact=file.text("impact"),
        causes=tuple(file.texts("causes")),
        controls=controls,
        not_built=not_built,
        training=file.text("training"),
        business_process=file.text("business_process"),
    )


def _rating(rating: MappingTable) -> Rating:
    likelihood, severity = rating.text("likelihood"), rating.text("severity")
    for key, given, known in (
        ("likelihood", likelihood, LIKELIHOODS),
        ("severity", severity, SEVERITIES),
    ):
        if given not in known:
            rating.fault(f"must be one of {', '.join(known)}", key)
    return Rating(likelihood, severity)


def _control(control: MappingTable) -> Control:
    return Control(control.text("what"), tuple(control.texts("code")), tuple(control.texts("tests")))


OPENING = (
    """For clinical safety officers, clinicians and developers. Kind: reference.

"""
    + NOTE.replace("what it is written from", "the files of [hazards](hazards)")
    + """

What could harm a person, which controls in the program prevent it, and which tests show the controls. The ratings are **proposals for a
Clinical Safety Officer to confirm**, likelihood x severity: level, by the risk matrix of the NHS UK Core hazard log. The project claims no
compliance with a safety standard; it offers the evidence. `after` is the rating once every needed control is built, including those that are
not built yet. Terms follow ISO 14971: hazard, harm, control, residual risk. A hazard is never
deleted; it is closed.

`controlled`: every needed control is built and tested. `partly open`: some are not built yet, and are named. `open`: none is built. The tests are
named as `file::test`; a structure test fails when one is missing or skipped."""
)


def hazard_log(hazards: Sequence[Hazard]) -> str:
    """Returns the whole page."""
    index = table(
        ("hazard", "", "before", "after", "status"),
        (
            (f"[{one.id}](#{one.id.lower()})", one.title, one.before, one.after, one.status.value)
            for one in hazards
        ),
    )
    return "\n\n".join(["# Hazard log", OPENING, index, *(_section(one) for one in hazards)]) + "\n"


def _section(hazard: Hazard) -> str:
    return "\n\n".join(
        part
        for part in (
            f"## {hazard.id}",
            f"**{hazard.title}.** Status: {hazard.status.value}.",
            table(("", "likelihood x severity: level"), (("before", hazard.before), ("after", hazard.after))),
            hazard.description,
            f"**Potential clinical impact.** {hazard.impact}",
            "**Possible causes.**\n\n" + _list(hazard.causes),
            "**Controls.**\n\n" + "\n".join(_control_lines(control) for control in hazard.controls)
            if hazard.controls
            else "",
            "**Not built yet.**\n\n" + _list(hazard.not_built) if hazard.not_built else "",
            f"**Training.** {hazard.training}",
            f"**Business process.** {hazard.business_process}",
        )
        if part
    )


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _control_lines(control: Control) -> str:
    tests = "\n".join(f"  - {code(test)}" for test in control.tests)
    return f"- {control.what} In {', '.join(map(code, control.code))}. Shown by\n{tests}"
