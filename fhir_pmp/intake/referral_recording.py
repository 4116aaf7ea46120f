"""A referral that was understood becomes a person, an episode and published resources, references re-pointed."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from fhir_pmp.fhir.organization import build_practice
from fhir_pmp.fhir.patient import build_patient
from fhir_pmp.fhir.referral_bundle import ReferralRequest
from fhir_pmp.fhir.referral_entries import ReferralEntry as SentEntry
from fhir_pmp.fhir.relay import relay
from fhir_pmp.fhir.rendered import Rendered, Resource
from fhir_pmp.fhir.task import build_task
from fhir_pmp.identifiers import PersonId, ReferralId, ResourceId
from fhir_pmp.intake.identity import Doubt, contradict
from fhir_pmp.intake.questions import PERSON_DIFFERS, WHO_IS_THIS, ask
from fhir_pmp.pathway.clinic import Clinic
from fhir_pmp.pathway.episodes import task_status
from fhir_pmp.pathway.facts import Episode, EpisodeState, Person, Practice, Referral, Sex, Sharing
from fhir_pmp.publishing.care import publish_care
from fhir_pmp.publishing.publisher import Publisher
from fhir_pmp.store import Books
from fhir_pmp.store.clients import Client
from fhir_pmp.store.letters import LetterKind
from fhir_pmp.store.readers import Reader
from fhir_pmp.store.referrals import ReferralEntry

_DIRECTORY = frozenset({"Organization", "Practitioner", "PractitionerRole", "Location", "HealthcareService"})
"""What is nobody's record: the same for every person the practice refers."""


def record_referral(
    books: Books,
    clinic: Clinic,
    publisher: Publisher,
    client: Client,
    request: ReferralRequest,
    arrival: int,
    now: datetime,
) -> Referral:
    """Records and publishes a new referral; its receipt falls due. Runs in the transaction of `books`."""
    referral_id = clinic.referral_id(client.id, request.service_request_identifier)
    person, is_new, doubt, others = _who(books, clinic, client, request, referral_id)
    if not is_new:
        person = _told_again(books, client, request, person, arrival, now)
    ids = entry_ids(clinic, client, referral_id, person.id, request)
    episode = _episode(clinic, client, request, referral_id, person, ids, doubtful=doubt is not None)
    referral = _referral(clinic, client, request, referral_id, episode, now)
    if is_new:
        books.people.add(person, now=now)
    books.episodes.add(episode, event="refer", by=f"client:{client.id}", now=now)
    books.referrals.add(
        referral,
        fingerprint=request.fingerprint,
        entries=[
            ReferralEntry(one.position, one.type, ids[one.position], one.full_url) for one in request.entries
        ],
        inbox=arrival,
    )
    if doubt is not None:
        _ask_who_this_is(books, episode, doubt, others, now)
    books.letters_due.add(episode.id, LetterKind.RECEIPT, now=now)
    publisher.publish(books, _render(books, clinic, client, request, referral, episode, person, ids), now=now)
    publish_care(books, clinic, publisher, [episode.id], now)
    return referral


def entry_ids(
    clinic: Clinic, client: Client, referral: ReferralId, person: PersonId, request: ReferralRequest
) -> dict[int, ResourceId]:
    """By position: the id each entry is published under. The same entry sent again has the same id."""
    ids: dict[int, ResourceId] = {
        request.patient.position: ResourceId(person),
        request.service_request.position: clinic.service_request_id(referral),
        request.task.position: clinic.task_id(referral),
    }
    for entry in request.others:
        ids[entry.position] = _other_id(clinic, client, referral, person, entry)
    return ids


def _other_id(
    clinic: Clinic, client: Client, referral: ReferralId, person: PersonId, entry: SentEntry
) -> ResourceId:
    identifier = entry.identifier
    if identifier is None:
        return clinic.entry_id(referral, entry.type, entry.key)
    # One identifier, one resource: an EHR that groups by identifier must not find two.
    if entry.type == "Organization":
        return clinic.organization_id(identifier)
    if entry.type == "Practitioner":
        return clinic.practitioner_id(identifier)
    whose = client.id if entry.type in _DIRECTORY else person
    return clinic.sent_id(whose, entry.type, identifier)


def _who(
    books: Books, clinic: Clinic, client: Client, request: ReferralRequest, referral: ReferralId
) -> tuple[Person, bool, Doubt | None, tuple[PersonId, ...]]:
    """The referred person: known by exact identifier and birth date, else new; with the doubt, if there is one."""
    registered = Person(
        id=clinic.referred_person_id(referral),
        given=request.given,
        family=request.family,
        birth_date=request.birth_date,
        sex=request.sex,
        identifiers=request.patient_identifiers,
        registered_by=f"client:{client.id}",
    )
    found = books.people.find_by_identifiers(request.patient_identifiers)
    bearers = {person.id: person for persons in found.values() for person in persons}
    if not bearers:
        return registered, True, None, ()
    person = next(iter(bearers.values()))
    if len(bearers) > 1:
        return registered, True, Doubt.SEVERAL_BEARERS, tuple(bearers)
    if person.birth_date != request.birth_date:
        return registered, True, Doubt.BIRTH_DATE_DIFFERS, (person.id,)
    if contradict(person, request.patient_identifiers):
        return registered, True, Doubt.IDENTIFIERS_DIFFER, (person.id,)
    return person, False, None, ()


def _told_again(
    books: Books,
    client: Client,
    request: ReferralRequest,
    person: Person,
    arrival: int,
    now: datetime,
) -> Person:
    """Somebody known is referred: the practice that registered them is taken at its word; from another it is asked."""
    identifiers = tuple(dict.fromkeys((*person.identifiers, *request.patient_identifiers)))
    sex = person.sex if request.sex is Sex.UNKNOWN else request.sex
    said = replace(person, given=request.given, family=request.family, sex=sex)
    if person.registered_by == f"client:{client.id}":
        said = replace(said, identifiers=identifiers)
        if said != person:
            books.people.update(said)
        return said
    fields = [name for name in ("given", "family", "sex") if getattr(said, name) != getattr(person, name)]
    if fields:
        what = "a practice says something else of this person than the door that registered them"
        heard = {name: str(getattr(said, name)) for name in fields}
        details = {"fields": fields, "said": heard, "inbox": [arrival]}
        about = f"person/{person.id}"
        ask(books, PERSON_DIFFERS, about, what, person=person.id, episode=None, details=details, now=now)
    return person


def _episode(
    clinic: Clinic,
    client: Client,
    request: ReferralRequest,
    referral: ReferralId,
    person: Person,
    ids: Mapping[int, ResourceId],
    *,
    doubtful: bool,
) -> Episode:
    return Episode(
        id=clinic.referred_episode_id(referral),
        person=person.id,
        state=EpisodeState.REFERRED,
        referral=referral,
        source=None,
        enrolment=None,
        share_with_ehr=False,  # absent is no: the enrolment says
        doubtful=doubtful,
        referred_on=request.authored_on,
        enrolled_on=None,
        started_on=None,
        ended_on=None,
        end_reason=None,
        lessons=(),
        practice=_practice(clinic, client, request, ids),
    )


def _practice(
    clinic: Clinic, client: Client, request: ReferralRequest, ids: Mapping[int, ResourceId]
) -> Practice | None:
    """Where letters go: who asks, as the Bundle tells it; else the practice the client is registered for."""
    asks = request.requester
    if asks.organization is not None:
        organization_id, identifier = ids[asks.organization.position], asks.organization.identifier
    elif client.organization is not None:
        organization_id, identifier = clinic.organization_id(client.organization), client.organization
    else:
        return None
    doctor = asks.practitioner
    return Practice(
        organization_id=organization_id,
        organization_identifier=identifier,
        organization_name=asks.organization_name or client.name,
        practitioner_id=ids[doctor.position] if doctor is not None else None,
        practitioner_identifier=doctor.identifier if doctor is not None else None,
        practitioner_name=asks.practitioner_name,
    )


def _referral(
    clinic: Clinic,
    client: Client,
    request: ReferralRequest,
    referral: ReferralId,
    episode: Episode,
    now: datetime,
) -> Referral:
    return Referral(
        id=referral,
        number=clinic.referral_number(referral),
        client=client.id,
        episode=episode.id,
        person=episode.person,
        service_request_id=clinic.service_request_id(referral),
        task_id=clinic.task_id(referral),
        service_request_identifier=request.service_request_identifier,
        task_identifier=request.task_identifier,
        authored_on=request.authored_on,
        received_at=now,
        reason=request.reason,
    )


def _ask_who_this_is(
    books: Books, episode: Episode, doubt: Doubt, others: tuple[PersonId, ...], now: datetime
) -> None:
    ask(
        books,
        WHO_IS_THIS,
        f"episode/{episode.id}",
        doubt.value,
        person=episode.person,
        episode=episode.id,
        details={"others": list(others), "referral": None},
        now=now,
    )


def _render(
    books: Books,
    clinic: Clinic,
    client: Client,
    request: ReferralRequest,
    referral: Referral,
    episode: Episode,
    person: Person,
    ids: Mapping[int, ResourceId],
) -> list[Rendered]:
    sent = request.repointed(ids)
    # Once another practice refers this person too, both read the Patient: it says what we know, and no practice's words.
    alone = all(one.client == client.id for one in books.referrals.of_person(person.id))
    registered_here = person.registered_by == f"client:{client.id}" and alone
    patient = build_patient(
        clinic,
        person,
        sharing=Sharing.REFERRAL,
        owner=client.id,
        referred_as=sent[request.patient.position] if registered_here else None,
    )
    service_request = relay(
        sent[request.service_request.position],
        referral.service_request_id,
        person=person.id,
        episode=episode.id,
        owner=client.id,
    )
    task = build_task(
        clinic, referral, sent[request.task.position], status=task_status(episode, letter_signed=False)
    )
    others = _others(books, client, request, sent, ids, person, episode)
    practice = _registered_practice(client, episode, ids)
    return [*practice, *others, patient, service_request, task]


def _others(
    books: Books,
    client: Client,
    request: ReferralRequest,
    sent: Mapping[int, Resource],
    ids: Mapping[int, ResourceId],
    person: Person,
    episode: Episode,
) -> list[Rendered]:
    """The other entries as received. A practice or practitioner that another door published first stays its."""
    references = [f"{one.type}/{ids[one.position]}" for one in request.others]
    current = books.published.find_many(Reader.house(), references)
    resources = []
    for entry in request.others:
        before = current.get(f"{entry.type}/{ids[entry.position]}")
        if before is None or before.owner == client.id:
            of_nobody = entry.type in _DIRECTORY
            resources.append(
                relay(
                    sent[entry.position],
                    ids[entry.position],
                    person=None if of_nobody else person.id,
                    episode=None if of_nobody else episode.id,
                    owner=client.id,
                )
            )
    return resources


def _registered_practice(client: Client, episode: Episode, ids: Mapping[int, ResourceId]) -> list[Rendered]:
    """The practice the client is registered for, where the Bundle itself names none."""
    practice = episode.practice
    if practice is None or practice.organization_id in ids.values():
        return []
    return [build_practice(practice, sharing=Sharing.REFERRAL, owner=client.id)]
