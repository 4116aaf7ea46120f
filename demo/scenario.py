"""Runs the demo's scenario step by step, through the public interfaces only."""

import dataclasses
import json
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from demo.clinician_tasks import acknowledge_flags, decide_referrals
from demo.delivery_wait import EVERY_SECONDS, count_at_ehr, wait_until_delivered
from demo.ehr import Ehr
from demo.letter_signing import sign_letters
from demo.page_client import PageClient
from demo.people import PRACTICES, Person, Practice, cohort, gp_bundle, write_wide_csv
from demo.people.practices import PRACTICE_SYSTEM
from demo.practice_system import PracticeSystems, SubmittedReferral
from demo.progress import CONSOLE, counted_step, timed_step
from demo.report import DemoResult
from demo.run_folder import write_private
from demo.service import DemoService

CLINICIAN = "dr.example"
CLINICIAN_NAME = "Dr Alex Example"
REGISTRATION = "MED0001234567"
COMMANDS_AT_ONCE = 2


def run_scenario(service: DemoService, ehr: Ehr, how_many: int) -> DemoResult:
    """Refers, accepts, imports, acknowledges, signs and delivers, then counts at the EHR."""
    began = time.monotonic()
    state = service.run_folder.state
    result = DemoResult(
        *(ehr.name, ehr.base, how_many, service.address, CLINICIAN, state.clinician_password),
        counted_there=ehr.accepts_our_ids,
    )
    people = list(cohort(how_many, seed=state.seed, today=service.run_folder.today))
    tokens = _register(service, people)
    with timed_step("starting the web process"):
        service.start_web()
    practices = PracticeSystems(f"{service.address}/fhir", tokens)
    pages = PageClient(service.address)
    pages.log_in(CLINICIAN, state.clinician_password)

    referred = _refer(service, practices, people)
    result.referrals = len(referred)
    with counted_step("a clinician decides on the referrals", len(referred)) as progress:
        accepted = decide_referrals(pages, people, referred, practices, progress)
    result.accepted = len(accepted)
    result.import_output = _import(service, people, referred, accepted)
    with timed_step("the clinician acknowledges every safety flag, saying what was done"):
        result.flags_acknowledged = acknowledge_flags(pages)

    with service.counting(EVERY_SECONDS) as counts:
        sent_before = next(counts)["deliveries"].get("sent", 0)
        service.start_sync()
        wait_until_delivered(counts, f"delivering to {ehr.name}")
    with timed_step("the clinician previews and signs discharge letters, their practices read them"):
        accepted_ones = {record: referred[record] for record in accepted}
        result.letters = sign_letters(pages, people, accepted_ones, practices, service.folder)
    with service.counting(EVERY_SECONDS) as counts:
        wait_until_delivered(counts, f"delivering the letters to {ehr.name}")
    with timed_step(f"counting what {ehr.name} holds"):
        count_at_ehr(service, ehr, result, sent_before)
    if result.letters:
        result.summary_of = result.letters[0].person.split("/")[1]
        result.summary = service.json("summary", result.summary_of)
        result.summary_text = service.run("summary", result.summary_of)
    result.seconds = time.monotonic() - began
    return result


def _register(service: DemoService, people: list[Person]) -> dict[str, str]:
    """Returns the token of each practice, by its identifier; creates those that do not exist yet."""
    file = service.folder / "tokens.json"
    tokens: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    new = [one for one in _practices(people) if one.identifier not in tokens]
    with counted_step("adding a clinician and the practices", len(new)) as progress:
        if not tokens:
            password = service.run_folder.state.clinician_password + "\n"
            who = ("users", "add", CLINICIAN, "--name", CLINICIAN_NAME, "--role", "clinician")
            # Refused where an earlier run was interrupted before it created the practices.
            service.run(
                *who, "--registration", REGISTRATION, "--password-stdin", stdin_text=password, may_fail=True
            )
        with ThreadPoolExecutor(COMMANDS_AT_ONCE) as pool:
            for practice, token in zip(new, pool.map(lambda one: _token(service, one), new), strict=True):
                tokens[practice.identifier] = token
                write_private(file, json.dumps(tokens))
                progress.advance()
    return tokens


def _token(service: DemoService, practice: Practice) -> str:
    named = ("clients", "add", practice.name, "--kind", "practice")
    printed = service.run(*named, "--organization", f"{PRACTICE_SYSTEM}|{practice.identifier}")
    return printed.split("token: ")[1].strip()


def _practices(people: Iterable[Person]) -> list[Practice]:
    """Returns the practices that refer, but at least two: the second one must get 404 for a letter."""
    referring = [person.practice for person in people if person.referred]
    found = {one.identifier: one for one in (*referring, *PRACTICES[:2])}
    return list(found.values())


def _refer(
    service: DemoService, practices: PracticeSystems, people: list[Person]
) -> dict[str, SubmittedReferral]:
    """Posts the Bundle of every referred person; returns the submitted referrals by record id."""
    to_refer = [person for person in people if person.referred]
    found: dict[str, SubmittedReferral] = {}
    with counted_step("GPs refer", len(to_refer)) as progress:
        for person in to_refer:
            bundle = gp_bundle(person, person.practice, today=service.run_folder.today)
            found[person.record_id] = practices.for_person(person).refer(bundle)
            progress.advance()
    return found


def _import(
    service: DemoService,
    people: list[Person],
    referred: dict[str, SubmittedReferral],
    accepted: frozenset[str],
) -> list[str]:
    """Imports the platform's export of everyone enrolled, then its later export with corrections."""
    enrolled = [
        _with_referral_number(person, referred)
        for person in people
        if person.record_id in accepted or person.record_id not in referred
    ]
    # After the corrections were imported once, the platform's next export contains the corrected answers.
    taken = service.folder / "corrections.taken"
    exported = [_corrected(person) for person in enrolled] if taken.exists() else enrolled
    output = _import_export(service, "export.csv", exported, amendments=False)
    output += _import_export(service, "corrections.csv", enrolled, amendments=True)
    taken.touch()
    return output


def _import_export(service: DemoService, name: str, people: list[Person], *, amendments: bool) -> list[str]:
    file = service.folder / name
    with file.open("w", encoding="utf-8", newline="") as opened:
        responses = write_wide_csv(people, opened, amendments=amendments)
    CONSOLE.print(
        f"      the programme's platform exports {name}: {len(people)} people, {responses} responses"
    )
    output = service.run("import", str(file), "--source", "redcap-wide", may_fail=True, shows_progress=True)
    for line in output.splitlines():
        CONSOLE.print(f"[green]done[/green]  {line}")
    return [f"{name}: {line}" for line in output.splitlines()]


def _with_referral_number(person: Person, referred: dict[str, SubmittedReferral]) -> Person:
    known = referred.get(person.record_id)
    return person if known is None else dataclasses.replace(person, referral_number=known.number)


def _corrected(person: Person) -> Person:
    by_id = {response.response_id: response for response in person.amended}
    now = tuple(by_id.get(response.response_id, response) for response in person.responses)
    return dataclasses.replace(person, responses=now)
