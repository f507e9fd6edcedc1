"""A hospital's attestation of a patient's consent, or that it attests none: a path to the batch that a bundle proves.

The path is a file that the hospital gives to the patient (``belmont.registry.consents.tree``); the batch's root is a
proven value of the contract Consents, ``_batches[dataset]``. So the patient needs no network and no trust in the
hospital to see what the hospital tells the consortium.
"""

from dataclasses import dataclass

from belmont.light.errors import BundleMalformed, NotThere, ProofRefused
from belmont.light.verify import ProvenValue, Verified
from belmont.registry.consents.errors import PathMalformed
from belmont.registry.consents.tree import Absence, Membership


@dataclass(frozen=True)
class Attested:
    """``scope_hash`` is what the hospital attests for the key; None where it provably attests nothing."""

    batch: ProvenValue
    key: bytes
    scope_hash: bytes | None

    def words(self) -> str:
        where = f"the hospital's batch {self.batch.value['number']} as of block {self.batch.block}"
        if self.scope_hash is None:
            return f"In {where}, 0x{self.key.hex()} has no consent"
        return f"In {where}, 0x{self.key.hex()} consents to the scope 0x{self.scope_hash.hex()}"


def batch_in(verified: Verified) -> ProvenValue:
    """The one batch that a verified bundle proves. Raises ``NotThere``."""
    found = [
        each
        for each in verified.findings
        if isinstance(each, ProvenValue) and each.contract == "Consents" and each.path.startswith("_batches[")
    ]
    if len(found) != 1 or not isinstance(found[0].value, dict):
        raise NotThere(f"the bundle proves {len(found)} batches of consents: fetch one with --consent DATASET")
    return found[0]


def attested(verified: Verified, path: bytes) -> Attested:
    """That the batch holds the leaf of this path. Raises ``ProofRefused``, ``BundleMalformed``."""
    batch = batch_in(verified)
    try:
        shown = Membership.from_bytes(path)
    except PathMalformed as error:
        raise BundleMalformed(f"the path cannot be read: {error}") from error
    if not shown.holds(batch.value["root"]):
        raise ProofRefused(
            "V5", "the path does not lead to the hospital's batch: ask for one to the batch at that block"
        )
    return Attested(batch, shown.leaf.key, shown.leaf.scope_hash)


def not_attested(verified: Verified, key: bytes, path: bytes) -> Attested:
    """That the batch holds no leaf of this key. Raises ``ProofRefused``, ``BundleMalformed``."""
    batch = batch_in(verified)
    try:
        shown = Absence.from_bytes(path)
    except PathMalformed as error:
        raise BundleMalformed(f"the path cannot be read: {error}") from error
    if not shown.holds(batch.value["root"], key):
        raise ProofRefused(
            "V5", "the path does not show that the key is absent from the hospital's batch at that block"
        )
    return Attested(batch, key, None)
