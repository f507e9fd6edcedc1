"""Rounds whose updates are bounded: every hospital proves its own, and who lies is named."""

import hashlib
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.federated.privacy.scenes import STEPS, made_private
from tests.federated.privacy.scenes import training as private_training
from tests.federated.test_secure_rounds import PURPOSE, ask, plain_model, refusal, training

from belmont.federated.bounded import proved
from belmont.federated.bounded.account import MaskAccount
from belmont.federated.bounded.record import RoundRecord, open_round
from belmont.federated.bounded.settings import BOUND_KEY, SQUARES_KEY, UpdateBounds, read_bounds
from belmont.federated.errors import (
    FederatedError,
    RoundRefused,
    RoundRefuted,
    SecAggError,
    UpdateUnproved,
    VectorRejected,
)
from belmont.federated.models.bundles import shipped_bundle
from belmont.federated.models.glm import glm_config
from belmont.federated.models.training import Training
from belmont.federated.node import bounded as module
from belmont.federated.node.node import HospitalNode
from belmont.federated.node.requests import ACCOUNT, SETTLE, UNMASK, Claim, after_content
from belmont.federated.node.secure import SecureRounds
from belmont.federated.secagg.groups import scalars
from belmont.federated.secagg.masking import mask_scalars
from belmont.registry.reasons import Reason
from belmont.registry.types import UseKind
from belmont.zk.bounded.encoding import read_points, write_points
from belmont.zk.bounded.proof import prove_update
from belmont.zk.bounded.update import commit_vector
from belmont.zk.curve import multiply_sum
from belmont.zk.field import ORDER
from belmont.zk.srs import reference_string

FEATURES = ("age", "hba1c", "systolic")
BOUNDS = UpdateBounds(2**31 - 1)
BITS = 8


@pytest.fixture
def bounded(scene: Any) -> Any:
    """A scene whose approved configuration bounds updates, with a permit."""
    return made_bounded(scene)


def made_bounded(scene: Any, bounds: UpdateBounds = BOUNDS) -> Any:
    scene.bundle = shipped_bundle("glm")
    scene.config = glm_config(FEATURES, "cvd_event", bounds=bounds, fraction_bits=BITS)
    scene.permit = scene.issue()
    return scene


class Lying(SecureRounds):
    """A hospital's node whose owner changed it: ``twist`` gives scalars and proof from those of an honest node."""

    twist: Any = None

    def _masked(self, bounds: Any, layout: Any, joined: Any, vector: Any, root: bytes) -> Any:
        statement = proved.statement_of(bounds, joined.context, layout, self.dataset_id)
        honest = proved.prove(statement, vector, root)
        values, proof = type(self).twist(statement, vector, honest)
        hashed = hashlib.sha256(proof).digest()
        return mask_scalars(joined, bounds.layout_hash(layout), values, hashed), proof


def lie(node: HospitalNode, twist: Any) -> None:
    """Change one hospital's node."""
    kind = type("Lie", (Lying,), {"twist": staticmethod(twist)})
    secure = node._secure
    lying = kind(secure.gate, secure.registry, secure.ledger, secure.dataset_id, secure.mask_private_key)
    node._secure = lying
    object.__setattr__(node._rounds, "secure", lying)


def other_vector(statement: Any, vector: Any, honest: Any) -> Any:
    """Proves its update, and adds another one."""
    values = honest.scalars.copy()
    values[0] = (values[0] + 1_000_000) % ORDER
    return values, honest.proof


def too_large(statement: Any, vector: Any, honest: Any) -> Any:
    """Adds a vector out of bounds, with the best proof that can be made of it."""
    vector = vector.copy()
    vector[0] = 2**40
    committed = commit_vector(statement, vector)
    rows = scalars(_elements(statement.shape, vector, committed.opening.blinding))
    return rows, prove_update(committed, check=False).to_bytes()


def _elements(shape: Any, vector: Any, blinding: Any) -> list[int]:
    return [x for chunk, rows in zip(shape.pack(vector), blinding, strict=True) for x in (*chunk, *rows)]


def claim_of(scene: Any, n: int = 1) -> Claim:
    return Claim(scene.permit, n, PURPOSE, scene.participants)


@pytest.mark.parametrize("kind", ["simulated", "on_chain"])
def test_the_model_of_bounded_rounds_is_that_of_plain_ones(kind: str, request: Any) -> None:
    scene = made_bounded(request.getfixturevalue("scene" if kind == "simulated" else "on_chain_study"))
    with closing(scene.grid()) as grid:
        trained = training(scene, grid)
        results = list(trained.rounds(3))
    assert results[-1].rows == sum(table.rows for table in scene.consortium.tables)
    np.testing.assert_allclose(trained.model["coefficients"], plain_model(scene), atol=1e-3)


def test_anybody_computes_a_rounds_total_from_its_record_and_the_chain(bounded: Any) -> None:
    with closing(bounded.grid()) as grid:
        result = training(bounded, grid).round()
    record = RoundRecord.from_bytes(result.record.to_bytes())
    assert record == result.record
    opened = open_round(record, bounded.registry)
    assert opened.sum.recorded == bounded.participants
    _, metrics = record.secure.decode(opened.total)
    assert metrics["num-examples"] == result.rows


def test_the_sum_of_those_who_delivered_is_checked_the_same_way(bounded: Any) -> None:
    with closing(bounded.grid()) as grid:
        trained = training(bounded, grid)
        trained.round()
    with closing(bounded.grid(nodes=bounded.nodes[:3])) as grid:
        here = {d: n.node_id for d, n in zip(bounded.participants[:3], bounded.nodes[:3], strict=True)}
        again = training(bounded, grid, model=trained.model, node_ids=here)
        again._secure._dealt = trained._secure._dealt
        result = again.round()
    assert open_round(result.record, bounded.registry).sum.recorded == bounded.participants[:3]
    assert result.rows == sum(table.rows for table in bounded.consortium.tables[:3])


def test_a_hospital_that_adds_another_vector_than_it_proved_is_named(bounded: Any) -> None:
    lie(bounded.nodes[2], other_vector)
    with closing(bounded.grid()) as grid:
        trained = training(bounded, grid)
        before = trained.model
        with pytest.raises(RoundRefuted) as caught:
            trained.round()
    assert caught.value.verdict.liars == {bounded.participants[2]}
    assert trained.model is before
    assert bounded.registry.dataset(bounded.participants[2]).name in str(caught.value)
    with pytest.raises(RoundRefuted):
        open_round(RoundRecord.from_bytes(caught.value.record.to_bytes()), bounded.registry)


def test_without_bounds_the_same_lie_moves_the_model_and_nobody_notices(scene: Any) -> None:
    scene.bundle = shipped_bundle("glm")
    scene.config = glm_config(FEATURES, "cvd_event", secure=True, fraction_bits=BITS)
    scene.permit = scene.issue()

    class Loud(SecureRounds):
        def _masked(self, bounds: Any, layout: Any, joined: Any, vector: Any, root: bytes) -> Any:
            vector = vector.copy()
            vector[:4] += 2**40
            return super()._masked(bounds, layout, joined, vector, root)

    node = scene.nodes[2]
    secure = node._secure
    object.__setattr__(
        node._rounds,
        "secure",
        Loud(secure.gate, secure.registry, secure.ledger, secure.dataset_id, secure.mask_private_key),
    )
    with closing(scene.grid()) as grid:
        trained = training(scene, grid)
        trained.round()
    assert np.abs(trained.model["coefficients"] - plain_model(scene, rounds=1)).max() > 1.0


def test_a_hospital_whose_update_is_out_of_bounds_is_named_before_anything_is_opened(bounded: Any) -> None:
    lie(bounded.nodes[1], too_large)
    with closing(bounded.grid()) as grid, pytest.raises(UpdateUnproved) as caught:
        training(bounded, grid).round()
    assert caught.value.dataset_id == bounded.participants[1]
    assert all(node.ledger.released_for(bounded.permit, 1) is None for node in bounded.nodes)


def test_no_honest_hospital_opens_a_sum_with_an_unproved_update_in_it(bounded: Any) -> None:
    lie(bounded.nodes[1], too_large)
    with closing(bounded.grid()) as grid:
        trained = training(bounded, grid)
        with pytest.raises(UpdateUnproved):
            trained.round()
        packages = trained._secure.packages(claim_of(bounded))
    updates = _updates(bounded, trained)
    for i in (0, 2, 3):
        content = after_content(claim_of(bounded), bounded.config, packages[bounded.participants[i]], updates)
        assert refusal(ask(bounded, i, UNMASK, content)) is Reason.UPDATE_UNPROVED


def _updates(scene: Any, trained: Training) -> list[tuple[bytes, bytes]]:
    """Proofs and hashes of what the nodes keep as their answers to round 1."""
    found = []
    trained.model = scene.model
    contents = trained._contents(replace(claim_of(scene), purpose=trained._exchange.purpose))
    for i, each in enumerate(scene.participants):
        masked = ask(scene, i, "train", contents[each]).content["masked"]
        found.append((masked["proof"], hashlib.sha256(masked["values"]).digest()))
    return found


def test_shares_are_given_for_proved_updates_only(bounded: Any) -> None:
    with closing(bounded.grid()) as grid:
        trained = training(bounded, grid)
        trained.round()
        packages = trained._secure.packages(claim_of(bounded))[bounded.participants[0]]
    updates = _updates(bounded, trained)

    def answer(updates: Any, config: Any = bounded.config) -> Any:
        return ask(bounded, 0, UNMASK, after_content(claim_of(bounded), config, packages, updates))

    assert answer(updates).has_content()
    (proof, hashed), others = updates[1], updates[2:]
    for forged in (
        None,
        updates[:3],
        [*updates, updates[0]],
        [updates[1], updates[0], *others],
        [updates[0], (proof[:-1], hashed), *others],
        [updates[0], (proof, bytes(32)), *others],
        [updates[0], (updates[2][0], hashed), *others],
        [updates[0], (b"", hashed), *others],
    ):
        assert refusal(answer(forged)) is Reason.UPDATE_UNPROVED
    loose = {key: value for key, value in bounded.config.items() if key != BOUND_KEY}
    assert refusal(answer(None, loose)) is Reason.CONFIG_MISMATCH


def test_a_bound_that_the_update_passes_ends_the_round_at_the_hospital_and_nothing_leaves(scene: Any) -> None:
    made_bounded(scene, UpdateBounds(1_000))
    with closing(scene.grid()) as grid, pytest.raises(RoundRefused, match="the study's code failed"):
        training(scene, grid).round()
    assert not scene.registry.round_state(scene.permit, 1).recorded


def test_the_squares_of_an_update_are_bounded_too(scene: Any) -> None:
    made_bounded(scene, UpdateBounds(2**31 - 1, 2**62))
    with closing(scene.grid()) as grid:
        assert training(scene, grid).round().rows


def test_squares_that_the_update_passes_end_the_round_at_the_hospital(scene: Any) -> None:
    made_bounded(scene, UpdateBounds(2**31 - 1, 10**6))
    with closing(scene.grid()) as grid, pytest.raises(RoundRefused, match="the study's code failed"):
        training(scene, grid).round()


@pytest.mark.parametrize(
    "changes",
    [
        {BOUND_KEY: 0},
        {BOUND_KEY: 2**31},
        {BOUND_KEY: 1.5},
        {BOUND_KEY: True},
        {BOUND_KEY: "5"},
        {BOUND_KEY: 5, SQUARES_KEY: 0},
        {BOUND_KEY: 5, SQUARES_KEY: 2.0},
        {SQUARES_KEY: 5},
    ],
)
def test_bounds_that_are_none_are_refused(changes: Any) -> None:
    config = glm_config(FEATURES, "cvd_event", secure=True)
    with pytest.raises(FederatedError, match="belmont-update"):
        read_bounds(config | changes)


def test_bounds_need_a_secure_sum() -> None:
    with pytest.raises(FederatedError, match="comes with belmont-secure-sum"):
        read_bounds({BOUND_KEY: 5})


class TestDisputes:
    """Both ends of a pair say something else of their mask: one of them lies, and which is proved."""

    def test_who_says_another_mask_than_the_pairs_is_named(self, bounded: Any, monkeypatch: Any) -> None:
        twisted = 5

        def elsewhere(statement: Any, vector: Any, honest: Any) -> Any:
            values = honest.scalars.copy()
            values[0] = (values[0] + twisted) % ORDER
            return values, honest.proof

        lie(bounded.nodes[1], elsewhere)
        self._account_with(monkeypatch, bounded.nodes[1], bounded, 3, twisted)
        with closing(bounded.grid()) as grid, pytest.raises(RoundRefuted) as caught:
            training(bounded, grid).round()
        assert caught.value.verdict.liars == {bounded.participants[1]}

    def test_a_hospital_that_gives_no_account_is_named(self, bounded: Any) -> None:
        lie(bounded.nodes[1], other_vector)
        node = bounded.nodes[1]
        object.__setattr__(node._disputes, "answered", _refuses)
        with closing(bounded.grid()) as grid, pytest.raises(RoundRefuted, match="no account") as caught:
            training(bounded, grid).round()
        assert caught.value.verdict.liars == {bounded.participants[1]}

    def test_an_account_that_another_signed_names_its_hospital(self, bounded: Any) -> None:
        lie(bounded.nodes[1], other_vector)
        node = bounded.nodes[1]
        object.__setattr__(node._disputes, "account", bounded.consortium.hospitals[0])
        with closing(bounded.grid()) as grid, pytest.raises(RoundRefuted, match="not signed by it") as caught:
            training(bounded, grid).round()
        assert caught.value.verdict.liars == {bounded.participants[1]}

    def test_a_pairs_secret_is_shown_only_where_a_peer_signed_another_mask(self, bounded: Any) -> None:
        with closing(bounded.grid()) as grid:
            trained = training(bounded, grid)
            trained.round()
            packages = trained._secure.packages(claim_of(bounded))
        given = {}
        for i, each in enumerate(bounded.participants):
            content = after_content(claim_of(bounded), bounded.config, packages[each])
            given[each] = ask(bounded, i, ACCOUNT, content).content["account"]["account"]
        one, two = bounded.participants[:2]

        def settle(account: tuple[Any, bytes] | None) -> Any:
            content = after_content(claim_of(bounded), bounded.config, packages[one], account=account)
            return ask(bounded, 0, SETTLE, content)

        for forged in (None, (two, given[two]), (one, given[one]), (two, given[bounded.participants[2]]), (two, b"")):
            assert refusal(settle(forged)) is Reason.REQUEST_MALFORMED
        changed = bytearray(given[two])
        changed[120] ^= 1
        assert refusal(settle((two, bytes(changed)))) is Reason.REQUEST_MALFORMED

    @staticmethod
    def _account_with(monkeypatch: Any, node: HospitalNode, scene: Any, other: int, shift: int) -> None:
        """Let a node commit to its pair's mask with ``other``, and ``shift`` more in the first element."""
        honest = module.account_of
        liar, peer = node.dataset_id, scene.participants[other]

        def account_of(joined: Any, layout_hash: bytes, shape: Any, others: Any) -> MaskAccount:
            found = honest(joined, layout_hash, shape, others)
            if found.dataset_id != liar:
                return found
            points = list(read_points(shape, found.points[peer]))
            extra = multiply_sum(reference_string().lagrange[:1], [shift])
            points[0] = multiply_sum([points[0], extra], [1, 1])
            return replace(found, points=dict(found.points) | {peer: write_points(points)})

        monkeypatch.setattr(module, "account_of", account_of)


def _refuses(asked: Any) -> Any:
    raise SecAggError("not today")


class TestForgedRecords:
    """A record says what the chain says, or it is no record."""

    @pytest.fixture
    def record(self, bounded: Any) -> RoundRecord:
        with closing(bounded.grid()) as grid:
            return training(bounded, grid).round().record

    def test_another_configuration_is_refused(self, bounded: Any, record: RoundRecord) -> None:
        wide = replace(record, config=dict(record.config) | {BOUND_KEY: 5})
        with pytest.raises(FederatedError, match="approved with"):
            open_round(wide, bounded.registry)

    def test_other_participants_another_round_or_consortium_are_refused(self, bounded: Any, record: Any) -> None:
        for changed in (
            replace(record, participants=record.participants[::-1]),
            replace(record, n=2),
            replace(record, permit_id=99),
            replace(record, consortium="another"),
        ):
            with pytest.raises(FederatedError):
                open_round(changed, bounded.registry)

    def test_a_changed_vector_or_proof_names_its_hospital(self, bounded: Any, record: RoundRecord) -> None:
        two = bounded.participants[1]
        each = record.delivered[two]
        values = bytearray(each.values)
        values[31] ^= 1
        with pytest.raises(VectorRejected) as caught:
            open_round(_with(record, two, replace(each, values=bytes(values))), bounded.registry)
        assert caught.value.dataset_id == two
        proof = bytearray(each.proof)
        proof[-1] ^= 1
        # Not UpdateUnproved: the hospital recorded another proof, so somebody changed this one on its way.
        with pytest.raises(VectorRejected, match="not the one that the hospital recorded"):
            open_round(_with(record, two, replace(each, proof=bytes(proof))), bounded.registry)

    def test_a_hospital_left_out_or_too_few_shares_give_no_total(self, bounded: Any, record: RoundRecord) -> None:
        two = bounded.participants[1]
        for name in ("delivered", "shares"):
            left = {each: value for each, value in getattr(record, name).items() if each != two}
            changed = replace(record, **{name: left})
            if name == "delivered":
                with pytest.raises(VectorRejected, match="has not come"):
                    open_round(changed, bounded.registry)
            else:
                assert open_round(changed, bounded.registry).sum.recorded == bounded.participants
        with pytest.raises(SecAggError):
            open_round(replace(record, shares={}), bounded.registry)

    @pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b'{"format":"belmont-secure-round/1"}', b"\xff" * 40])
    def test_a_file_that_is_no_record_is_refused(self, data: bytes) -> None:
        with pytest.raises(FederatedError, match="no record"):
            RoundRecord.from_bytes(data)

    def test_a_file_has_one_encoding(self, record: RoundRecord) -> None:
        with pytest.raises(FederatedError, match="no record"):
            RoundRecord.from_bytes(record.to_bytes().replace(b'","', b'", "', 1))


def _with(record: RoundRecord, dataset_id: Any, delivered: Any) -> RoundRecord:
    return replace(record, delivered=dict(record.delivered) | {dataset_id: delivered})


def test_a_bounded_answer_that_comes_again_has_the_same_bytes(bounded: Any) -> None:
    with closing(bounded.grid()) as grid:
        trained = training(bounded, grid)
        trained.round()
    assert _updates(bounded, trained) == _updates(bounded, trained)


def test_what_a_bounded_hospital_sends_says_nothing_of_its_rows(bounded: Any) -> None:
    with closing(bounded.grid()) as grid:
        record = training(bounded, grid).round().record
    for each in record.delivered.values():
        words = [int.from_bytes(each.values[at : at + 32]) for at in range(0, len(each.values), 32)]
        assert len(set(words)) == len(words)
        assert sum(word > ORDER // 2 for word in words) > len(words) // 3
    assert len(list(bounded.registry.uses(bounded.permit))) == 4
    assert {use.kind for use in bounded.registry.uses(bounded.permit)} == {UseKind.ROUND}


def test_an_update_with_noise_is_proved_to_be_bounded_as_it_leaves(scene: Any) -> None:
    made_private(scene)
    bounds, _ = UpdateBounds.of(2_000.0, fraction_bits=STEPS.noise.fraction_bits)
    scene.config = glm_config(FEATURES, "cvd_event", private=STEPS, bounds=bounds)
    scene.permit = scene.issue(rho_per_dataset=10**8)
    with closing(scene.grid()) as grid:
        result = private_training(scene, grid).round()
    assert result.privacy is not None and result.metrics == {}
    opened = open_round(result.record, scene.registry)
    assert len(opened.updates) == 4
    assert np.abs(opened.total).max() <= 4 * bounds.bound


def test_noise_that_passes_the_bound_ends_no_round_and_every_round_is_charged(scene: Any) -> None:
    """Whether a noisy vector is within a tight bound depends on data: a round that failed there would tell for free."""
    made_private(scene)
    sigma = 2.0 * (10**6 / (2 * STEPS.noise.rho_per_round)) ** 0.5
    bounds, _ = UpdateBounds.of(0.7 * sigma, fraction_bits=STEPS.noise.fraction_bits)
    scene.config = glm_config(FEATURES, "cvd_event", private=STEPS, bounds=bounds)
    scene.permit = scene.issue(rho_per_dataset=10**8)
    with closing(scene.grid()) as grid:
        results = list(private_training(scene, grid).rounds(2))
    assert all(
        scene.registry.rho_spent(scene.permit, each) == 2 * STEPS.noise.rho_per_round for each in scene.participants
    )
    assert len(results) == 2


@given(
    st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=40),
    st.integers(1, 2**31 - 1),
    st.one_of(st.none(), st.integers(1, 2**62)),
)
def test_the_nearest_vector_is_within_the_bounds_and_one_within_is_its_own_nearest(
    numbers: list[int], bound: int, squares: int | None
) -> None:
    found = UpdateBounds(bound, squares).nearest(np.array(numbers, np.int64)).tolist()
    assert all(abs(x) <= bound for x in found)
    assert squares is None or sum(x * x for x in found) <= squares
    assert all(x * y >= 0 and abs(x) <= abs(y) for x, y in zip(found, numbers, strict=True))
    assert UpdateBounds(bound, squares).nearest(np.array(found, np.int64)).tolist() == found
