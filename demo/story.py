"""The story the demo tells, step by step, through the doors that everybody else uses."""

import dataclasses
import json
import time
from collections.abc import Iterator
from pathlib import Path

from demo.clinic_day import acknowledge_flags, decide_referrals, sign_letters
from demo.clinician import Pages
from demo.ehr import Ehr
from demo.house import House
from demo.people import Person, Practice, cohort, gp_bundle, write_wide_csv
from demo.people.practices import PRACTICE_SYSTEM
from demo.practice import PracticeSystem, Referred
from demo.progress import counted, step
from demo.report import Facts

CLINICIAN = "dr.example"
CLINICIAN_NAME = "Dr Alex Example"
REGISTRATION = "MED0001234567"
STUCK_AFTER_SECONDS = 150
"""Without one delivery getting through."""


def tell(house: House, ehr: Ehr, how_many: int) -> Facts:
    """Refers, accepts, imports, acknowledges, signs, delivers, and reads everything back."""
    began = time.monotonic()
    kept = house.workplace.kept
    facts = Facts(ehr.name, ehr.base, how_many, 0, shared_server=ehr.is_elsewhere)
    facts.address, facts.login, facts.password = house.address, CLINICIAN, kept.clinician_password
    people = list(cohort(how_many, seed=kept.seed, today=house.workplace.today))
    with step("adding a clinician, the practices and starting the web process"):
        tokens = _register(house, people)
        house.start_web()
    sent_before = _sent(house)
    referred = _refer(house, tokens, people)
    facts.referrals = len(referred)
    pages = Pages(house.address)
    pages.log_in(CLINICIAN, kept.clinician_password)
    with counted("clinician decides on the referrals", len(referred)) as progress:
        decided = decide_referrals(pages, people, referred, tokens, house, progress)
    facts.import_says = _import(house, people, referred, decided)
    with step("acknowledging every safety flag with an action"):
        facts.flags_acknowledged = acknowledge_flags(pages)
    house.start_sync()
    _deliver(house)
    with step("previewing and signing discharge letters"):
        facts.letter = sign_letters(pages, people, referred, tokens, house)
    _deliver(house)
    _read_back(house, ehr, facts, sent_before)
    facts.summary_of = referred[facts.letter["record"]].patient.split("/")[1]
    facts.summary, facts.summary_text = house.json("summary", facts.summary_of), house.run("summary", facts.summary_of)
    facts.seconds = time.monotonic() - began
    return facts


def _register(house: House, people: list[Person]) -> dict[str, str]:
    """The token of each practice, by its identifier; the first run makes them, later ones find them."""
    file = house.folder / "tokens.json"
    tokens: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    if not tokens:
        password = house.workplace.kept.clinician_password + "\n"
        who = ("users", "add", CLINICIAN, "--name", CLINICIAN_NAME, "--role", "clinician")
        house.run(*who, "--registration", REGISTRATION, "--password-stdin", given=password)
    for practice in _practices(people):
        if practice.identifier not in tokens:
            named = ("clients", "add", practice.name, "--kind", "practice")
            told = house.run(*named, "--organization", f"{PRACTICE_SYSTEM}|{practice.identifier}")
            tokens[practice.identifier] = told.split("token: ")[1].strip()
            file.touch(mode=0o600)
            file.write_text(json.dumps(tokens))
    return tokens


def _practices(people: list[Person]) -> Iterator[Practice]:
    seen: set[str] = set()
    for person in people:
        if person.referred and person.practice.identifier not in seen:
            seen.add(person.practice.identifier)
            yield person.practice


def _refer(house: House, tokens: dict[str, str], people: list[Person]) -> dict[str, Referred]:
    """Posts the Bundle of everybody a GP refers; by record id, what the practice was told."""
    systems = {one: PracticeSystem(f"{house.address}/fhir", token) for one, token in tokens.items()}
    to_refer = [person for person in people if person.referred]
    found: dict[str, Referred] = {}
    with counted("GPs refer", len(to_refer)) as progress:
        for person in to_refer:
            bundle = gp_bundle(person, person.practice, today=house.workplace.today)
            found[person.record_id] = systems[person.practice.identifier].refer(bundle)
            progress.one()
    return found


def _import(
    house: House, people: list[Person], referred: dict[str, Referred], accepted: frozenset[str]
) -> list[str]:
    """The platform's export for everybody, then the export of its corrections."""
    numbered = [
        dataclasses.replace(person, referral_number=referred[person.record_id].number)
        if person.record_id in accepted
        else person
        for person in people
        if person.record_id in accepted or person.record_id not in referred
    ]
    told = []
    for name, amendments in (("export.csv", False), ("corrections.csv", True)):
        file: Path = house.folder / name
        with file.open("w", encoding="utf-8", newline="") as opened:
            write_wide_csv(numbered, opened, amendments=amendments)
        with step(f"importing {name}"):
            told += [f"{name}: {line}" for line in house.run("import", str(file), "--source", "redcap-wide").splitlines()]
    return told


def _sent(house: House) -> int:
    counts: int = house.json("deliveries", "counts")["hapi"]["deliveries"].get("sent", 0)
    return counts


def _deliver(house: House) -> None:
    """Waits until nothing is due; gives up when nothing gets through for a while."""
    states = house.json("deliveries", "counts")["hapi"]["deliveries"]
    due = states.get("pending", 0) + states.get("in_flight", 0)
    with counted("delivering", due) as progress:
        left, moved_at = due, time.monotonic()
        while left and time.monotonic() - moved_at < STUCK_AFTER_SECONDS:
            time.sleep(1)
            states = house.json("deliveries", "counts")["hapi"]["deliveries"]
            now_left = states.get("pending", 0) + states.get("in_flight", 0)
            if now_left != left:
                left, moved_at = now_left, time.monotonic()
            progress.at(max(0, due - left))


def _read_back(house: House, ehr: Ehr, facts: Facts, sent_before: int) -> None:
    counts = house.json("deliveries", "counts")["hapi"]
    facts.deliveries, facts.sent = counts["deliveries"], counts["resources_sent"]
    facts.newly_sent = counts["deliveries"].get("sent", 0) - sent_before
    with step(f"counting what {ehr.name} holds"):
        facts.read_back = {kind: ehr.count(kind) for kind in facts.sent}
