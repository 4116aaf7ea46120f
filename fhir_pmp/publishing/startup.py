"""Prepares publishing at startup: checks the id secret and publishes the definitions."""

from datetime import datetime

from fhir_pmp.errors import NotAllowed
from fhir_pmp.fhir.definitions import build_definitions
from fhir_pmp.pathway.clinical_context import ClinicalContext
from fhir_pmp.publishing.publisher import PublishedResource, Publisher
from fhir_pmp.store.access.id_proof import IdProof
from fhir_pmp.store.database import Store

_PROOF_KEY = ("proof", ("of the id secret",))


class WrongIdSecret(NotAllowed):
    """The id secret is not the one this database's ids were computed with. The operator restores that one."""


def prepare_publishing(
    store: Store, publisher: Publisher, clinic: ClinicalContext, *, now: datetime
) -> list[PublishedResource]:
    """Checks the id secret, then publishes the definitions; safe to repeat. Call `store.check()` first.

    Raises WrongIdSecret, StoreBusy.
    """
    with store.begin() as uow:
        kind, key = _PROOF_KEY
        proof = uow.id_proofs.find()
        if proof is None:
            uow.id_proofs.keep(IdProof(clinic.ids.keyed.compute(kind, *key), kind, key))
        elif clinic.ids.keyed.compute(proof.kind, *proof.key) != proof.id:
            raise WrongIdSecret
        return publisher.publish(uow, build_definitions(clinic), now=now)
