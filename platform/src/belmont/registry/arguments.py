"""Checks on arguments before anything is sent: types, lengths and sizes that the contracts' ABI can carry.

Whether a record makes sense is the contracts' business; this is only about what fits into one.
"""

from collections.abc import Sequence

from eth_utils.address import is_checksum_address

from belmont.registry.claims import TotalClaim
from belmont.registry.duo.conditions import Conditions
from belmont.registry.duo.intended_use import Declaration
from belmont.registry.errors import RegistryArgumentError
from belmont.registry.limits import (
    CID_MAX_BYTES,
    DATASETS_MAX,
    DID_MAX_BYTES,
    LAYOUT_MAX_BYTES,
    PART_COLUMNS_MAX,
    QUESTION_MAX_BYTES,
    TEXT_MAX_BYTES,
    TOTAL_CHUNKS_MAX,
    TOTAL_COLUMNS_MAX,
)
from belmont.registry.types import MemberProfile, PartStart, StudyTerms
from belmont.zk.curve import COMPRESSED_BYTES, WIDE_BYTES
from belmont.zk.layout import Layout
from belmont.zk.validity import ValidityProof


def check_hash(name: str, value: object) -> None:
    """``value`` is 32 raw bytes."""
    if not isinstance(value, bytes) or len(value) != 32:
        raise RegistryArgumentError(f"{name} must be 32 bytes; give the raw digest, not its hexadecimal text.")


def check_number(name: str, value: object, bits: int) -> None:
    """``value`` is a whole number that fits ``bits`` bits."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << bits:
        raise RegistryArgumentError(f"{name} must be a whole number from 0 to 2^{bits} - 1; it is {value!r}.")


def check_text(name: str, value: object, max_bytes: int = TEXT_MAX_BYTES) -> None:
    """``value`` is printable text of at most ``max_bytes`` bytes of UTF-8."""
    if not isinstance(value, str) or not value.isprintable() or len(value.encode()) > max_bytes:
        raise RegistryArgumentError(f"{name} must be printable text of at most {max_bytes} bytes; shorten it.")


def check_address(name: str, value: object) -> None:
    """``value`` is an EIP-55 checksummed address."""
    if not isinstance(value, str) or not is_checksum_address(value):
        raise RegistryArgumentError(f"{name} must be a checksummed address (0x and 40 digits); it is {value!r}.")


def check_bytes(name: str, value: object, most: int) -> None:
    """``value`` is at most ``most`` raw bytes."""
    if not isinstance(value, bytes) or len(value) > most:
        raise RegistryArgumentError(f"{name} must be at most {most} bytes.")


def check_cid(value: object) -> None:
    """``value`` is a binary CID of at most 64 bytes."""
    if not isinstance(value, bytes) or len(value) > CID_MAX_BYTES:
        raise RegistryArgumentError(f"cid must be at most {CID_MAX_BYTES} bytes; give the binary form, not its text.")


def check_datasets(name: str, value: object) -> None:
    """``value`` is a tuple of at most 16 dataset identifiers."""
    if not isinstance(value, tuple) or len(value) > DATASETS_MAX:
        raise RegistryArgumentError(f"{name} must be a tuple of at most {DATASETS_MAX} datasets; split the study.")
    for each in value:
        check_hash(f"every one of {name}", each)


def check_profile(profile: MemberProfile) -> None:
    """A profile that fits a member's record."""
    check_address("address", profile.address)
    check_text("name", profile.name)
    check_text("did", profile.did, DID_MAX_BYTES)
    check_number("roles", profile.roles, 8)
    check_hash("mask_key", profile.mask_key)
    check_hash("node_key_hash", profile.node_key_hash)


def check_terms(terms: StudyTerms) -> None:
    """Terms that fit a study's record."""
    check_text("title", terms.title)
    for name in ("protocol_hash", "code_hash", "config_hash"):
        check_hash(name, getattr(terms, name))
    check_datasets("datasets", terms.datasets)
    check_number("computations", terms.computations, 8)
    check_number("answer_mode", terms.answer_mode, 8)
    for name in ("purpose", "rho_per_dataset", "duration_seconds"):
        check_number(name, getattr(terms, name), 64)
    for name in ("rounds", "queries", "min_hospitals", "min_cohort"):
        check_number(name, getattr(terms, name), 32)
    if not isinstance(terms.intended_use, Declaration):
        raise RegistryArgumentError("intended_use must be a Declaration of belmont.registry.duo.")


def check_registration(
    name: str,
    duo_terms: int,
    dictionary_hash: bytes,
    sensitivity: int,
    categories: int,
    retention_until: int,
    rho_cap: int,
    conditions: Conditions | None,
) -> None:
    """What fits a dataset's record."""
    check_text("name", name)
    check_number("duo_terms", duo_terms, 64)
    check_hash("dictionary_hash", dictionary_hash)
    check_number("sensitivity", sensitivity, 8)
    check_number("categories", categories, 64)
    check_number("retention_until", retention_until, 64)
    check_number("rho_cap", rho_cap, 64)
    if conditions is not None and (not isinstance(conditions, Conditions) or conditions.terms != duo_terms):
        raise RegistryArgumentError("conditions must be Conditions of belmont.registry.duo, of just these duo_terms.")


def check_version(dataset_id: bytes, cid: bytes, rows: int, commitments_root: bytes, consent_root: bytes) -> None:
    """What fits a version's record."""
    check_hash("dataset_id", dataset_id)
    check_cid(cid)
    check_number("rows", rows, 64)
    check_hash("commitments_root", commitments_root)
    check_hash("consent_root", consent_root)


def check_layout(layout: Layout) -> None:
    """A layout whose columns a part of a proof can hold."""
    if layout.committed > PART_COLUMNS_MAX:
        raise RegistryArgumentError(
            f"The layout commits to {layout.committed} columns, and a part of a proof holds {PART_COLUMNS_MAX}; a "
            "column that may be missing takes two."
        )


def check_start(dataset_id: bytes, number: int, start: PartStart) -> None:
    """What fits the start of a part of a proof."""
    check_hash("dataset_id", dataset_id)
    check_number("number", number, 64)
    check_number("start.chunks", start.chunks, 64)
    check_number("start.rows", start.rows, 64)
    for each in start.column_hashes:
        check_hash("every one of start.column_hashes", each)
    if len(start.column_hashes) > PART_COLUMNS_MAX or len(start.previous) not in (0, WIDE_BYTES):
        raise RegistryArgumentError("start has too many column hashes, or a previous commitment that is no point.")


def check_part(dataset_id: bytes, number: int, text_hash: bytes, proof: ValidityProof, start: PartStart) -> None:
    """What fits one part of a version's proof."""
    check_start(dataset_id, number, start)
    check_hash("text_hash", text_hash)
    check_layout(proof.statement.layout)
    if len(proof.columns) > PART_COLUMNS_MAX:
        raise RegistryArgumentError(f"A part of a proof has at most {PART_COLUMNS_MAX} column chunks; prove in parts.")


def check_opening(permit_id: int, n: int, subject_hash: bytes, participants: tuple[bytes, ...]) -> None:
    """What fits the record of an opened round or query."""
    check_number("permit_id", permit_id, 64)
    check_number("n", n, 32)
    check_hash("the hash of the model or query", subject_hash)
    check_datasets("participants", participants)


def check_round(permit_id: int, n: int) -> None:
    """What names one round."""
    check_number("permit_id", permit_id, 64)
    check_number("n", n, 32)


def check_request(permit_id: int, kind: int, n: int, dataset_id: bytes) -> None:
    """What names one round or query at one data holder."""
    check_number("permit_id", permit_id, 64)
    check_number("kind", kind, 8)
    check_number("n", n, 32)
    check_hash("dataset_id", dataset_id)


def check_use(
    permit_id: int,
    kind: int,
    n: int,
    dataset_id: bytes,
    result_hash: bytes,
    rho: int,
    version: int,
    consent_root: bytes,
) -> None:
    """What fits the record of a use."""
    check_request(permit_id, kind, n, dataset_id)
    check_hash("result_hash", result_hash)
    check_number("rho", rho, 64)
    check_number("version", version, 64)
    check_hash("consent_root", consent_root)


def check_release(permit_id: int, model_hash: bytes) -> None:
    """What names one model under one permit."""
    check_number("permit_id", permit_id, 64)
    check_hash("model_hash", model_hash)


def check_announcement(
    permit_id: int, model_hash: bytes, evaluated_round: int, card_hash: bytes, evidence_hash: bytes
) -> None:
    """What fits the record of a release."""
    check_release(permit_id, model_hash)
    check_number("evaluated_round", evaluated_round, 32)
    check_hash("card_hash", card_hash)
    check_hash("evidence_hash", evidence_hash)


def check_claim(claim: TotalClaim) -> None:
    """What fits a total as it is published."""
    check_opening(claim.permit_id, claim.n, claim.question.context_hash, claim.participants)
    check_hash("question.text_hash", claim.question.text_hash)
    check_number("column", claim.column, 256)
    check_number("total", claim.total, 256)
    check_bytes("question.text", claim.question.text, QUESTION_MAX_BYTES)
    check_bytes("question.layout", claim.question.layout, LAYOUT_MAX_BYTES)
    check_bytes("opening", claim.opening, COMPRESSED_BYTES)
    if len(claim.parts) > DATASETS_MAX:
        raise RegistryArgumentError(f"A total has at most {DATASETS_MAX} parts, one for each hospital.")
    for part in claim.parts:
        check_number("every part's version", part.version, 64)
        check_bytes("every part's commitments", part.commitments, WIDE_BYTES * TOTAL_CHUNKS_MAX)
        if len(part.column_hashes) > TOTAL_COLUMNS_MAX:
            raise RegistryArgumentError(f"A version has at most {TOTAL_COLUMNS_MAX} committed columns.")
        for each in part.column_hashes:
            check_hash("every column hash", each)


def check_founders(founders: Sequence[MemberProfile], most: int) -> None:
    """Founders that fit the constructor of ``Members``."""
    if len(founders) > most:
        raise RegistryArgumentError(f"At most {most} founders; admit the others by vote afterwards.")
    for profile in founders:
        check_profile(profile)
