"""What actually left each hospital: round by round and answer by answer, from what the hospitals recorded on chain.

1. A record stands on chain before its result leaves: what has none did not leave. Whether what was recorded
   arrived, the chain does not know.
2. How many numbers leave, and whether masks hide them, follows from the approved configuration, or from the question;
   without either it is not known, and None.
3. What somebody asked is on chain as a hash, and as text only where a total was published.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from belmont.ehr.dictionary import Dictionary
from belmont.federated.errors import QueryError
from belmont.federated.hashes import RunConfig
from belmont.federated.query.question import Aggregate, Query
from belmont.registry.types import (
    DatasetId,
    DatasetVersion,
    OpenedUse,
    Permit,
    PublishedTotal,
    RecordedUse,
    UseKind,
)
from belmont.service.explain import privacy
from belmont.service.explain.naming import Names
from belmont.service.explain.protecting import Protection
from belmont.service.explain.questions import asked, labelled
from belmont.service.explain.questions import question as question_of
from belmont.service.words import Hash, Moment, Plain, Sentence, Thing, Value, counted
from belmont.zk.layout import Layout


@dataclass(frozen=True)
class Departure:
    """What one hospital recorded: as numbers, and ``said`` in words."""

    dataset: Thing
    holder: Value
    result_hash: bytes
    version: int
    rows: int | None
    """Patients in that version; those without a consent were left out of training."""
    numbers: int | None
    """How many numbers left (2)."""
    is_masked: bool | None
    """Whether what left can be read only in the sum with other hospitals' (2)."""
    rho: int
    epsilon: float
    cost: privacy.Spending | None
    """Its part of the permit's privacy budget for the dataset, where it cost any."""
    at: int
    block: int
    left: Sentence
    """What left, as far as it is known (2)."""
    said: tuple[Sentence, ...]


@dataclass(frozen=True)
class Left:
    """One round or query."""

    title: Sentence
    opened: Sentence
    departures: tuple[Departure, ...]
    absent: tuple[Thing, ...]
    """Covered datasets with no record in it."""
    summary: Sentence
    totals: tuple[Sentence, ...] = ()
    """Totals that were published, with what they answer (3)."""


def of_round(
    permit: Permit,
    opened: OpenedUse,
    uses: Sequence[RecordedUse],
    known: Names,
    *,
    config: RunConfig | None = None,
    versions: Mapping[DatasetId, Sequence[DatasetVersion]] | None = None,
) -> Left:
    """What left in one round of training or evaluation. ``uses`` may hold those of other rounds and permits."""
    protection = Protection(permit.terms, config)
    approved = protection.approved
    secure = None if approved is None else approved.secure
    numbers = None if secure is None else secure.layout.size
    evaluation = None if approved is None else approved.evaluation
    if evaluation is not None and secure is not None and evaluation.layout.size != secure.layout.size:
        numbers = None  # the record does not say of which kind the round was
    is_masked = None if approved is None else secure is not None
    mine = _of(uses, permit, UseKind.ROUND, opened.n)
    allowed = permit.terms.rho_per_dataset
    left = tuple(_departure(each, known, versions or {}, numbers, is_masked, allowed) for each in mine)
    return Left(
        Sentence("Round {number}", number=Plain(opened.n)),
        _opened(opened, permit, known),
        left,
        _absent(permit, mine, known),
        _round_summary(len(left), opened.closed, is_masked, protection.threshold),
    )


def of_query(
    permit: Permit,
    opened: OpenedUse,
    uses: Sequence[RecordedUse],
    known: Names,
    *,
    totals: Sequence[PublishedTotal] = (),
    question: bytes | None = None,
    dictionary: Dictionary | None = None,
    versions: Mapping[DatasetId, Sequence[DatasetVersion]] | None = None,
) -> Left:
    """What left for one query. ``question`` is its canonical text, where somebody handed it over (3)."""
    mine = _of(uses, permit, UseKind.QUERY, opened.n)
    published = [each for each in totals if (each.permit_id, each.n) == (permit.id, opened.n)]
    text = question or next((each.question for each in published), None)
    query = _query(text)
    numbers = _cells(query, dictionary)
    allowed = permit.terms.rho_per_dataset
    left = tuple(_departure(each, known, versions or {}, numbers, True, allowed) for each in mine)
    title = Sentence("Query {number}", number=Plain(opened.n))
    if query is not None:
        title = Sentence("Query {number}: {question}", number=Plain(opened.n), question=asked(query, dictionary))
    return Left(
        title,
        _opened(opened, permit, known),
        left,
        _absent(permit, mine, known),
        _query_summary(len(left), len(permit.covered)),
        tuple(_total(each, dictionary) for each in published),
    )


def _of(uses: Sequence[RecordedUse], permit: Permit, kind: UseKind, n: int) -> list[RecordedUse]:
    return [each for each in uses if (each.permit_id, each.kind, each.n) == (permit.id, kind, n)]


def _opened(opened: OpenedUse, permit: Permit, known: Names) -> Sentence:
    said: dict[str, Value] = {
        "who": known.account(permit.data_user),
        "at": Moment(opened.opened_at),
        "hash": Hash(opened.subject_hash),
    }
    if opened.kind is UseKind.ROUND:
        return Sentence("{who} opened it on {at}, with the model {hash}.", **said)
    return Sentence("{who} opened it on {at}; the query's hash is {hash}.", **said)


def _absent(permit: Permit, mine: Sequence[RecordedUse], known: Names) -> tuple[Thing, ...]:
    recorded = {each.dataset_id for each in mine}
    return tuple(known.dataset(each) for each in permit.covered if each not in recorded)


def _departure(
    use: RecordedUse,
    known: Names,
    versions: Mapping[DatasetId, Sequence[DatasetVersion]],
    numbers: int | None,
    is_masked: bool | None,
    allowed: int,
) -> Departure:
    rows = next((each.rows for each in versions.get(use.dataset_id, ()) if each.number == use.version), None)
    where: dict[str, Value] = {
        "dataset": known.dataset(use.dataset_id),
        "version": Plain(use.version),
        "at": Moment(use.timestamp),
        "hash": Hash(use.result_hash),
    }
    computed = Sentence("Computed on version {version} of {dataset}, recorded on {at}.", **where)
    if rows is not None:
        computed = counted(
            "Computed on version {version} of {dataset}, which holds {n} patient, recorded on {at}.",
            "Computed on version {version} of {dataset}, which holds {n} patients, recorded on {at}.",
            rows,
            **where,
        )
    left = _what(numbers, is_masked, where["hash"])
    said = [computed, left]
    if use.rho:
        said.append(Sentence("Its cost in the dataset's privacy budget: {amount}.", amount=privacy.guarantee(use.rho)))
    return Departure(
        known.dataset(use.dataset_id),
        known.account(use.holder),
        use.result_hash,
        use.version,
        rows,
        numbers,
        is_masked,
        use.rho,
        privacy.epsilon(use.rho),
        privacy.Spending(use.rho, allowed) if use.rho else None,
        use.timestamp,
        use.block,
        left,
        tuple(said),
    )


def _what(numbers: int | None, is_masked: bool | None, hashed: Value) -> Sentence:
    """What left, as far as it is known (2)."""
    if is_masked and numbers is not None:
        return counted(
            "{n} number left, masked; what left has the hash {hash}.",
            "{n} numbers left, masked; what left has the hash {hash}.",
            numbers,
            hash=hashed,
        )
    if is_masked:
        return Sentence("Masked numbers left; what left has the hash {hash}.", hash=hashed)
    if is_masked is None:
        return Sentence(
            "What left has the hash {hash}. Whether it was masked is in the configuration, which is not here.",
            hash=hashed,
        )
    return Sentence(
        "The hospital's own update left readable for the coordinator and the applicant; it has the hash {hash}.",
        hash=hashed,
    )


def _round_summary(hospitals: int, is_closed: bool, is_masked: bool | None, threshold: int) -> Sentence:
    if hospitals == 0:
        return Sentence("Nothing has left any hospital so far.")
    if is_masked and hospitals < threshold:
        return counted(
            "{n} hospital recorded masked numbers; a sum needs {threshold}, so nothing can be read so far.",
            "{n} hospitals recorded masked numbers; a sum needs {threshold}, so nothing can be read so far.",
            hospitals,
            threshold=threshold,
        )
    if is_masked:
        return counted(
            "{n} hospital recorded masked numbers; only their sum can be read.",
            "{n} hospitals recorded masked numbers; only their sum can be read.",
            hospitals,
        )
    if is_closed:
        return counted(
            "{n} hospital recorded a result, and the round is closed.",
            "{n} hospitals recorded a result, and the round is closed.",
            hospitals,
        )
    return counted("{n} hospital recorded a result so far.", "{n} hospitals recorded a result so far.", hospitals)


def _query_summary(hospitals: int, covered: int) -> Sentence:
    if hospitals == 0:
        return Sentence("Nothing has left any hospital so far.")
    if hospitals < covered:
        return counted(
            "{n} of {covered} hospitals recorded an answer; all are needed before anything can be read.",
            "{n} of {covered} hospitals recorded an answer; all are needed before anything can be read.",
            hospitals,
            covered=covered,
        )
    return counted(
        "{n} hospital answered; only the total over all can be read.",
        "{n} hospitals answered; only the total over all can be read.",
        hospitals,
    )


def _query(text: bytes | None) -> Query | None:
    try:
        return None if text is None else Query.from_canonical(text)
    except QueryError:
        return None


def _cells(query: Query | None, dictionary: Dictionary | None) -> int | None:
    """How many numbers an answer is (2)."""
    if query is None:
        return None
    width = next((each.width for each in dictionary or () if each.name == query.column), None)
    if query.aggregate is Aggregate.HISTOGRAM and width is None:
        return None
    try:
        return query.cells(width or 0)
    except QueryError:
        return None


def _total(total: PublishedTotal, dictionary: Dictionary | None) -> Sentence:
    what = question_of(total.question, dictionary)
    if total.column == 0:
        return counted(
            "Checked by the contract ({question}): {n} patient.",
            "Checked by the contract ({question}): {n} patients.",
            total.total,
            question=what,
        )
    named = _committed(total.column, dictionary)
    if named is None:
        return counted(
            "Checked by the contract ({question}): the committed column {column} adds up to {total}, over {n} patient.",
            "Checked by the contract ({question}): the committed column {column} adds up to {total}, over "
            "{n} patients.",
            total.rows,
            question=what,
            column=Plain(total.column),
            total=total.total,
        )
    name, is_observed = named
    if is_observed:
        return counted(
            "Checked by the contract ({question}): {n} patient with a value of {column}.",
            "Checked by the contract ({question}): {n} patients with a value of {column}.",
            total.total,
            question=what,
            column=name,
        )
    return counted(
        "Checked by the contract ({question}): the codes of {column} add up to {total}, over {n} patient.",
        "Checked by the contract ({question}): the codes of {column} add up to {total}, over {n} patients.",
        total.rows,
        question=what,
        column=name,
        total=total.total,
    )


def _committed(place: int, dictionary: Dictionary | None) -> tuple[Value, bool] | None:
    """The label of a committed column, and whether it says where there is a value; None where that is not known."""
    if dictionary is None:
        return None
    for column, where in zip(dictionary, Layout.from_bytes(dictionary.layout).places, strict=True):
        if place in (where.value, where.observed):
            return labelled(column.name, dictionary), place == where.observed
    return None
