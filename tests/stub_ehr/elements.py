"""The R4 elements of the types that are sent to us; HAPI drops silently what is not among them."""

from typing import Any

_BASE = "resourceType id meta implicitRules language text contained extension modifierExtension"

ELEMENTS = {
    "Patient": "identifier active name telecom gender birthDate deceased address maritalStatus multipleBirth photo "
    "contact communication generalPractitioner managingOrganization link",
    "Organization": "identifier active type name alias telecom address partOf contact endpoint",
    "Practitioner": "identifier active name telecom address gender birthDate photo qualification communication",
    "PractitionerRole": "identifier active period practitioner organization code specialty location "
    "healthcareService telecom availableTime notAvailable availabilityExceptions endpoint",
    "Observation": "identifier basedOn partOf status category code subject focus encounter effective issued "
    "performer value dataAbsentReason interpretation note bodySite method specimen device referenceRange "
    "hasMember derivedFrom component",
    "QuestionnaireResponse": "identifier basedOn partOf questionnaire status subject encounter authored author "
    "source item",
    "EpisodeOfCare": "identifier status statusHistory type diagnosis patient managingOrganization period "
    "referralRequest careManager team account",
    "ServiceRequest": "identifier instantiatesCanonical instantiatesUri basedOn replaces requisition status intent "
    "category priority doNotPerform code orderDetail quantity subject encounter occurrence asNeeded authoredOn "
    "requester performerType performer locationCode locationReference reasonCode reasonReference insurance "
    "supportingInfo specimen bodySite note patientInstruction relevantHistory",
    "Task": "identifier instantiatesCanonical instantiatesUri basedOn groupIdentifier partOf status statusReason "
    "businessStatus intent priority code description focus for encounter executionPeriod authoredOn lastModified "
    "requester performerType owner location reasonCode reasonReference insurance note relevantHistory restriction "
    "input output",
    "Flag": "identifier status category code subject period encounter author",
    "DocumentReference": "masterIdentifier identifier status docStatus type category subject date author "
    "authenticator custodian relatesTo description securityLabel content context",
    "Condition": "identifier clinicalStatus verificationStatus category severity code bodySite subject encounter "
    "onset abatement recordedDate recorder asserter stage evidence note",
}
_EVERY = frozenset(_BASE.split())
_KNOWN = {kind: frozenset(names.split()) for kind, names in ELEMENTS.items()}
_CHOICES = {
    "Patient": ("deceased", "multipleBirth"),
    "Observation": ("effective", "value"),
    "ServiceRequest": ("quantity", "occurrence", "asNeeded"),
    "Condition": ("onset", "abatement"),
}


def without_unknown(resource: dict[str, Any]) -> dict[str, Any]:
    """The resource without the elements that R4 does not know at its top level."""
    kind = resource["resourceType"]
    if kind not in _KNOWN:
        return resource
    return {name: value for name, value in resource.items() if _is_known(kind, name.removeprefix("_"))}


def _is_known(kind: str, name: str) -> bool:
    if name in _EVERY or name in _KNOWN[kind]:
        return True
    return any(
        name.startswith(choice) and name[len(choice) :][:1].isupper() for choice in _CHOICES.get(kind, ())
    )
