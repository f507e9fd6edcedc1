"""Checks on arguments before anything is sent: what fits into the records of ``Consents``."""

from belmont.registry.arguments import check_address, check_hash, check_number
from belmont.registry.consents.scope import Scope
from belmont.registry.consents.tree import LEAVES_MAX, Absence, Batch, Leaf, Membership, height
from belmont.registry.errors import RegistryArgumentError
from belmont.registry.limits import RECIPIENTS_MAX


def check_batch(dataset_id: bytes, batch: Batch) -> None:
    check_hash("dataset_id", dataset_id)
    check_hash("batch.root", batch.root)
    check_number("batch.count", batch.count, 64)


def check_leaf(leaf: Leaf) -> None:
    check_number("leaf.place", leaf.place, 64)
    if len(leaf.path) > height(LEAVES_MAX):
        raise RegistryArgumentError(f"A path has at most {height(LEAVES_MAX)} hashes.")
    for each in (leaf.key, leaf.scope_hash, *leaf.path):
        check_hash("every hash of a leaf", each)


def check_absence(key: bytes, shown: Absence) -> None:
    check_hash("key", key)
    if len(shown.neighbours) > 2:
        raise RegistryArgumentError("A key has at most two neighbours.")
    for leaf in shown.neighbours:
        check_leaf(leaf)


def check_enrolment(dataset_id: bytes, account: str, shown: Membership) -> None:
    check_hash("dataset_id", dataset_id)
    check_address("account", account)
    check_leaf(shown.leaf)


def check_grant(dataset_id: bytes, scope: Scope, sequence: int) -> None:
    check_revocation(dataset_id, sequence)
    for name in ("purposes", "categories", "valid_from", "valid_until"):
        check_number(name, getattr(scope, name), 64)
    if len(scope.recipients) > RECIPIENTS_MAX:
        raise RegistryArgumentError(f"A consent names at most {RECIPIENTS_MAX} recipients; none stands for any member.")
    for recipient in scope.recipients:
        check_address("every one of recipients", recipient)


def check_revocation(dataset_id: bytes, sequence: int) -> None:
    check_hash("dataset_id", dataset_id)
    check_number("sequence", sequence, 64)
