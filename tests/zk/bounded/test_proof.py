"""A proof of an update is accepted if its bounds hold, for its own statement, and for nothing else.

Dishonest provers commit to columns of their own making and run the real prover with ``check=False``.
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from py_arkworks_bls12381 import G1Point

from belmont.zk.bounded.proof import UpdateProof, proof_size, prove_update, verify_update
from belmont.zk.bounded.statement import UpdateStatement
from belmont.zk.bounded.update import (
    CommittedUpdate,
    columns_of,
    commit_columns,
    commit_update,
    commit_vector,
    sum_of_squares,
)
from belmont.zk.curve import COMPRESSED_BYTES, GENERATOR, IDENTITY, compressed, multiply_sum
from belmont.zk.errors import ProofMalformed, ProofRefused, UpdateError, WitnessError
from belmont.zk.field import ORDER, A, N, word
from belmont.zk.srs import reference_string
from belmont.zk.witness import new_seed

HOSPITALS = tuple(bytes([number]) * 32 for number in (7, 3, 9))
BOUND = 1_000
NORM = 20 * BOUND**2
HEAD = 15 + 2 + 32


def accepted(proof: UpdateProof, said: UpdateStatement) -> None:
    verify_update(UpdateProof.from_bytes(proof.to_bytes(), said), said)


def refused(update: CommittedUpdate) -> None:
    with pytest.raises(ProofRefused, match="V8"):
        verify_update(prove_update(update, check=False), update.statement)


# --- what is accepted ---


@given(st.integers(1, 60), st.sampled_from([1, 2, 127, 128, 1 << 16, 1 << 20]), st.booleans(), st.integers(0, 2**32))
@settings(max_examples=4, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_an_update_within_its_bounds_is_proven(rounds, dimension, bound, with_norm, seed):
    said = rounds.statement(dimension=dimension, bound=bound)
    values = rounds.vector(said, seed)
    if with_norm:
        said = replace(said, norm_squared=max(1, sum_of_squares(values)))
    accepted(prove_update(commit_update(said, values)), said)


def test_a_proof_comes_back_byte_for_byte(rounds):
    data = rounds.proven().to_bytes()
    again = UpdateProof.from_bytes(data, rounds.statement())
    assert again == rounds.proven() and again.to_bytes() == data
    assert len(data) == proof_size(rounds.statement().shape)


def test_several_chunks_are_proven_in_one_proof_and_by_two_processes(rounds):
    said = rounds.statement(**rounds.long)
    assert (said.shape.chunks, said.shape.slots) == (2, 4)
    accepted(rounds.proven(long=True), said)
    accepted(prove_update(rounds.committed(long=True), processes=2), said)


def test_the_commitment_is_to_the_packed_vector_and_the_blinding(rounds):
    for update, proof in (
        (rounds.committed(), rounds.proven()),
        (rounds.committed(long=True), rounds.proven(long=True)),
    ):
        shape, elements = update.statement.shape, update.opening.elements(update.statement.shape)
        points = verify_update(proof, update.statement).points
        assert points == update.commitment
        lagrange = reference_string().lagrange
        assert points == tuple(multiply_sum(lagrange, elements[c * N : (c + 1) * N]) for c in range(shape.chunks))


def test_blinding_is_fresh_at_every_commitment_and_proof(rounds):
    first, second = (commit_update(rounds.statement(), rounds.vector(rounds.statement())) for _ in range(2))
    assert not set(first.opening.blinding[0]) & set(second.opening.blinding[0])
    assert not set(map(compressed, first.columns)) & set(map(compressed, second.columns))
    one, two = prove_update(first), prove_update(first)
    for name in ("m", "h", "g", "q", "openings", "columns_at_zeta"):
        assert not set(map(str, getattr(one.argument, name))) & set(map(str, getattr(two.argument, name)))
    assert one.argument.u != two.argument.u and one.argument.phi != two.argument.phi


def test_with_a_root_the_same_update_is_committed_to_again_and_another_one_under_unrelated_blinding(rounds):
    root, values = b"r" * 32, rounds.vector(rounds.statement())
    first = commit_update(rounds.statement(), values, root=root)
    again = commit_update(rounds.statement(), values, root=root)
    assert again.columns == first.columns and again.opening.blinding == first.opening.blinding
    accepted(prove_update(again), rounds.statement())
    moved = values.copy()
    moved[7] += 1 if moved[7] < 0 else -1
    others = [
        commit_update(rounds.statement(), moved, root=root),
        commit_update(rounds.statement(round=5), values, root=root),
        commit_update(rounds.statement(), values, root=b"R" * 32),
        commit_update(rounds.statement(), values),
    ]
    for other in others:
        assert not set(other.opening.blinding[0]) & set(first.opening.blinding[0])
    for root in (b"", b"short", b"r" * 33):
        with pytest.raises(UpdateError, match="root"):
            commit_update(rounds.statement(), values, root=root)


def test_nothing_secret_is_shown(rounds):
    shown = repr(rounds.committed()) + repr(rounds.committed().opening) + str(rounds.committed())
    assert "not shown" in shown
    assert not any(str(x) in shown for x in rounds.committed().opening.blinding[0])
    assert str(rounds.vector(rounds.statement()).tolist()[2:5])[1:-1] not in shown
    assert "array" not in shown


# --- vectors out of bounds ---


@pytest.mark.parametrize("value", [BOUND + 1, -BOUND - 1, BOUND + 2, -(1 << 40), 1 << 40])
@pytest.mark.parametrize("place", [0, 19])
def test_a_coordinate_out_of_bounds_is_refused_by_one_and_by_far(rounds, value, place):
    values = rounds.vector(rounds.statement())
    values[place] = value
    with pytest.raises(WitnessError, match=f"coordinate {place} is not"):
        commit_update(rounds.statement(), values)
    outside = commit_vector(rounds.statement(), values)
    with pytest.raises(WitnessError):
        prove_update(outside)
    refused(outside)


def test_a_coordinate_that_is_out_of_bounds_modulo_r_only_is_refused(rounds):
    """-1001 as limbs r-1, 0: the commitment would be to a small number, the limb is not in its table."""
    values = rounds.vector(rounds.statement())
    codes = columns_of(rounds.statement().shape, values)
    codes[0][0][3] = np.uint64(2**64 - 1)
    refused(commit_columns(rounds.statement(), values, codes, new_seed()))


def test_a_coordinate_after_the_last_is_bounded_too(rounds):
    values, said = rounds.vector(rounds.statement()), rounds.statement()
    for beyond, fits in ((BOUND, True), (BOUND + 1, False)):
        wider = replace(said, dimension=30)
        longer = np.append(values, [0, 0, 0, beyond, 0, 0, 0, 0, 0, 0])
        codes = columns_of(wider.shape, longer)
        smuggled = commit_columns(said, values, codes, new_seed())
        if fits:  # the proof bounds it; a sum with it opens to nothing of 20 coordinates (test_bounded_sums.py)
            verify_update(prove_update(smuggled, check=False), said)
        else:
            refused(smuggled)


def test_the_last_chunk_is_bounded_as_the_first_is(rounds):
    said = rounds.statement(**rounds.long)
    for place in (0, 24_999):
        values = rounds.vector(said)
        values[place] = said.bound + 1
        refused(commit_vector(said, values))


# --- norms out of bounds ---


def test_the_sum_of_squares_is_bounded_exactly(rounds):
    values = rounds.vector(rounds.statement())
    squares = sum_of_squares(values)
    said = rounds.statement(norm_squared=squares)
    accepted(prove_update(commit_update(said, values)), said)
    tighter = rounds.statement(norm_squared=squares - 1)
    with pytest.raises(WitnessError, match="squares"):
        commit_update(tighter, values)
    outside = commit_vector(tighter, values)
    refused(outside)
    with pytest.raises(WitnessError):
        prove_update(outside)


def test_the_sum_of_squares_is_over_all_chunks(rounds):
    wide = {"dimension": 25_000, "bound": (1 << 31) - 1}
    values = np.zeros(25_000, np.int64)
    values[[0, 5_000, 24_999]] = (3, -4, 12)
    said = rounds.statement(norm_squared=169, **wide)
    assert said.shape.chunks == 2
    accepted(prove_update(commit_update(said, values)), said)
    refused(commit_vector(rounds.statement(norm_squared=168, **wide), values))


def with_norm_columns(rounds, change) -> CommittedUpdate:
    """An update of two slots whose sum of squares is one too much, with columns that `change` has made to fit."""
    said = rounds.statement(dimension=A + 5, norm_squared=999)
    values = np.zeros(A + 5, np.int64)
    values[0] = values[A + 1] = 30  # 1800
    values[1] = 1
    codes = columns_of(said.shape, values)
    change(codes[0], said.shape.square)
    return commit_columns(said, values, codes, new_seed())


NORM_LIES = {
    "e has the right total and is not the sum": lambda columns, e: columns[e].__setitem__(0, 99),
    "a square is smaller than it is": lambda columns, e: (
        columns[e].__setitem__(1, 99 - 1),
        columns[e + 1].__setitem__(1, 0),
    ),
    "a slack limb is not in its table": lambda columns, e: (
        columns[e].__setitem__(0, 0),
        columns[e + 2].__setitem__(0, 2**64 - 900),
    ),
}


@pytest.mark.parametrize("name", NORM_LIES)
def test_squares_that_do_not_add_up_are_refused(rounds, name):
    refused(with_norm_columns(rounds, NORM_LIES[name]))


def test_a_norm_proof_does_not_stand_for_another_bound(rounds):
    proof = rounds.proven(norm_squared=NORM)
    accepted(proof, rounds.statement(norm_squared=NORM))
    for other in (NORM - 1, NORM + 1):
        moved = rounds.statement(norm_squared=other)
        with pytest.raises(ProofRefused):
            verify_update(replace(proof, statement=moved), moved)


# --- other statements ---

OTHERS = {
    "consortium": "31337/0xc1",
    "permit_id": 3,
    "round": 5,
    "dataset": HOSPITALS[1],
    "participants": (HOSPITALS[0], HOSPITALS[2], HOSPITALS[1]),
    "layout_hash": b"L" * 32,
    "dimension": 21,
    "bound": BOUND + 1,
    "norm_squared": NORM,
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_proof_holds_for_its_own_statement_only(rounds, name):
    other = rounds.statement(**{name: OTHERS[name]})
    with pytest.raises(ProofRefused, match="V1"):
        verify_update(rounds.proven(), other)
    with pytest.raises(ProofRefused, match="V1"):
        UpdateProof.from_bytes(rounds.proven().to_bytes(), other)
    with pytest.raises(ProofRefused):
        verify_update(replace(rounds.proven(), statement=other), other)


def test_a_fourth_participant_makes_another_statement(rounds):
    wider = rounds.statement(participants=(*HOSPITALS, b"z" * 32))
    with pytest.raises(ProofRefused):
        verify_update(replace(rounds.proven(), statement=wider), wider)


@pytest.mark.parametrize(
    "change",
    [
        {"consortium": ""},
        {"consortium": "c" * 1025},
        {"permit_id": -1},
        {"round": 1 << 256},
        {"dataset": b"short"},
        {"dataset": b"x" * 32},
        {"layout_hash": b""},
        {"participants": ()},
        {"dimension": 20.0},
        {"bound": True},
        {"participants": (HOSPITALS[0], HOSPITALS[0])},
    ],
)
def test_impossible_statements_are_none(rounds, change):
    with pytest.raises(UpdateError):
        rounds.statement(**change)


def test_different_statements_have_different_words(rounds):
    ends = {rounds.statement(participants=HOSPITALS[:2]).words(), rounds.statement(participants=HOSPITALS).words()}
    moved = {rounds.statement(consortium=name, round=number).words() for name in ("a", "ab") for number in (0, 1)}
    assert len(ends | moved) == 6


# --- other commitments ---


def test_changed_commitments_are_refused(rounds):
    columns = rounds.proven().columns
    changes = [
        (columns[0] + GENERATOR, *columns[1:]),
        columns[::-1],
        rounds.proven(1).columns,
        (columns[0], columns[0]),
        (IDENTITY, columns[1]),
    ]
    for changed in changes:
        with pytest.raises(ProofRefused):
            verify_update(replace(rounds.proven(), columns=changed), rounds.statement())


def test_surplus_and_missing_points_and_scalars_are_refused(rounds):
    argument = rounds.proven().argument
    assert len(rounds.proven().columns) == 2
    for columns in (rounds.proven().columns[:1], (*rounds.proven().columns, GENERATOR), ()):
        with pytest.raises(ProofRefused, match="V2"):
            verify_update(replace(rounds.proven(), columns=columns), rounds.statement())
    for name in ("m", "h", "g", "q", "openings", "columns_at_zeta", "tables_at_zeta", "s_before", "s_linked"):
        held = getattr(argument, name)
        more = 0 if name.endswith("zeta") or name.startswith("s_") else GENERATOR
        for changed in ((*held, more), held[:-1]):
            if changed != held:
                with pytest.raises(ProofRefused, match="V2"):
                    verify_update(
                        replace(rounds.proven(), argument=replace(argument, **{name: changed})), rounds.statement()
                    )


def test_chunks_and_slots_in_another_order_are_refused(rounds):
    said, columns = rounds.statement(**rounds.long), rounds.proven(long=True).columns
    half, slot = len(columns) // 2, len(said.shape.limbs)
    for moved in (
        (*columns[half:], *columns[:half]),
        (*columns[slot : 2 * slot], *columns[:slot], *columns[2 * slot :]),
    ):
        with pytest.raises(ProofRefused, match="V8"):
            verify_update(replace(rounds.proven(long=True), columns=moved), said)


# --- bytes ---


def test_scalars_that_are_not_below_r_are_refused(rounds):
    data = rounds.proven().to_bytes()
    argument = rounds.proven().argument
    for value in argument.evaluations:
        at = data.index(word(value))
        with pytest.raises(ProofMalformed, match="not below r"):
            UpdateProof.from_bytes(data[:at] + word(value + ORDER) + data[at + 32 :], rounds.statement())
    high = replace(argument, phi_next=argument.phi_next + ORDER)
    with pytest.raises(ProofRefused, match="V3"):
        verify_update(replace(rounds.proven(), argument=high), rounds.statement())


def test_points_off_the_curve_or_the_subgroup_or_in_another_encoding_are_refused(rounds):
    data = rounds.proven().to_bytes()
    torsion = G1Point.from_compressed_bytes_unchecked(b"\x80" + bytes(47))  # (0, 2), of order 3: pairings do not see it
    for at in (HEAD, HEAD + COMPRESSED_BYTES, len(data) - COMPRESSED_BYTES):
        own = G1Point.from_compressed_bytes(data[at : at + COMPRESSED_BYTES])
        off_curve = next(x for k in range(1, 99) if not on_curve(x := b"\x80" + bytes(46) + bytes([k])))
        unreduced = (int.from_bytes(compressed(own), "big") | 1 << 382).to_bytes(48, "big")
        for point in (compressed(own + torsion), off_curve, unreduced, bytes(48), b"\xff" * 48):
            with pytest.raises(ProofMalformed):
                UpdateProof.from_bytes(data[:at] + point + data[at + COMPRESSED_BYTES :], rounds.statement())


def on_curve(data: bytes) -> bool:
    try:
        G1Point.from_compressed_bytes_unchecked(data)
    except ValueError:
        return False
    return True


def test_infinity_is_no_commitment(rounds):
    data = rounds.proven().to_bytes()
    infinity = data[:HEAD] + compressed(IDENTITY) + data[HEAD + COMPRESSED_BYTES :]
    with pytest.raises(ProofRefused, match="V3"):
        verify_update(UpdateProof.from_bytes(infinity, rounds.statement()), rounds.statement())


def test_bytes_cut_or_extended_anywhere_are_refused(rounds):
    data = rounds.proven().to_bytes()
    for end in (*range(0, len(data), 41), len(data) - 1):
        with pytest.raises(ProofMalformed):
            UpdateProof.from_bytes(data[:end], rounds.statement())
    for more in (b"\0", data, bytes(1 << 20)):
        with pytest.raises(ProofMalformed):
            UpdateProof.from_bytes(data + more, rounds.statement())


def test_every_byte_counts(rounds):
    data = rounds.proven().to_bytes()
    for at in range(0, len(data), 7):
        changed = bytearray(data)
        changed[at] ^= 1
        with pytest.raises((ProofMalformed, ProofRefused)):
            verify_update(UpdateProof.from_bytes(bytes(changed), rounds.statement()), rounds.statement())


@given(st.binary(max_size=2_000))
@settings(max_examples=100, deadline=None)
def test_random_bytes_are_refused(rounds, data):
    with pytest.raises(ProofMalformed):
        UpdateProof.from_bytes(data, rounds.statement())
    with pytest.raises(ProofMalformed):
        UpdateProof.from_bytes(rounds.proven().to_bytes()[:HEAD] + data, rounds.statement())


# --- what is no vector ---


@pytest.mark.parametrize(
    "values",
    [
        np.zeros(20),
        np.zeros(20, np.int32),
        np.zeros(20, np.uint64),
        np.zeros(19, np.int64),
        np.zeros((20, 1), np.int64),
        [0] * 20,
    ],
)
def test_something_else_than_enough_signed_integers_is_refused(rounds, values):
    with pytest.raises(UpdateError):
        commit_update(rounds.statement(), values)
