"""What anybody can check of one hospital's answer, without a secret: the researcher does, and the ethics board again.

1. What the hospital recorded on chain for this query is the hash of exactly this answer.
2. It is signed by the account that holds the dataset.
3. The version it names was the dataset's newest when the hospital recorded it (the contract charges a use only while
   the newest version is built at the current consent root).
4. Its commitments are those of that version: under its root, or shown by the source's own proof. The layout that they
   are read with belongs to the dictionary that the dataset was registered under.
5. It has one masked opening for each cell.
"""

from dataclasses import dataclass

from belmont.federated.errors import AnswerRejected, FederatedError, QueryError
from belmont.federated.query.case import Case, Place
from belmont.federated.query.columns import Columns
from belmont.federated.query.evidence import Asked, check_cells, why_unproven
from belmont.registry.protocol import Registry
from belmont.registry.types import (
    ZERO_HASH,
    Dataset,
    DatasetId,
    DatasetVersion,
    RecordedUse,
    UseKind,
    VersionStatus,
)
from belmont.zk.curve import G1
from belmont.zk.totals import ProvenCells


@dataclass(frozen=True)
class CheckedAnswer:
    """An answer whose signature and commitments hold; both lists are empty where it is not over commitments."""

    dataset: Dataset
    version: DatasetVersion
    cells: ProvenCells | None
    masked: tuple[G1, ...]


def recorded_uses(registry: Registry, case: Case) -> dict[DatasetId, RecordedUse]:
    """What each hospital recorded for the case's query."""
    return {
        use.dataset_id: use for use in registry.uses(case.permit_id) if (use.kind, use.n) == (UseKind.QUERY, case.n)
    }


def check_answer(
    registry: Registry, case: Case, position: int, use: RecordedUse, columns: Columns | None
) -> CheckedAnswer:
    """Check one answer. Raises AnswerRejected naming hospital and place, FederatedError for 1 and for another layout.

    Without ``columns``, or for a query that nothing can prove, 4 and 5 are left out.
    """
    dataset_id, answer, query = case.participants[position], case.answers[position], case.query
    dataset = registry.dataset(dataset_id)
    if dataset is None:
        raise FederatedError("a participant is not on chain")

    def rejected(place: Place, why: str) -> AnswerRejected:
        return AnswerRejected(dataset_id, dataset.name, place, why)

    if use.result_hash != answer.hash:  # 1
        raise FederatedError(
            f"what came from {dataset.name} is not what it recorded on chain: it was changed on its way"
        )
    if answer.signer(case.context, dataset_id) != dataset.holder:  # 2
        raise rejected(Place.SIGNATURE, "the answer is not signed by the hospital for this query")
    if any(answer.seed_hashes[position]):
        raise rejected(Place.MASK, "it signed a seed with itself")
    version = registry.version(dataset_id, answer.version)
    following = registry.version(dataset_id, answer.version + 1)
    if (
        version is None
        or version.registered_at > use.timestamp
        or (following is not None and following.registered_at < use.timestamp)
    ):  # 3
        raise rejected(Place.COMMITMENTS, f"version {answer.version} was not its newest one")
    if columns is None or why_unproven(query) or not answer.evidence:
        return CheckedAnswer(dataset, version, None, ())
    columns.check_dictionary(dataset.dictionary_hash)
    asked = Asked(
        case.consortium,
        case.permit_id,
        case.n,
        query,
        case.context.query_hash,
        dataset_id,
        version,
    )
    try:
        cells = check_cells(answer.evidence, asked, columns)  # 4
    except QueryError as error:
        raise rejected(Place.COMMITMENTS, str(error)) from error
    try:
        masked = tuple(answer.masked_openings(len(cells.commitments)))  # 5
    except QueryError as error:
        raise rejected(Place.OPENING, str(error)) from error
    return CheckedAnswer(dataset, version, cells, masked)


def why_not_proved(case: Case, answers: list[CheckedAnswer], columns: Columns | None) -> str:
    """Why a total over these answers is not proved, in words; empty if it is once its openings hold."""
    unproven = why_unproven(case.query)
    if unproven:
        return unproven
    if columns is None:
        return "no layout of the dictionary was given to check commitments with"
    for each in answers:
        if each.version.status is not VersionStatus.PROVEN:
            return f"version {each.version.number} of {each.dataset.name} is not proven on chain"
    return ""


NO_EVIDENCE = "the answer comes without the openings of its commitments"


def without_evidence(case: Case, answers: list[CheckedAnswer], columns: Columns | None) -> list[int]:
    """Positions of hospitals that left out the proof that the query and their version have."""
    if columns is None or why_unproven(case.query):
        return []
    return [
        position
        for position, each in enumerate(answers)
        if each.cells is None and each.version.commitments_root != ZERO_HASH
    ]
