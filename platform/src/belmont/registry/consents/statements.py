"""Patients' own statements, the keys that stand for patients, and the consent root (docs/consents.md, "Root")."""

import hashlib
import hmac
from dataclasses import dataclass

from eth_utils.address import to_canonical_address

from belmont.registry.consents.errors import AttestationRefused
from belmont.registry.consents.scope import NO_SCOPE, Scope
from belmont.registry.consents.tree import EMPTY_BATCH
from belmont.registry.types import ZERO_HASH, Address, AuditEvent, DatasetId

NO_STATEMENTS = ZERO_HASH
"""The chain of statements before the first."""
SECRET_BYTES_MIN = 32


def patient_key(secret: bytes, patient_number: str) -> bytes:
    """What stands for a patient in a hospital's batches: only who has the hospital's secret can tell whom.

    Raises AttestationRefused for a secret of fewer than 32 bytes.
    """
    if len(secret) < SECRET_BYTES_MIN:
        raise AttestationRefused(f"The hospital's secret needs at least {SECRET_BYTES_MIN} bytes; draw it at random.")
    return hmac.digest(secret, patient_number.encode(), "sha256")


def account_key(account: Address) -> bytes:
    """What stands in a hospital's batches for a patient that has a key of its own."""
    return hashlib.sha256(b"belmont/consent/account/1" + to_canonical_address(account)).digest()


@dataclass(frozen=True)
class Statement:
    """One grant or revocation, as the chain took it."""

    number: int
    """Among all statements about the dataset, from 1."""
    dataset_id: DatasetId
    account: Address
    sequence: int
    """Among this account's statements about the dataset, from 1."""
    scope: Scope | None
    """None revokes."""
    block: int

    @property
    def scope_hash(self) -> bytes:
        return NO_SCOPE if self.scope is None else self.scope.hash


@dataclass(frozen=True)
class OwnConsent:
    """Where an account stands with a dataset."""

    enrolled_at: int
    sequence: int
    """Of its newest statement; 0 where it has made none, so that the batch decides."""
    scope_hash: bytes
    stated_at: int


def chained(own: bytes, account: Address, sequence: int, scope_hash: bytes) -> bytes:
    """The chain of statements after one more."""
    return hashlib.sha256(own + to_canonical_address(account) + sequence.to_bytes(8) + scope_hash).digest()


def consent_root(batch_root: bytes, own: bytes) -> bytes:
    return hashlib.sha256(b"\x03" + batch_root + own).digest()


@dataclass(frozen=True)
class ConsentState:
    """Where a dataset's consents stand on the chain; by default before its first batch."""

    root: bytes = consent_root(EMPTY_BATCH.root, NO_STATEMENTS)
    batch_root: bytes = EMPTY_BATCH.root
    batch_count: int = 0
    batches: int = 0
    own: bytes = NO_STATEMENTS
    statements: int = 0


def statement_of(event: AuditEvent) -> Statement:
    """What ``ConsentGranted`` or ``ConsentRevoked`` says."""
    found = event.details
    scope = None
    if event.name == "ConsentGranted":
        period = found["valid_from"], found["valid_until"]
        scope = Scope(found["purposes"], found["categories"], *period, tuple(found["recipients"]))
    return Statement(found["number"], DatasetId(found["dataset"]), event.actor, found["sequence"], scope, event.block)
