"""Who lied, when a total is refuted: what the ethics board computes from the case and the hospitals' disclosures.

Every answer is fixed by what its hospital signed and recorded on chain, and every part of it follows from the
disclosure. So the board computes each answer again. In this order, for each hospital:

1. signature and commitments, which need no disclosure (`belmont.federated.query.checks`);
2. a hospital that discloses nothing, or what cannot be read, is named;
3. the seeds it discloses are those whose hashes it signed;
4. its totals with their unmasked openings hold for its commitments;
5. X is that opening, masked with those seeds;
6. the ciphertext is that of those totals, masked with those seeds, under that encryption randomness.

7. Where the two ends of a pair signed different hashes, each first proves that it knows its key on chain, and whoever
   does not is named; then each proves to the board what their two keys give (`pair_proof`), which a hospital does only
   against the other's first proof. Whoever cannot, or signed another seed than that, is named. Over a key on chain that
   no proof could be made for (X25519 takes keys of the curve's twist), its owner alone is: no honest node answers a
   query with one.

A hospital that did what the protocol says passes 1 to 7 whatever the others do, so it is never named. If nobody is
named, the answers add up to the disclosed totals, and whoever claims another total lies. Opening pi alone finds nobody:
a hospital may open honestly what it did not encrypt.

A disclosure shows its hospital's totals to the board, and to nobody else as long as the board keeps them.
"""

import html
from collections.abc import Mapping
from dataclasses import dataclass

from belmont.federated.errors import AnswerRejected, QueryError
from belmont.federated.query.bfv import canonical, encrypt, open_public_context
from belmont.federated.query.case import Case, Place
from belmont.federated.query.checks import NO_EVIDENCE, CheckedAnswer, check_answer, recorded_uses, without_evidence
from belmont.federated.query.columns import Columns
from belmont.federated.query.disclosure import Disclosure, masked_cells, masked_openings
from belmont.federated.query.masks import HASH_LABEL, NO_SEEDS, SEED_BYTES, seeds_hash, seeds_of_shared
from belmont.federated.query.pair_proof import PairProof, check_key, check_knowledge, check_pair
from belmont.registry.protocol import Registry
from belmont.registry.types import DatasetId, UseKind
from belmont.zk.totals import total_holds


@dataclass(frozen=True)
class Finding:
    """One hospital, and where its answer is not what it has to be."""

    dataset_id: DatasetId
    name: str
    place: Place
    why: str


@dataclass(frozen=True)
class Verdict:
    """What the board found. ``disputes`` are pairs that have to prove their shared secret before anybody is named."""

    findings: tuple[Finding, ...]
    disputes: tuple[tuple[DatasetId, DatasetId], ...]
    total: tuple[int, ...] | None
    """The true total, where every hospital's part was shown."""

    @property
    def liars(self) -> frozenset[DatasetId]:
        """Every hospital named."""
        return frozenset(finding.dataset_id for finding in self.findings)

    def __repr__(self) -> str:
        named = "; ".join(f"{each.name}: {each.place}: {each.why}" for each in self.findings) or "nobody is named"
        return f"Verdict({named}{'; pairs in dispute' if self.disputes else ''})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(each.name)}</td><td>{each.place}</td><td>{html.escape(each.why)}</td></tr>"
            for each in self.findings
        )
        return f"<table><tr><th>hospital</th><th>where</th><th>what</th></tr>{rows}</table>" if rows else repr(self)


def investigate(
    case: Case,
    registry: Registry,
    columns: Columns | None,
    disclosures: Mapping[DatasetId, Disclosure | None],
    pair_proofs: Mapping[tuple[DatasetId, DatasetId], PairProof] | None = None,
    key_proofs: Mapping[DatasetId, bytes] | None = None,
) -> Verdict:
    """Find who lied. Raises QueryError if the case is not what the chain has: then the case itself is false.

    ``pair_proofs`` maps (prover, peer) to a proof, ``key_proofs`` each end of a pair to the proof of its key; None says
    that nobody was asked yet, and pairs that need them come back as ``disputes``.
    """
    _check_case(case, registry)
    uses = recorded_uses(registry, case)
    findings: list[Finding] = []
    answers: list[CheckedAnswer] = []
    totals: list[tuple[int, ...]] = []
    settled: set[tuple[int, int]] = set()
    for position, dataset_id in enumerate(case.participants):
        dataset = registry.dataset(dataset_id)
        name = dataset_id.hex()[:12] if dataset is None else dataset.name
        found: list[tuple[Place, str]] = []
        checked: CheckedAnswer | None = None
        try:
            checked = check_answer(registry, case, position, uses[dataset_id], columns)  # 1
            answers.append(checked)
        except AnswerRejected as error:
            found.append((error.place, str(error)))
        disclosure = disclosures.get(dataset_id)
        if disclosure is None:  # 2
            found.append((Place.DISCLOSURE, "it disclosed nothing"))
        else:
            for other in _seeds_not_signed(case, position, disclosure):  # 3
                settled.add((min(position, other), max(position, other)))
                found.append((Place.MASK, f"its seed with participant {other} is not the one it signed"))
            found += _recomputed(case, position, disclosure, checked)
            totals.append(disclosure.totals)
        findings += [Finding(dataset_id, name, place, why) for place, why in found]
    if len(answers) == len(case.participants):
        for position in without_evidence(case, answers, columns):
            dataset = answers[position].dataset
            findings.append(Finding(dataset.id, dataset.name, Place.OPENING, NO_EVIDENCE))
    disputes = []
    for pair in case.disputed_pairs():  # 7
        if pair in settled:
            continue
        if pair_proofs is None:
            disputes.append((case.participants[pair[0]], case.participants[pair[1]]))
        else:
            findings += _of_pair(case, registry, pair, pair_proofs, key_proofs or {})
    whole = len(totals) == len(case.participants) and len({len(each) for each in totals}) == 1 and not findings
    total = tuple(sum(column) for column in zip(*totals, strict=True)) if whole else None
    return Verdict(tuple(findings), tuple(disputes), total)


def _check_case(case: Case, registry: Registry) -> None:
    """Question, key, participants and every answer are those that the chain has."""
    case.check_shape()
    opened = registry.opened(case.permit_id, UseKind.QUERY, case.n)
    if case.consortium != registry.identity or opened is None or opened.subject_hash != case.context.query_hash:
        raise QueryError("this is not the query that was opened on chain")
    uses = recorded_uses(registry, case)
    for dataset_id, answer in zip(case.participants, case.answers, strict=True):
        if dataset_id not in uses or uses[dataset_id].result_hash != answer.hash:
            raise QueryError("an answer in this case is not the one that its hospital recorded on chain")


def _seeds_not_signed(case: Case, position: int, disclosure: Disclosure) -> list[int]:
    if len(disclosure.seeds) != len(case.participants) or disclosure.seeds[position] != NO_SEEDS:
        return [other for other in range(len(case.participants)) if other != position]
    return [
        other
        for other, pair in enumerate(disclosure.seeds)
        if other != position
        and (
            (len(pair.cells), len(pair.openings)) != (SEED_BYTES, SEED_BYTES)
            or seeds_hash(case.context, position, other, pair) != case.answers[position].seed_hashes[other]
        )
    ]


def _recomputed(
    case: Case, position: int, disclosure: Disclosure, checked: CheckedAnswer | None
) -> list[tuple[Place, str]]:
    """Steps 4 to 6. A disclosure whose seeds cannot be used at all is named by step 3 already."""
    answer, found = case.answers[position], []
    usable = len(disclosure.seeds) == len(case.participants) and all(
        len(pair.cells) == len(pair.openings) == SEED_BYTES or other == position
        for other, pair in enumerate(disclosure.seeds)
    )
    if checked is not None and checked.cells is not None:
        cells = checked.cells
        try:
            opened = disclosure.opened()
        except QueryError as error:
            return [(Place.DISCLOSURE, str(error))]
        if len(opened) != len(cells.commitments):
            return [(Place.DISCLOSURE, "it disclosed another number of cells")]
        for each, commitment, bound in zip(opened, cells.commitments, cells.bounds, strict=True):
            if not total_holds([commitment], [each.proof], each.total, bound):  # 4
                found.append((Place.TOTAL, "the total it disclosed is not the one of its commitments"))
                break
        points = [each.proof for each in opened]
        if usable and masked_openings(points, position, disclosure.seeds) != answer.openings:  # 5
            found.append((Place.OPENING, "what it published is not its opening under its masks"))
    if usable and not _encrypts(case, position, disclosure):  # 6
        found.append((Place.CIPHERTEXT, "what it encrypted is not its total under its masks"))
    return found


def _encrypts(case: Case, position: int, disclosure: Disclosure) -> bool:
    cells = len(disclosure.totals)
    try:
        context = open_public_context(case.public_context)
        again = encrypt(
            context, masked_cells(disclosure.totals, position, disclosure.seeds), disclosure.encryption_seed
        )
        return canonical(context, again, cells) == canonical(context, case.answers[position].ciphertext, cells)
    except QueryError:
        return False


def _of_pair(
    case: Case,
    registry: Registry,
    pair: tuple[int, int],
    proofs: Mapping[tuple[DatasetId, DatasetId], PairProof],
    key_proofs: Mapping[DatasetId, bytes],
) -> list[Finding]:
    keys = {position: _mask_key(registry, case.participants[position]) for position in pair}
    unusable = [position for position, key in keys.items() if not _is_usable(key)]
    if unusable:  # an honest node answers no query with such a key in it, so nobody else is to blame
        why = "its mask key on chain is none that a secret could be proved over"
        return [_finding(case, registry, position, why) for position in unusable]
    unknown = [position for position in pair if not _is_known(case, position, keys[position], key_proofs)]
    if unknown:  # nobody has to show its secret with one of these
        why = "it did not prove that it knows its mask key on chain"
        return [_finding(case, registry, position, why) for position in unknown]
    found = []
    for position, other in (pair, pair[::-1]):
        own, peer = case.participants[position], case.participants[other]
        proof = proofs.get((own, peer))
        why = f"it did not prove its secret with participant {other}"
        if proof is not None:
            context = case.context.info(*pair, HASH_LABEL)
            try:
                shared = check_pair(proof, keys[position], keys[other], context)
                seeds = seeds_of_shared(case.context, *pair, shared)
                if seeds_hash(case.context, position, other, seeds) == case.answers[position].seed_hashes[other]:
                    continue
                why = f"the seed it signed for participant {other} is not what their keys on chain give"
            except QueryError as error:
                why = str(error)
        found.append(_finding(case, registry, position, why))
    return found


def _finding(case: Case, registry: Registry, position: int, why: str) -> Finding:
    dataset_id = case.participants[position]
    dataset = registry.dataset(dataset_id)
    return Finding(dataset_id, dataset_id.hex()[:12] if dataset is None else dataset.name, Place.MASK, why)


def _is_usable(key: bytes) -> bool:
    try:
        check_key(key)
    except QueryError:
        return False
    return True


def _is_known(case: Case, position: int, key: bytes, key_proofs: Mapping[DatasetId, bytes]) -> bool:
    try:
        check_knowledge(key_proofs.get(case.participants[position], b""), key, case.context.key_info(position))
    except QueryError:
        return False
    return True


def _mask_key(registry: Registry, dataset_id: DatasetId) -> bytes:
    dataset = registry.dataset(dataset_id)
    member = None if dataset is None else registry.member(dataset.holder)
    return b"" if member is None else member.mask_key
