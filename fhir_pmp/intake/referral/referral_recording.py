"""Records a referral as person and episode and publishes its resources with our references."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from fhir_pmp.fhir.administration.organization import build_practice
from fhir_pmp.fhir.administration.patient import build_patient
from fhir_pmp.fhir.referral.referral_bundle import ReferralRequest
from fhir_pmp.fhir.referral.referral_entries import ReferralEntry as SentEntry
from fhir_pmp.fhir.referral.relay import relay
from fhir_pmp.fhir.referral.task import build_task
from fhir_pmp.fhir.serialization.rendered_resource import RenderedResource, Resource
from fhir_pmp.identifiers import PersonId, ReferralId, ResourceId
from fhir_pmp.intake.clinician_questions import PERSON_DIFFERS, WHO_IS_THIS, ask_clinician
from fhir_pmp.intake.matching.person_match import IdentityDoubt, identifiers_contradict
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.pathway.episode_states import task_status
from fhir_pmp.pathway.facts import Episode, EpisodeState, Person, Practice, Referral, Sex, Sharing
from fhir_pmp.pathway.letter_kinds import LetterTrigger, letters_due
from fhir_pmp.publishing.episode_resources import publish_episodes
from fhir_pmp.publishing.publishing_context import PublishingContext
from fhir_pmp.store import UnitOfWork
from fhir_pmp.store.access.clients import Client
from fhir_pmp.store.clinical.referrals import ReferralEntry
from fhir_pmp.store.versions.read_scope import Reader

_DIRECTORY_TYPES = frozenset(
    {"Organization", "Practitioner", "PractitionerRole", "Location", "HealthcareService"}
)
"""Types that belong to no person: the same for every person whom the practice refers."""


def record_referral(
    uow: UnitOfWork,
    context: PublishingContext,
    client: Client,
    request: ReferralRequest,
    arrival: int,
    now: datetime,
) -> Referral:
    """Records and publishes a new referral; its receipt becomes due.

    Runs in the transaction of `uow`.
    """
    referral_id = context.clinic.ids.referral_id(client.id, request.service_request_identifier)
    person, is_new, doubt, others = _identify_person(uow, context.clinic, client, request, referral_id)
    if not is_new:
        person = _update_known_person(uow, client, request, person, arrival, now)
    ids = entry_ids(context.clinic, client, referral_id, person.id, request)
    episode = _episode(context.clinic, client, request, referral_id, person, ids, doubtful=doubt is not None)
    referral = _referral(context.clinic, client, request, referral_id, episode, now)
    if is_new:
        uow.people.add(person, now=now)
    uow.episodes.add(episode, event="refer", by=f"client:{client.id}", now=now)
    uow.referrals.add(
        referral,
        fingerprint=request.fingerprint,
        entries=[
            ReferralEntry(one.position, one.type, ids[one.position], one.full_url) for one in request.entries
        ],
        inbox=arrival,
    )
    if doubt is not None:
        _ask_identity(uow, episode, doubt, others, now)
    for kind in letters_due(LetterTrigger.REFERRAL_RECEIVED):
        uow.letters_due.add(episode.id, kind, now=now)
    context.publisher.publish(
        uow, _render(uow, context.clinic, client, request, referral, episode, person, ids), now=now
    )
    publish_episodes(uow, context, [episode.id], now)
    return referral


def entry_ids(
    clinic: ClinicalContext, client: Client, referral: ReferralId, person: PersonId, request: ReferralRequest
) -> dict[int, ResourceId]:
    """Returns the id under which each entry is published, by position.

    The same entry sent again has the same id.
    """
    ids: dict[int, ResourceId] = {
        request.patient.position: ResourceId(person),
        request.service_request.position: clinic.ids.service_request_id(referral),
        request.task.position: clinic.ids.task_id(referral),
    }
    for entry in request.others:
        ids[entry.position] = _other_id(clinic, client, referral, person, entry)
    return ids


def _other_id(
    clinic: ClinicalContext, client: Client, referral: ReferralId, person: PersonId, entry: SentEntry
) -> ResourceId:
    identifier = entry.identifier
    if identifier is None:
        return clinic.ids.entry_id(referral, entry.type, entry.key)
    # One identifier, one resource: an EHR that groups by identifier must not find two.
    if entry.type == "Organization":
        return clinic.ids.organization_id(identifier)
    if entry.type == "Practitioner":
        return clinic.ids.practitioner_id(identifier)
    owner_key = client.id if entry.type in _DIRECTORY_TYPES else person
    return clinic.ids.entry_id_by_identifier(owner_key, entry.type, identifier)


def _identify_person(
    uow: UnitOfWork, clinic: ClinicalContext, client: Client, request: ReferralRequest, referral: ReferralId
) -> tuple[Person, bool, IdentityDoubt | None, tuple[PersonId, ...]]:
    """The referred person: known by exact identifier and birth date, else new; with the doubt, if there is one."""
    new_person = Person(
        id=clinic.ids.referred_person_id(referral),
        given=request.given,
        family=request.family,
        birth_date=request.birth_date,
        sex=request.sex,
        identifiers=request.patient_identifiers,
        registered_by=f"client:{client.id}",
    )
    found = uow.people.find_by_identifiers(request.patient_identifiers)
    holders = {person.id: person for persons in found.values() for person in persons}
    if not holders:
        return new_person, True, None, ()
    person = next(iter(holders.values()))
    if len(holders) > 1:
        return new_person, True, IdentityDoubt.SEVERAL_HOLDERS, tuple(holders)
    if person.birth_date != request.birth_date:
        return new_person, True, IdentityDoubt.BIRTH_DATE_DIFFERS, (person.id,)
    if identifiers_contradict(person, request.patient_identifiers):
        return new_person, True, IdentityDoubt.IDENTIFIERS_DIFFER, (person.id,)
    return person, False, None, ()


def _update_known_person(
    uow: UnitOfWork,
    client: Client,
    request: ReferralRequest,
    person: Person,
    arrival: int,
    now: datetime,
) -> Person:
    """Updates a known person from the registering practice; another practice's changes become questions."""
    identifiers = tuple(dict.fromkeys((*person.identifiers, *request.patient_identifiers)))
    sex = person.sex if request.sex is Sex.UNKNOWN else request.sex
    stated = replace(person, given=request.given, family=request.family, sex=sex)
    if person.registered_by == f"client:{client.id}":
        stated = replace(stated, identifiers=identifiers)
        if stated != person:
            uow.people.update(stated)
        return stated
    fields = [name for name in ("given", "family", "sex") if getattr(stated, name) != getattr(person, name)]
    if fields:
        what = "a practice states other personal details than those registered"
        claimed = {name: str(getattr(stated, name)) for name in fields}
        details = {"fields": fields, "said": claimed, "inbox": [arrival]}
        about = f"person/{person.id}"
        ask_clinician(
            uow, PERSON_DIFFERS, about, what, person=person.id, episode=None, details=details, now=now
        )
    return person


def _episode(
    clinic: ClinicalContext,
    client: Client,
    request: ReferralRequest,
    referral: ReferralId,
    person: Person,
    ids: Mapping[int, ResourceId],
    *,
    doubtful: bool,
) -> Episode:
    return Episode(
        id=clinic.ids.referred_episode_id(referral),
        person=person.id,
        state=EpisodeState.REFERRED,
        referral=referral,
        source=None,
        enrolment=None,
        share_with_ehr=False,  # no consent until the enrolment states it
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
    clinic: ClinicalContext, client: Client, request: ReferralRequest, ids: Mapping[int, ResourceId]
) -> Practice | None:
    """The recipient of letters: the requester in the Bundle, else the client's registered practice."""
    requester = request.requester
    if requester.organization is not None:
        organization_id, identifier = ids[requester.organization.position], requester.organization.identifier
    elif client.organization is not None:
        organization_id, identifier = clinic.ids.organization_id(client.organization), client.organization
    else:
        return None
    doctor = requester.practitioner
    return Practice(
        organization_id=organization_id,
        organization_identifier=identifier,
        organization_name=requester.organization_name or client.name,
        practitioner_id=ids[doctor.position] if doctor is not None else None,
        practitioner_identifier=doctor.identifier if doctor is not None else None,
        practitioner_name=requester.practitioner_name,
    )


def _referral(
    clinic: ClinicalContext,
    client: Client,
    request: ReferralRequest,
    referral: ReferralId,
    episode: Episode,
    now: datetime,
) -> Referral:
    return Referral(
        id=referral,
        number=clinic.ids.referral_number(referral),
        client=client.id,
        episode=episode.id,
        person=episode.person,
        service_request_id=clinic.ids.service_request_id(referral),
        task_id=clinic.ids.task_id(referral),
        service_request_identifier=request.service_request_identifier,
        task_identifier=request.task_identifier,
        authored_on=request.authored_on,
        received_at=now,
        reason=request.reason,
    )


def _ask_identity(
    uow: UnitOfWork, episode: Episode, doubt: IdentityDoubt, others: tuple[PersonId, ...], now: datetime
) -> None:
    ask_clinician(
        uow,
        WHO_IS_THIS,
        f"episode/{episode.id}",
        doubt.value,
        person=episode.person,
        episode=episode.id,
        details={"others": list(others), "referral": None},
        now=now,
    )


def _render(
    uow: UnitOfWork,
    clinic: ClinicalContext,
    client: Client,
    request: ReferralRequest,
    referral: Referral,
    episode: Episode,
    person: Person,
    ids: Mapping[int, ResourceId],
) -> list[RenderedResource]:
    sent = request.resources_under_own_ids(ids)
    # If two practices refer a person, both read the Patient: it holds our data, not one practice's.
    is_only_referrer = all(one.client == client.id for one in uow.referrals.of_person(person.id))
    registered_here = person.registered_by == f"client:{client.id}" and is_only_referrer
    patient = build_patient(
        clinic,
        person,
        sharing=Sharing.REFERRAL,
        owner=client.id,
        received_patient=sent[request.patient.position] if registered_here else None,
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
    others = _render_others(uow, client, request, sent, ids, person, episode)
    practice = _registered_practice(client, episode, ids)
    return [*practice, *others, patient, service_request, task]


def _render_others(
    uow: UnitOfWork,
    client: Client,
    request: ReferralRequest,
    sent: Mapping[int, Resource],
    ids: Mapping[int, ResourceId],
    person: Person,
    episode: Episode,
) -> list[RenderedResource]:
    """The other entries as received, without practices and practitioners that another source published."""
    references = [f"{one.type}/{ids[one.position]}" for one in request.others]
    current = uow.published.find_many(Reader.internal(), references)
    resources = []
    for entry in request.others:
        before = current.get(f"{entry.type}/{ids[entry.position]}")
        if before is None or before.owner == client.id:
            is_directory = entry.type in _DIRECTORY_TYPES
            resources.append(
                relay(
                    sent[entry.position],
                    ids[entry.position],
                    person=None if is_directory else person.id,
                    episode=None if is_directory else episode.id,
                    owner=client.id,
                )
            )
    return resources


def _registered_practice(
    client: Client, episode: Episode, ids: Mapping[int, ResourceId]
) -> list[RenderedResource]:
    """The practice the client is registered for, where the Bundle itself names none."""
    practice = episode.practice
    if practice is None or practice.organization_id in ids.values():
        return []
    return [build_practice(practice, sharing=Sharing.REFERRAL, owner=client.id)]
