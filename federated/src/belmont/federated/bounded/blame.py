"""Who lied, when a round's total is not the sum of what the hospitals committed to: nobody shows an update.

`belmont.zk.bounded.dispute` has the argument; here it is held against the chain and the hospitals' signatures.

1. A hospital is named whose account of its masks is missing, not signed for the vector that it recorded, or no points,
   or which does not prove in it that it knows the mask key that it dealt.
2. A hospital whose recorded vector is not its committed update under the masks of its account is named.
3. Where two accounts differ about a pair's mask, both prove the pair's secret over the keys that they dealt, to which
   every recorded vector is bound (`belmont.federated.query.pair_proof`). Who does not is named, and who said another
   mask than grows from it.

A hospital that did what the protocol says passes 1 to 3 whatever the others do. That an account or a pair proof is
missing proves nothing to somebody else than whom it was asked by: whoever judges asks the hospital itself.
"""

import html
from collections.abc import Mapping
from dataclasses import dataclass

from belmont.federated.bounded.account import MaskAccount, grown_mask, is_signed
from belmont.federated.bounded.record import RoundRecord, check_updates, recorded_hashes, transcript
from belmont.federated.errors import QueryError, SecAggError
from belmont.federated.query.pair_proof import PairProof, check_pair
from belmont.federated.secagg.context import Context
from belmont.federated.secagg.opening import OpenedSum
from belmont.registry.protocol import Registry
from belmont.registry.types import DatasetId
from belmont.zk.bounded.dispute import MaskedUpdate, is_mask
from belmont.zk.bounded.dispute import investigate as find
from belmont.zk.curve import G1

PAIR_LABEL = b"pair-proof"


@dataclass(frozen=True)
class Finding:
    """One hospital, and what it did not do as it has to."""

    dataset_id: DatasetId
    name: str
    why: str


@dataclass(frozen=True)
class Verdict:
    """Who is named. ``disputes`` are pairs that have to prove their secret first."""

    findings: tuple[Finding, ...]
    disputes: tuple[tuple[DatasetId, DatasetId], ...] = ()

    @property
    def liars(self) -> frozenset[DatasetId]:
        """Every hospital named."""
        return frozenset(finding.dataset_id for finding in self.findings)

    def __repr__(self) -> str:
        named = "; ".join(f"{each.name}: {each.why}" for each in self.findings) or "nobody is named"
        return f"Verdict({named}{'; pairs in dispute' if self.disputes else ''})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(each.name)}</td><td>{html.escape(each.why)}</td></tr>" for each in self.findings
        )
        return f"<table><tr><th>hospital</th><th>what</th></tr>{rows}</table>" if rows else repr(self)


def pair_context(context: Context, one: int, other: int) -> bytes:
    """What a pair proof is made for."""
    return context.info(PAIR_LABEL, min(one, other), max(one, other))


def judge(
    record: RoundRecord,
    opened: OpenedSum,
    registry: Registry,
    accounts: Mapping[DatasetId, MaskAccount | None],
    pair_proofs: Mapping[tuple[DatasetId, DatasetId], PairProof] | None = None,
) -> Verdict:
    """Find who lied. ``opened`` is what `secagg.opening.open_sum` gave of the record's vectors.

    ``pair_proofs`` maps (prover, peer) to a proof; None says that nobody was asked yet, and pairs that need them come
    back as ``disputes``. Raises FederatedError if the record is not what the chain has.
    """
    bounds = record.bounds
    if bounds is None:
        raise SecAggError("this round's updates are not bounded: nothing was committed to")
    context, recorded = record.context(registry), recorded_hashes(registry, record.permit_id, record.n)
    updates = check_updates(record, context)
    shape = next(iter(updates.values())).statement.shape
    findings: list[Finding] = []

    def name(dataset_id: DatasetId, why: str) -> None:
        dataset = registry.dataset(dataset_id)
        findings.append(Finding(dataset_id, dataset_id.hex()[:12] if dataset is None else dataset.name, why))

    keys = [each.key for each in record.public_parts()]
    masks: dict[bytes, dict[bytes, tuple[G1, ...]]] = {}
    for dataset_id in opened.recorded:
        account = accounts.get(dataset_id)
        if account is None:  # 1
            name(dataset_id, "it gave no account of its masks")
            continue
        if not is_signed(registry, account, context, recorded[dataset_id]):
            name(dataset_id, "its account of its masks is not signed by it for the vector that it recorded")
            continue
        try:
            account.check_key(context, keys[context.position(dataset_id)])
            masks[dataset_id] = {
                other: account.commitments(other, shape) for other in opened.recorded if other != dataset_id
            }
        except SecAggError as error:
            name(dataset_id, str(error))
    # Whoever gave an account is judged by it, also where others gave none: that one is lost must not hide a liar.
    found = find([MaskedUpdate(updates[each], tuple(opened.stripped[each])) for each in opened.recorded], masks)
    for each in found.unfit:  # 2
        if each not in masks:
            continue
        name(DatasetId(each), "what it delivered is not the update that it committed to, under the masks that it says")
    disputes = [(DatasetId(one), DatasetId(other)) for one, other in found.disputes]
    if pair_proofs is None:
        return Verdict(tuple(findings), tuple(disputes))
    layout_hash = bounds.layout_hash(record.secure.layout)
    for pair in disputes:  # 3
        for own_id, peer_id in (pair, pair[::-1]):
            own, peer = context.position(own_id), context.position(peer_id)
            proof = pair_proofs.get((own_id, peer_id))
            if proof is None:
                name(own_id, f"it did not prove its secret with participant {peer}")
                continue
            try:
                shared = check_pair(proof, keys[own], keys[peer], pair_context(context, own, peer))
            except QueryError as error:
                name(own_id, str(error))
                continue
            mask = grown_mask(context, transcript(record, context), layout_hash, shape, own, peer, shared)
            if not is_mask(shape, masks[own_id][peer_id], mask):
                name(own_id, f"the mask that it says it has with participant {peer} is not theirs")
    return Verdict(tuple(findings))
