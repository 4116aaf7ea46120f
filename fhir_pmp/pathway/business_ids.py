"""Computes the id and identifier of each thing from its business key."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from fhir_pmp.identifiers import (
    ClientId,
    EpisodeId,
    FlagId,
    Identifier,
    InstrumentId,
    KeyedIds,
    LetterId,
    LinkId,
    PersonId,
    ReferralId,
    ResourceId,
    ResponseId,
    ScaleId,
    SourceId,
    TimepointId,
)


class IdKind(StrEnum):
    """The kinds of things that we give ids to.

    The value is the prefix of the id and the end of its identifier system.
    """

    PERSON = "patient"
    EPISODE = "episode"
    REFERRAL = "referral"
    SERVICE_REQUEST = "request"
    TASK = "task"
    ENTRY = "entry"  # another entry of a referral Bundle
    RESPONSE = "response"
    SCORE = "score"
    ANSWER = "answer"  # a safety answer
    CHANGE = "change"
    FLAG = "flag"
    LETTER = "letter"
    DOCUMENT = "document"  # a letter's DocumentReference
    BUNDLE = "bundle"  # a letter's document Bundle
    COMPOSITION = "composition"  # inside that Bundle
    ORGANIZATION = "organization"
    PRACTITIONER = "practitioner"
    ROLE = "role"


@dataclass(frozen=True, eq=False)
class BusinessIds:
    """Computes ids from business keys; the only place where an id is made.

    `canonical_base` is the URL that our identifier systems start with, without a slash at its end.
    """

    keyed: KeyedIds
    canonical_base: str

    # identifiers

    def identifier_system(self, kind: IdKind) -> str:
        """Returns the system (a URI) of the identifiers that we give to this kind."""
        return f"{self.canonical_base}/identifiers/{kind.value}"

    def own_systems(self, sources: Iterable[SourceId]) -> tuple[str, ...]:
        """Every identifier system on our resources: our own, and the sources' systems for responses."""
        ours = [self.identifier_system(kind) for kind in IdKind]
        return (*ours, *(self.source_system(source, "response") for source in sorted(sources)))

    def own_identifier(self, kind: IdKind, value: str) -> Identifier:
        """Returns our business identifier of a thing: the kind's system and the thing's id."""
        return Identifier(self.identifier_system(kind), value)

    def source_system(self, source: SourceId, of: str) -> str:
        """The system of the identifiers that a source assigns (`of`: "record", "enrolment", "response")."""
        return f"{self.canonical_base}/sources/{source}/{of}"

    # people and episodes

    def person_id(self, source: SourceId, record: str) -> PersonId:
        """Returns the id of a person whom a source registered under its own record number."""
        return PersonId(self.keyed.compute(IdKind.PERSON, "source", source, record))

    def referred_person_id(self, referral: ReferralId) -> PersonId:
        """Returns the id of a person whom a referral registered."""
        return PersonId(self.keyed.compute(IdKind.PERSON, "referral", referral))

    def episode_id(self, source: SourceId, enrolment: str) -> EpisodeId:
        """Returns the id of an episode that began with an enrolment, without a referral."""
        return EpisodeId(self.keyed.compute(IdKind.EPISODE, "source", source, enrolment))

    def referred_episode_id(self, referral: ReferralId) -> EpisodeId:
        """Returns the id of an episode that began with a referral."""
        return EpisodeId(self.keyed.compute(IdKind.EPISODE, "referral", referral))

    # referrals

    def referral_id(self, client: ClientId, service_request: Identifier) -> ReferralId:
        """Returns the id of a referral: the client that sent it and its ServiceRequest's identifier."""
        key = (client, service_request.system, service_request.value)
        return ReferralId(self.keyed.compute(IdKind.REFERRAL, *key))

    def service_request_id(self, referral: ReferralId) -> ResourceId:
        """Returns the id of the referral's ServiceRequest."""
        return ResourceId(self.keyed.compute(IdKind.SERVICE_REQUEST, referral))

    def task_id(self, referral: ReferralId) -> ResourceId:
        """Returns the id of the referral's Task."""
        return ResourceId(self.keyed.compute(IdKind.TASK, referral))

    def entry_id(self, referral: ReferralId, resource_type: str, key: str) -> ResourceId:
        """Returns the id of another entry of the Bundle; `key` is unique for its type."""
        return ResourceId(self.keyed.compute(IdKind.ENTRY, referral, resource_type, key))

    def entry_id_by_identifier(self, owner: str, resource_type: str, identifier: Identifier) -> ResourceId:
        """Returns the id of an entry with an identifier; `owner`: a person or client."""
        return ResourceId(
            self.keyed.compute(IdKind.ENTRY, owner, resource_type, identifier.system, identifier.value)
        )

    def referral_number(self, referral: ReferralId) -> str:
        """Returns the number that people and enrolments quote: "R-" and 12 digits without meaning."""
        drawn = int(self.keyed.compute("number", referral).removeprefix("number-"), 16)
        return f"R-{drawn % 10**12:012d}"

    # responses and what follows from them

    def response_id(
        self,
        source: SourceId,
        own_id: str | None,
        enrolment: str,
        instrument: InstrumentId,
        timepoint: TimepointId,
    ) -> ResponseId:
        """Returns the id of a response: by the source's id, else enrolment, instrument and timepoint."""
        if own_id is not None:
            return ResponseId(self.keyed.compute(IdKind.RESPONSE, source, own_id))
        return ResponseId(self.keyed.compute(IdKind.RESPONSE, source, enrolment, instrument, timepoint))

    def response_identifier(self, source: SourceId, own_id: str | None, response: ResponseId) -> Identifier:
        """Returns the response's identifier: the source's, else our id under our system."""
        if own_id is not None:
            return Identifier(self.source_system(source, "response"), own_id)
        return self.own_identifier(IdKind.RESPONSE, response)

    def score_id(self, response: ResponseId, scale: ScaleId) -> ResourceId:
        """Returns the id of one scale's score of a response."""
        return ResourceId(self.keyed.compute(IdKind.SCORE, response, scale))

    def answer_id(self, response: ResponseId, item: LinkId) -> ResourceId:
        """Returns the id of the Observation of one safety answer."""
        return ResourceId(self.keyed.compute(IdKind.ANSWER, response, item))

    def flag_id(self, response: ResponseId, item: LinkId) -> FlagId:
        """Returns the id of the flag that one safety answer raised."""
        return FlagId(self.keyed.compute(IdKind.FLAG, response, item))

    def change_id(
        self, episode: EpisodeId, instrument: InstrumentId, scale: ScaleId, later: TimepointId
    ) -> ResourceId:
        """Returns the id of a scale's change at a timepoint, whatever the baseline."""
        return ResourceId(self.keyed.compute(IdKind.CHANGE, episode, instrument, scale, later))

    # letters

    def letter_id(self, episode: EpisodeId, kind: str, number: int) -> LetterId:
        """Returns the id of an episode's letter; a replacement has the next number."""
        return LetterId(self.keyed.compute(IdKind.LETTER, episode, kind, str(number)))

    def document_reference_id(self, letter: LetterId) -> ResourceId:
        """Returns the id of a letter's DocumentReference."""
        return ResourceId(self.keyed.compute(IdKind.DOCUMENT, letter))

    def document_bundle_id(self, letter: LetterId) -> ResourceId:
        """Returns the id of a letter's document Bundle."""
        return ResourceId(self.keyed.compute(IdKind.BUNDLE, letter))

    def composition_id(self, letter: LetterId) -> ResourceId:
        """Returns the id of the Composition in a letter's document Bundle."""
        return ResourceId(self.keyed.compute(IdKind.COMPOSITION, letter))

    # organizations and practitioners

    def organization_id(self, identifier: Identifier) -> ResourceId:
        """Returns the id of an organization that has a business identifier."""
        return ResourceId(self.keyed.compute(IdKind.ORGANIZATION, identifier.system, identifier.value))

    def unnumbered_organization_id(self, named_by: str, name: str) -> ResourceId:
        """Returns the id of an organization without identifier, by namer ("client:<id>") and name."""
        return ResourceId(self.keyed.compute(IdKind.ORGANIZATION, "named", named_by, name))

    def practitioner_id(self, identifier: Identifier) -> ResourceId:
        """Returns the id of a practitioner who has a business identifier."""
        return ResourceId(self.keyed.compute(IdKind.PRACTITIONER, identifier.system, identifier.value))

    def unnumbered_practitioner_id(self, named_by: str, name: str) -> ResourceId:
        """Returns the id of a practitioner without identifier, by namer and name."""
        return ResourceId(self.keyed.compute(IdKind.PRACTITIONER, "named", named_by, name))

    def signer_id(self, account: str) -> ResourceId:
        """Returns the id of the practitioner that one of our accounts belongs to."""
        return ResourceId(self.keyed.compute(IdKind.PRACTITIONER, "account", account))

    def role_id(self, practitioner: ResourceId, organization: ResourceId) -> ResourceId:
        """Returns the id of a practitioner's role at an organization."""
        return ResourceId(self.keyed.compute(IdKind.ROLE, practitioner, organization))
