"""The story the demo tells, step by step, through the doors that everybody else uses."""

import dataclasses
import json
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from demo.clinic_day import acknowledge_flags, decide_referrals
from demo.clinician import Pages
from demo.delivering import EVERY_SECONDS, read_back, wait_until_delivered
from demo.ehr import Ehr
from demo.house import House
from demo.people import PRACTICES, Person, Practice, cohort, gp_bundle, write_wide_csv
from demo.people.practices import PRACTICE_SYSTEM
from demo.practice import Practices, Referred
from demo.progress import CONSOLE, counted, step
from demo.report import Facts
from demo.signing import sign_letters
from demo.workplace import write_private

CLINICIAN = "dr.example"
CLINICIAN_NAME = "Dr Alex Example"
REGISTRATION = "MED0001234567"
COMMANDS_AT_ONCE = 2


def tell(house: House, ehr: Ehr, how_many: int) -> Facts:
    """Refers, accepts, imports, acknowledges, signs, delivers, and reads everything back."""
    began = time.monotonic()
    kept = house.workplace.kept
    facts = Facts(
        *(ehr.name, ehr.base, how_many, house.address, CLINICIAN, kept.clinician_password),
        counted_there=ehr.takes_our_ids,
    )
    people = list(cohort(how_many, seed=kept.seed, today=house.workplace.today))
    tokens = _register(house, people)
    with step("starting the web process"):
        house.start_web()
    practices = Practices(f"{house.address}/fhir", tokens)
    pages = Pages(house.address)
    pages.log_in(CLINICIAN, kept.clinician_password)

    referred = _refer(house, practices, people)
    facts.referrals = len(referred)
    with counted("a clinician decides on the referrals", len(referred)) as progress:
        accepted = decide_referrals(pages, people, referred, practices, progress)
    facts.accepted = len(accepted)
    facts.import_says = _import(house, people, referred, accepted)
    with step("the clinician acknowledges every safety flag, saying what was done"):
        facts.flags_acknowledged = acknowledge_flags(pages)

    with house.counting(EVERY_SECONDS) as counts:
        sent_before = next(counts)["deliveries"].get("sent", 0)
        house.start_sync()
        wait_until_delivered(counts, f"delivering to {ehr.name}")
    with step("the clinician previews and signs discharge letters, their practices read them"):
        accepted_ones = {record: referred[record] for record in accepted}
        facts.letters = sign_letters(pages, people, accepted_ones, practices, house.folder)
    with house.counting(EVERY_SECONDS) as counts:
        wait_until_delivered(counts, f"delivering the letters to {ehr.name}")
    with step(f"counting what {ehr.name} holds"):
        read_back(house, ehr, facts, sent_before)
    if facts.letters:
        facts.summary_of = facts.letters[0].person.split("/")[1]
        facts.summary = house.json("summary", facts.summary_of)
        facts.summary_text = house.run("summary", facts.summary_of)
    facts.seconds = time.monotonic() - began
    return facts


def _register(house: House, people: list[Person]) -> dict[str, str]:
    """The token of each practice, by its identifier; the first run makes them, later ones find them."""
    file = house.folder / "tokens.json"
    tokens: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    new = [one for one in _practices(people) if one.identifier not in tokens]
    with counted("a clinician and the practices get their way in", len(new)) as progress:
        if not tokens:
            password = house.workplace.kept.clinician_password + "\n"
            who = ("users", "add", CLINICIAN, "--name", CLINICIAN_NAME, "--role", "clinician")
            # Refused where an earlier run was ended before it came to the practices.
            house.run(
                *who, "--registration", REGISTRATION, "--password-stdin", given=password, may_refuse=True
            )
        with ThreadPoolExecutor(COMMANDS_AT_ONCE) as pool:
            for practice, token in zip(new, pool.map(lambda one: _token(house, one), new), strict=True):
                tokens[practice.identifier] = token
                write_private(file, json.dumps(tokens))
                progress.one()
    return tokens


def _token(house: House, practice: Practice) -> str:
    named = ("clients", "add", practice.name, "--kind", "practice")
    told = house.run(*named, "--organization", f"{PRACTICE_SYSTEM}|{practice.identifier}")
    return told.split("token: ")[1].strip()


def _practices(people: Iterable[Person]) -> list[Practice]:
    """Those that refer somebody, and two at least: another practice is told that a letter is not there."""
    referring = [person.practice for person in people if person.referred]
    found = {one.identifier: one for one in (*referring, *PRACTICES[:2])}
    return list(found.values())


def _refer(house: House, practices: Practices, people: list[Person]) -> dict[str, Referred]:
    """Posts the Bundle of everybody a GP refers; by record id, what the practice was told."""
    to_refer = [person for person in people if person.referred]
    found: dict[str, Referred] = {}
    with counted("GPs refer", len(to_refer)) as progress:
        for person in to_refer:
            bundle = gp_bundle(person, person.practice, today=house.workplace.today)
            found[person.record_id] = practices.of(person).refer(bundle)
            progress.one()
    return found


def _import(
    house: House, people: list[Person], referred: dict[str, Referred], accepted: frozenset[str]
) -> list[str]:
    """The platform's export for everybody who is enrolled, then its later export with the corrections."""
    enrolled = [
        _numbered(person, referred)
        for person in people
        if person.record_id in accepted or person.record_id not in referred
    ]
    # Once the corrections were taken, the platform holds the corrected answers, and so does its next export.
    taken = house.folder / "corrections.taken"
    exported = [_corrected(person) for person in enrolled] if taken.exists() else enrolled
    told = _hand_in(house, "export.csv", exported, amendments=False)
    told += _hand_in(house, "corrections.csv", enrolled, amendments=True)
    taken.touch()
    return told


def _hand_in(house: House, name: str, people: list[Person], *, amendments: bool) -> list[str]:
    file = house.folder / name
    with file.open("w", encoding="utf-8", newline="") as opened:
        responses = write_wide_csv(people, opened, amendments=amendments)
    CONSOLE.print(
        f"      the programme's platform hands in {name}: {len(people)} people, {responses} responses"
    )
    said = house.run("import", str(file), "--source", "redcap-wide", may_refuse=True, shows_progress=True)
    for line in said.splitlines():
        CONSOLE.print(f"[green]done[/green]  {line}")
    return [f"{name}: {line}" for line in said.splitlines()]


def _numbered(person: Person, referred: dict[str, Referred]) -> Person:
    known = referred.get(person.record_id)
    return person if known is None else dataclasses.replace(person, referral_number=known.number)


def _corrected(person: Person) -> Person:
    by_id = {response.response_id: response for response in person.amended}
    now = tuple(by_id.get(response.response_id, response) for response in person.responses)
    return dataclasses.replace(person, responses=now)
