"""Disputes about a refuted total are not to be made the means to read an honest hospital, or to have it named."""

import hashlib
import secrets
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from tests.federated.test_bounded_rounds import claim_of, lie, made_bounded, other_vector
from tests.federated.test_secure_rounds import ask, refusal, training

from belmont.federated.bounded import proved
from belmont.federated.bounded.account import MaskAccount
from belmont.federated.bounded.blame import pair_context
from belmont.federated.bounded.settings import read_bounds
from belmont.federated.errors import QueryError, RoundRefuted
from belmont.federated.exchange import Exchange
from belmont.federated.gate.ledger import Ledger
from belmont.federated.node import secure as node_secure
from belmont.federated.node.requests import ACCOUNT, DEAL, SETTLE, UNMASK, after_content, deal_content, round_content
from belmont.federated.query import pair_proof as pairs
from belmont.federated.query.masks import HASH_LABEL, MaskContext
from belmont.federated.query.pair_proof import PairProof, check_pair, prove_pair
from belmont.federated.secagg import sharing
from belmont.federated.secagg.context import Context
from belmont.federated.secagg.groups import SCALARS, scalars
from belmont.federated.secagg.masking import MaskedVector, pair_sign, pair_stream, self_stream
from belmont.federated.secagg.release import Shares
from belmont.federated.secagg.settings import read_secure_sum
from belmont.federated.secagg.setup import Kind, deal_secrets, public_part, seal, transcript_of
from belmont.registry.reasons import Reason
from belmont.registry.types import MicroRho, UseKind
from belmont.zk.bounded.encoding import write_points
from belmont.zk.field import ORDER, N
from belmont.zk.srs import reference_string

ROOT = b"\7" * 32
FACTOR = 12_345_678_901
"""By which hospital 3 multiplies hospital 0's mask key."""


@pytest.fixture
def bounded(scene: Any) -> Any:
    return made_bounded(scene)


class Colluders:
    """Researcher, coordinator and hospital 3, against hospitals 0, 1 and 2, of which all do as they are asked.

    Hospital 3 deals ``FACTOR`` times hospital 0's mask key as its own, so that a pair's secret with it gives the one
    with hospital 0.
    """

    def __init__(self, scene: Any) -> None:
        self.scene = scene
        permit = scene.registry.permit(scene.permit)
        self.context = Context(scene.registry.identity, scene.permit, 1, scene.participants, 3)
        assert permit.terms.min_hospitals == 3
        assert self.context.most_colluders == 1
        self.secure, self.bounds = read_secure_sum(scene.config), read_bounds(scene.config)
        keys = [each.public_key().public_bytes_raw() for each in scene.consortium.mask_keys]
        dealt = []
        for i in range(3):
            reply = ask(scene, i, DEAL, deal_content(claim_of(scene), 1))
            others = [each for each in scene.participants if each != scene.participants[i]]
            dealt.append(dict(zip(others, reply.content["packages"]["packages"], strict=True)))
        honest = [public_part(self.context, next(iter(each.values()))) for each in dealt]
        own = deal_secrets(self.context, scene.participants[3], ROOT)
        own = replace(own, public=replace(own.public, key=multiplied(honest[0].key)))
        dealt.append(seal(self.context, own, scene.consortium.mask_keys[3], keys))
        self.publics = [*honest, own.public]
        self.packages = [[dealt[j][scene.participants[i]] for j in range(4) if j != i] for i in range(4)]
        self.transcript = transcript_of(self.context, self.publics)
        self.layout_hash = self.bounds.layout_hash(self.secure.layout)

    def record_all(self) -> list[bytes]:
        """The vectors of all; hospital 3's is noise, beside a proof of zeros."""
        scene = self.scene
        scene.open_round(scene.permit)
        values, self.updates = [], []
        for i in range(3):
            content = round_content(claim_of(scene), scene.config, scene.model, self.packages[i])
            masked = ask(scene, i, "train", content).content["masked"]
            values.append(masked["values"])
            self.updates.append((masked["proof"], hashlib.sha256(masked["values"]).digest()))
        statement = proved.statement_of(self.bounds, self.context, self.secure.layout, scene.participants[3])
        self.shape = statement.shape
        proof = proved.prove(statement, np.zeros(self.secure.layout.size, np.int64), ROOT).proof
        noise = scalars([secrets.randbelow(ORDER) for _ in range(self.shape.chunks * N)])
        vector = MaskedVector(
            scene.participants[3], self.transcript, self.layout_hash, noise, SCALARS, hashlib.sha256(proof).digest()
        )
        values.append(SCALARS.to_bytes(noise))
        self.updates.append((proof, hashlib.sha256(values[3]).digest()))
        self.recorded = vector.recorded_hash(self.context)
        mine = scene.registry.as_(scene.consortium.hospitals[3])
        root = scene.registry.view(scene.permit, scene.participants[3], UseKind.ROUND, 1).dataset.consent_root
        mine.record_use(scene.permit, UseKind.ROUND, 1, scene.participants[3], self.recorded, MicroRho(0), 1, root)
        return values

    def seeds(self) -> list[bytes]:
        """The self-mask seeds of hospitals 0 to 2, whose shares they release as the protocol says."""
        scene, shares = self.scene, []
        for i in range(3):
            content = after_content(claim_of(scene), scene.config, self.packages[i], self.updates)
            reply = ask(scene, i, UNMASK, content)
            assert reply.has_content(), reply.error.reason
            given = Shares.from_bytes(self.context, scene.participants[i], reply.content["shares"]["shares"])
            assert set(given.kinds) == {Kind.SEED}
            shares.append(given)
        return [sharing.join({i: each.values[k] for i, each in enumerate(shares)}, 3) for k in range(3)]

    def account(self) -> MaskAccount:
        """A signed account of hospital 3 with points of no meaning."""
        points = write_points(reference_string().lagrange[: self.shape.chunks])
        account = MaskAccount(self.scene.participants[3], dict.fromkeys(self.scene.participants[:3], points), bytes(64))
        return account.signed(self.scene.consortium.hospitals[3], self.context, self.recorded)

    def settled(self, i: int) -> Any:
        """What hospital ``i`` answers to a dispute with hospital 3."""
        account = self.scene.participants[3], self.account().to_bytes()
        content = after_content(claim_of(self.scene), self.scene.config, self.packages[i], self.updates, account)
        return ask(self.scene, i, SETTLE, content)


def multiplied(key: bytes) -> bytes:
    return pairs._u_of(pairs._times(FACTOR, pairs._lift(key))).to_bytes(32, "little")


def divided(proof: PairProof) -> bytes:
    """X25519 with hospital 0's key, from that with ``FACTOR`` times it."""
    point = pairs._decompress(proof.shared)
    return pairs._u_of(pairs._times(pow(FACTOR, -1, pairs.L), point)).to_bytes(32, "little")


def played(bounded: Any, monkeypatch: Any) -> tuple[Colluders, list[bytes], Any]:
    """The colluders' round up to the dispute: masked vectors, and what hospital 0's update was."""
    seen: dict[Any, Any] = {}
    honest = node_secure.prove

    def prove(statement: Any, vector: Any, root: bytes) -> Any:
        seen[statement.dataset] = vector.copy()
        return honest(statement, vector, root)

    monkeypatch.setattr(node_secure, "prove", prove)
    colluders = Colluders(bounded)
    return colluders, colluders.record_all(), seen[bounded.participants[0]]


def test_a_peer_that_deals_a_multiple_of_another_hospitals_key_reads_it_where_keys_are_not_proved(
    bounded: Any, monkeypatch: Any
) -> None:
    """The unprotected form: a pair's secret is proved to whoever signed another mask."""
    monkeypatch.setattr(MaskAccount, "check_key", lambda self, context, key: None)
    colluders, values, update = played(bounded, monkeypatch)
    seeds = colluders.seeds()
    replies = [colluders.settled(i) for i in range(3)]
    proofs = [PairProof.from_bytes(reply.content["pair"]["proof"]) for reply in replies]
    context, shape = colluders.context, colluders.shape
    with_three = check_pair(proofs[0], colluders.publics[0].key, colluders.publics[3].key, pair_context(context, 0, 3))
    secrets_of_0 = {1: divided(proofs[1]), 2: divided(proofs[2]), 3: with_three}
    read = SCALARS.from_bytes(values[0])
    SCALARS.add_stream(read, self_stream(context, colluders.transcript, colluders.layout_hash, 0, seeds[0]), -1)
    for other, shared in secrets_of_0.items():
        stream = pair_stream(context, colluders.transcript, colluders.layout_hash, 0, other, shared)
        SCALARS.add_stream(read, stream, -pair_sign(0, other))
    opened = shape.unpack([[int(x) for x in read[:4032]]])[: len(update)]
    assert np.array_equal(opened, update), "the attack does not work where nothing stops it"


def test_a_peer_that_deals_a_multiple_of_another_hospitals_key_is_shown_no_secret(
    bounded: Any, monkeypatch: Any
) -> None:
    colluders, _, _ = played(bounded, monkeypatch)
    colluders.seeds()
    assert all(refusal(colluders.settled(i)) is Reason.REQUEST_MALFORMED for i in range(3))


def replace_keys(scene: Any) -> None:
    """Packages of before would not open by its key of now."""
    new = X25519PrivateKey.generate().public_key().public_bytes_raw()
    scene.registry.as_(scene.consortium.hospitals[2]).replace_keys(new, bytes(32))


def withdraw(scene: Any) -> None:
    """Hospitals would refuse their accounts, since the permit no longer covers every participant."""
    scene.registry.as_(scene.consortium.hospitals[2]).withdraw(scene.permit, scene.participants[2])


def liars_after(scene: Any, monkeypatch: Any, escape: Any) -> Any:
    """Who is named where hospital 2 lies, and changes the chain before accounts are asked for."""
    lie(scene.nodes[2], other_vector)
    asked = Exchange.ask

    def ask_later(self: Any, message_type: str, *rest: Any) -> Any:
        if message_type == ACCOUNT:
            escape(scene)
        return asked(self, message_type, *rest)

    monkeypatch.setattr(Exchange, "ask", ask_later)
    with closing(scene.grid()) as grid, pytest.raises(RoundRefuted) as caught:
        training(scene, grid).round()
    return caught.value.verdict.liars


@pytest.mark.parametrize("escape", [replace_keys, withdraw])
def test_a_liar_that_changes_the_chain_has_others_named_where_nodes_go_by_the_chain_of_then(
    bounded: Any, monkeypatch: Any, escape: Any
) -> None:
    """The unprotected form: packages open by the keys of now, and the permit is decided on anew."""
    monkeypatch.setattr(Ledger, "mask_keys", lambda self, permit_id, n: None)
    for node in bounded.nodes:
        object.__setattr__(node._disputes, "answered", node._secure.answered)
    assert liars_after(bounded, monkeypatch, escape) - {bounded.participants[2]}


@pytest.mark.parametrize("escape", [replace_keys, withdraw])
def test_a_liar_that_changes_the_chain_before_the_dispute_has_nobody_else_named(
    bounded: Any, monkeypatch: Any, escape: Any
) -> None:
    assert liars_after(bounded, monkeypatch, escape) == {bounded.participants[2]}


def test_a_liar_is_named_also_where_another_account_does_not_come(bounded: Any, monkeypatch: Any) -> None:
    """A coordinator that drops an honest hospital's account would hide who lied."""
    lie(bounded.nodes[2], other_vector)
    asked = Exchange.ask

    def dropping(self: Any, message_type: str, *rest: Any) -> Any:
        replies, outcomes = asked(self, message_type, *rest)
        if message_type == ACCOUNT:
            del replies[bounded.participants[0]]
        return replies, outcomes

    monkeypatch.setattr(Exchange, "ask", dropping)
    with closing(bounded.grid()) as grid, pytest.raises(RoundRefuted) as caught:
        training(bounded, grid).round()
    assert bounded.participants[2] in caught.value.verdict.liars


def test_a_pairs_secret_is_not_shown_where_two_hospitals_were_shown_two_setups(bounded: Any) -> None:
    """Their accounts differ, and neither lies: hospital 3 dealt hospital 1 another public part."""
    claim, context = claim_of(bounded), Context(bounded.registry.identity, bounded.permit, 1, bounded.participants, 3)
    keys = [each.public_key().public_bytes_raw() for each in bounded.consortium.mask_keys]
    dealt = []
    for i in range(3):
        packages = ask(bounded, i, DEAL, deal_content(claim, 1)).content["packages"]["packages"]
        dealt.append(
            dict(zip([each for each in claim.participants if each != claim.participants[i]], packages, strict=True))
        )
    faces = [
        seal(context, deal_secrets(context, claim.participants[3], root), bounded.consortium.mask_keys[3], keys)
        for root in (ROOT, b"\1" * 32)
    ]
    dealt.append(faces[0] | {claim.participants[1]: faces[1][claim.participants[1]]})
    packages = [[dealt[j][claim.participants[i]] for j in range(4) if j != i] for i in range(4)]
    bounded.open_round(bounded.permit)
    updates = []
    for i in range(3):
        content = round_content(claim, bounded.config, bounded.model, packages[i])
        masked = ask(bounded, i, "train", content).content["masked"]
        updates.append((masked["proof"], hashlib.sha256(masked["values"]).digest()))
    bounded.by_researcher.close_round(bounded.permit, 1)
    account = ask(bounded, 1, ACCOUNT, after_content(claim, bounded.config, packages[1])).content["account"]["account"]
    for given in (updates, None):
        content = after_content(claim, bounded.config, packages[0], given, (claim.participants[1], account))
        assert ask(bounded, 0, SETTLE, content).has_error()


def test_a_mask_key_on_chain_that_is_a_multiple_of_anothers_gives_no_secret_of_two_others(scene: Any) -> None:
    """Hospital 3 puts a multiple of hospital 0's static key on chain, and lies in a query, so that hospital 1 would
    prove their pair's secret to the board: divided, it is the static secret of hospitals 0 and 1."""
    keys = [each.public_key().public_bytes_raw() for each in scene.consortium.mask_keys]
    twisted = multiplied(keys[0])
    scene.registry.as_(scene.consortium.hospitals[3]).replace_keys(twisted, bytes(32))
    context = MaskContext(scene.registry.identity, 1, 1, bytes(32), scene.participants)
    unprotected = prove_pair(scene.consortium.mask_keys[1], twisted, context.info(1, 3, HASH_LABEL))
    assert divided(unprotected) == scene.consortium.mask_keys[1].exchange(scene.consortium.mask_keys[0].public_key())
    for knowledge in (scene.nodes[3].prove_mask_key(context), scene.nodes[0].prove_mask_key(context), b""):
        with pytest.raises(QueryError):
            scene.nodes[1].prove_pair(context, 3, twisted, knowledge)
