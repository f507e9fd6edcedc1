"""What pages and endpoints do for a patient: find the dossier, draft a statement, pass on a signed one.

1. Whose dossier it is, is the session's account, never a parameter.
2. A statement is passed on only if it is the visitor's own (``drafting.check_own``), and answered once the index has
   it, so that what is shown afterwards is after it.
"""

import time

from belmont.identity.messages import ConsentGrant, ConsentRevocation
from belmont.identity.signed_message import SignedMessage
from belmont.registry.types import Address, DatasetId
from belmont.service.access.visitor import Visitor
from belmont.service.patient.desk import Dossier
from belmont.service.patient.drafting import Drafting, check_own
from belmont.service.patient.errors import NotAPatient
from belmont.service.service import Service

SEEN_WITHIN_SECONDS = 5.0


def dossier_of(service: Service, visitor: Visitor, dataset: str | None) -> Dossier:
    """The visitor's own (1). Raises NotAPatient, FilesUnusable."""
    if visitor.account is None:
        raise NotAPatient("Nobody is signed in.")
    wanted = DatasetId(bytes.fromhex(dataset[2:])) if dataset else None
    return service.desk.dossier(visitor.account, visitor.datasets_as_patient, wanted, service.snapshot)


def drafting_of(service: Service, dossier: Dossier) -> Drafting:
    """Drafts statements of the dossier's patient, by where the account stands on chain now."""
    registry, dataset_id = service.registry, dossier.dataset.id
    own = registry.consents.own(dataset_id, dossier.entry.account)
    return Drafting(dossier.entry.account, dataset_id, registry.relay.domain, own, service.snapshot.head.timestamp)


def pass_on(service: Service, visitor: Visitor, dossier: Dossier, signed: SignedMessage) -> int:
    """Have the chain take a statement; its sequence. Raises Malformed, StatementRefused, RegistryError."""
    account, dataset_id = Address(dossier.entry.account), dossier.dataset.id
    message = check_own(signed, account, dataset_id, service.registry.relay.domain).message
    service.relaying.submit(signed.to_json().encode(), visitor)
    sequence = message.sequence if isinstance(message, ConsentGrant | ConsentRevocation) else 0
    deadline = time.monotonic() + SEEN_WITHIN_SECONDS
    while not service.desk.chain.has_statement(dataset_id, account, sequence) and time.monotonic() < deadline:
        time.sleep(0.05)
    return sequence
