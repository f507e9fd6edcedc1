"""Records as the registry gives them, for tests that put them into words."""

from dataclasses import replace
from typing import Any

from eth_utils.address import to_checksum_address

from belmont.ehr.dictionary import Dictionary
from belmont.lab import LogisticRegression
from belmont.registry.duo import Term
from belmont.registry.types import (
    Address,
    AnswerMode,
    Computation,
    Dataset,
    DatasetId,
    DatasetStatus,
    DatasetVersion,
    Member,
    MemberStatus,
    MicroRho,
    Permit,
    PermitId,
    PermitStatus,
    RecordedUse,
    Role,
    Study,
    StudyId,
    StudyStatus,
    StudyTerms,
    UseKind,
    VersionStatus,
)

NOW = 1_770_033_600
DAY = 86_400
USER = Address(to_checksum_address("0x" + "aa" * 20))
HOLDERS = tuple(Address("0x" + f"{k}{k}" * 20) for k in (1, 2, 3, 4))
IDS = tuple(DatasetId(bytes([k]) * 32) for k in (1, 2, 3, 4))
DICTIONARY = Dictionary.builtin()
MODEL = LogisticRegression(features=("age", "hba1c", "smoking=current"), outcome="cvd_event")


def member(address: Address, name: str, roles: Role, status: MemberStatus = MemberStatus.ACTIVE) -> Member:
    return Member(address, name, f"did:ethr:0x7a69:{address}", bytes(32), bytes(32), roles, status)


MEMBERS = {
    USER: member(USER, "Dr Chen", Role.DATA_USER),
    **{a: member(a, f"Hospital {k}", Role.DATA_HOLDER) for k, a in enumerate(HOLDERS, start=1)},
}


def dataset(k: int, **changed: Any) -> Dataset:
    """The k-th hospital's, k from 0."""
    found = Dataset(
        IDS[k], HOLDERS[k], f"Diabetes {k + 1}", int(Term.HMB), DICTIONARY.hash, 1, 0b111, NOW + 400 * DAY,
        MicroRho(1_000_000), MicroRho(0), b"\7" * 32, DatasetStatus.ACTIVE, 1,
    )  # fmt: skip
    return replace(found, **changed)


def version(k: int, **changed: Any) -> DatasetVersion:
    found = DatasetVersion(IDS[k], 1, b"\1", 1000 + k, b"\2" * 32, b"\7" * 32, VersionStatus.PROVEN, NOW - 9 * DAY)
    return replace(found, **changed)


DATASETS = {IDS[k]: dataset(k) for k in range(4)}
VERSIONS = {IDS[k]: (version(k),) for k in range(4)}


def terms(model: Any = MODEL, **changed: Any) -> StudyTerms:
    found = StudyTerms(
        "Five-year risk", b"\3" * 32, 1 << 40, model.code_hash, model.config_hash, IDS[:3],
        Computation.TRAINING | Computation.QUERY, 12, 2, MicroRho(0), 3, 20, AnswerMode.EXACT, 30 * DAY,
    )  # fmt: skip
    return replace(found, **changed)


def study(of: StudyTerms | None = None, **changed: Any) -> Study:
    found = Study(StudyId(3), USER, of or terms(), StudyStatus.PROPOSED, 1, 0, 2, (), NOW - DAY)
    return replace(found, **changed)


def permit(of: StudyTerms | None = None, **changed: Any) -> Permit:
    found = Permit(PermitId(3), USER, of or terms(), PermitStatus.ACTIVE, NOW - 2 * DAY, NOW + 28 * DAY, 0, 4, 1, ())
    return replace(found, **changed)


def use(k: int, kind: UseKind = UseKind.ROUND, n: int = 1, **changed: Any) -> RecordedUse:
    found = RecordedUse(
        PermitId(3), kind, n, IDS[k], HOLDERS[k], bytes([k + 1]) * 32, MicroRho(0), 10 + k, NOW + k, 1, b"\7" * 32
    )
    return replace(found, **changed)
