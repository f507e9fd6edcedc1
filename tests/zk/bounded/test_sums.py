"""A total is accepted if it is the sum of what the hospitals committed to: nothing changed, dropped or added.

Where there is an attack, it is shown to work on the unprotected form first.
"""

import secrets
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from belmont.zk.bounded import sums
from belmont.zk.bounded.encoding import (
    read_elements,
    read_opening,
    read_points,
    write_elements,
    write_opening,
    write_points,
)
from belmont.zk.bounded.proof import UpdateCommitment, UpdateProof, verify_update
from belmont.zk.bounded.sums import add_openings, add_updates, check_disclosure, check_sum, open_sum, opens
from belmont.zk.bounded.update import UpdateOpening, columns_of, commit_columns, commit_update
from belmont.zk.curve import IDENTITY, compressed
from belmont.zk.errors import ProofMalformed, ProofRefused, UpdateError, UpdateRefuted
from belmont.zk.field import ORDER, A, B, N, word
from belmont.zk.witness import new_seed


def total_of(rounds, long=False, hospitals=(0, 1, 2)) -> UpdateOpening:
    parts = [rounds.committed(i, long).opening for i in hospitals]
    return add_openings(rounds.committed(0, long).statement.shape, parts)


def summed_of(rounds, long=False, hospitals=(0, 1, 2)):
    return add_updates([rounds.verified(i, long) for i in hospitals])


def altered(opening, change) -> UpdateOpening:
    values = opening.vector.copy()
    change(values)
    return replace(opening, vector=values)


@pytest.mark.parametrize("long", [False, True])
def test_the_sum_of_all_updates_is_accepted(rounds, long):
    total = total_of(rounds, long)
    said = rounds.committed(0, long).statement
    assert np.array_equal(total.vector, sum(rounds.vector(said, seed) for seed in range(3)))
    check_sum(summed_of(rounds, long), total)


def test_elements_add_up_as_openings_do(rounds):
    shape = rounds.committed(0, True).statement.shape
    each = [rounds.committed(i, True).opening.elements(shape) for i in range(3)]
    summed = UpdateOpening.from_elements(shape, [sum(x) % ORDER for x in zip(*each, strict=True)])
    expected = total_of(rounds, True)
    assert np.array_equal(summed.vector, expected.vector) and summed.blinding == expected.blinding


def test_what_comes_out_of_aggregation_is_a_total_or_refuted(rounds):
    shape, summed, total = rounds.statement().shape, summed_of(rounds), total_of(rounds)
    elements = total.elements(shape)
    assert np.array_equal(open_sum(summed, elements), total.vector)
    noise = [secrets.randbelow(ORDER) for _ in elements]  # one hospital sent anything at all
    for false in (noise, elements[:-1], [*elements[:-1], ORDER], [elements[1], elements[0], *elements[2:]]):
        with pytest.raises(UpdateRefuted):
            open_sum(summed, false)


def test_the_order_of_hospitals_does_not_matter(rounds):
    forward, backward = summed_of(rounds), summed_of(rounds, hospitals=(2, 1, 0))
    assert forward == backward
    assert forward.hospitals == rounds.hospitals


@given(st.integers(0, 19), st.integers(-5, 5).filter(bool))
@settings(max_examples=10, deadline=None)
def test_a_total_with_one_coordinate_changed_is_refuted(rounds, place, change):
    false = altered(total_of(rounds), lambda values: values.__setitem__(place, values[place] + change))
    with pytest.raises(UpdateRefuted):
        check_sum(summed_of(rounds), false)


def test_a_total_that_is_moved_between_coordinates_or_chunks_is_refuted(rounds):
    for i, j in ((0, 1), (0, A), (3, 4 * A + 7)):
        false = altered(
            total_of(rounds, True), lambda v, i=i, j=j: (v.__setitem__(i, v[i] + 1), v.__setitem__(j, v[j] - 1))
        )
        with pytest.raises(UpdateRefuted):
            check_sum(summed_of(rounds, True), false)


def test_chunks_of_a_total_in_another_order_are_refuted(rounds):
    shape, elements = (
        rounds.committed(0, True).statement.shape,
        total_of(rounds, True).elements(rounds.committed(0, True).statement.shape),
    )
    swapped = UpdateOpening.from_elements(replace(shape, dimension=8 * A), [*elements[N:], *elements[:N]])
    false = UpdateOpening(swapped.vector[: shape.dimension], swapped.blinding)
    with pytest.raises(UpdateRefuted):
        check_sum(summed_of(rounds, True), false)


def test_other_blinding_is_refuted(rounds):
    total = total_of(rounds)
    rows = total.blinding[0]
    for changed in (((rows[0] + 1) % ORDER, *rows[1:]), rows[::-1], (0,) * B):
        with pytest.raises(UpdateRefuted):
            check_sum(summed_of(rounds), replace(total, blinding=(changed,)))


def test_a_hospital_dropped_or_added_is_refuted(rounds):
    with pytest.raises(UpdateRefuted):
        check_sum(summed_of(rounds), total_of(rounds, hospitals=(0, 1)))
    two = summed_of(rounds, hospitals=(0, 1))
    with pytest.raises(UpdateRefuted):
        check_sum(two, total_of(rounds))
    check_sum(two, total_of(rounds, hospitals=(0, 1)))


def test_a_total_beyond_what_so_many_hospitals_can_have_is_none(rounds):
    most = 3 * rounds.bound
    for value in (most + 1, -most - 1):
        with pytest.raises(UpdateRefuted, match="not from"):
            check_sum(summed_of(rounds), altered(total_of(rounds), lambda v, value=value: v.__setitem__(0, value)))


def test_updates_of_different_rounds_do_not_add(rounds):
    other = rounds.statement(1, round=5)
    with pytest.raises(UpdateError, match="one round"):
        add_updates([rounds.verified(0), UpdateCommitment(other, rounds.verified(1).points)])
    with pytest.raises(UpdateError, match="twice"):
        add_updates([rounds.verified(0), rounds.verified(0)])
    with pytest.raises(UpdateError, match="no update"):
        add_updates([])


def test_a_copy_of_another_hospitals_update_has_no_proof(rounds):
    """Whoever sends the same commitments, or their negatives, would add to or cancel what it does not know."""
    copied = replace(rounds.proven(0), statement=rounds.statement(1))
    with pytest.raises(ProofRefused):
        verify_update(copied, rounds.statement(1))
    cancelling = replace(copied, columns=tuple(-point for point in copied.columns))
    with pytest.raises(ProofRefused):
        verify_update(cancelling, rounds.statement(1))


def test_commitments_without_proof_would_let_a_hospital_cancel_another(rounds):
    """What the proof is against: the last hospital's point is minus another's, plus what it wants the sum to be."""
    own, victim = rounds.verified(1), rounds.verified(0)
    rogue = UpdateCommitment(rounds.statement(2), tuple(a + -b for a, b in zip(own.points, victim.points, strict=True)))
    unprotected = add_updates([victim, rogue])
    check_sum(unprotected, rounds.committed(1).opening)  # the victim is gone from the sum
    proof = replace(
        rounds.proven(2),
        columns=tuple(a + -b for a, b in zip(rounds.proven(1).columns, rounds.proven(0).columns, strict=True)),
    )
    with pytest.raises(ProofRefused):
        verify_update(proof, rounds.statement(2))


def test_numbers_in_the_padding_spoil_no_total_and_are_found_by_disclosure(rounds):
    """Whoever could make the sum fail that way would do so unnamed, since its masked elements fit its commitment."""
    said, wider = rounds.statement(1), rounds.statement(1, dimension=30)
    values = rounds.vector(said)
    longer = np.append(values, np.full(10, 7))
    smuggled = commit_columns(said, values, columns_of(wider.shape, longer), new_seed())
    update = UpdateCommitment(said, smuggled.commitment)
    summed = add_updates([rounds.verified(0), update, rounds.verified(2)])
    parts = [rounds.committed(0).opening, smuggled.opening, rounds.committed(2).opening]
    with pytest.raises(UpdateRefuted):
        check_sum(summed, add_openings(said.shape, parts))
    with pytest.raises(UpdateRefuted):
        check_disclosure(update, smuggled.opening)
    elements = [part.elements(said.shape) for part in parts]
    elements[1] = replace(smuggled.opening, vector=longer).elements(wider.shape)
    added = [sum(each) % ORDER for each in zip(*elements, strict=True)]
    assert np.array_equal(open_sum(summed, added), sum(part.vector for part in parts))
    added[25] = (added[25] + 1) % ORDER  # the padding is opened with the rest all the same
    with pytest.raises(UpdateRefuted):
        open_sum(summed, added)


# --- several chunks are opened together ---


def test_a_verifier_whose_number_is_known_accepts_a_false_total_and_ours_does_not(rounds, monkeypatch):
    """What chunk 1 has too much, chunk 0 has too little, times the verifier's number. (u' before pi, in zk.md.)"""
    shape, summed, total = rounds.committed(0, True).statement.shape, summed_of(rounds, True), total_of(rounds, True)
    elements = total.elements(shape)
    known = 5
    elements[N] = (elements[N] - 1) % ORDER
    elements[0] = (elements[0] + known) % ORDER
    false = UpdateOpening.from_elements(shape, elements)
    assert not np.array_equal(false.vector, total.vector)
    with monkeypatch.context() as unprotected:
        unprotected.setattr(sums.secrets, "randbelow", lambda below: known)
        check_sum(summed, false)
    with pytest.raises(UpdateRefuted):
        check_sum(summed, false)


def test_the_verifiers_number_comes_from_the_system(rounds, monkeypatch):
    drawn = []
    real = secrets.randbelow
    monkeypatch.setattr(sums.secrets, "randbelow", lambda below: drawn.append(real(below)) or drawn[-1])
    for _ in range(2):
        check_sum(summed_of(rounds), total_of(rounds))
    assert len(set(drawn)) == 2 and all(0 <= x < ORDER for x in drawn)


def test_lengths_have_to_fit(rounds):
    points, elements = summed_of(rounds).points, total_of(rounds).elements(rounds.statement().shape)
    for given_points, given_elements in (((), ()), (points, elements[:-1]), ((*points, IDENTITY), elements)):
        with pytest.raises(UpdateError):
            opens(given_points, given_elements)


# --- disclosure ---


def test_a_hospitals_own_opening_is_its_disclosure_and_no_other(rounds):
    for i in range(3):
        check_disclosure(rounds.verified(i), rounds.committed(i).opening)
        with pytest.raises(UpdateRefuted):
            check_disclosure(rounds.verified(i), rounds.committed((i + 1) % 3).opening)
    false = altered(rounds.committed(0).opening, lambda v: v.__setitem__(3, v[3] - np.sign(v[3])))
    with pytest.raises(UpdateRefuted):
        check_disclosure(rounds.verified(0), false)
    with pytest.raises(UpdateError):
        check_disclosure(rounds.verified(0), altered(false, lambda v: v.__setitem__(3, rounds.bound + 1)))


# --- encodings ---


@pytest.mark.parametrize("long", [False, True])
def test_openings_and_points_come_back_byte_for_byte(rounds, long):
    shape = rounds.committed(0, long).statement.shape
    for opening in (rounds.committed(0, long).opening, total_of(rounds, long)):
        data = write_opening(shape, opening)
        assert len(data) == shape.chunks * N * 32
        again = read_opening(shape, data)
        assert np.array_equal(again.vector, opening.vector) and again.blinding == opening.blinding
        assert write_opening(shape, again) == data
    points = write_points(rounds.verified(0, long).points)
    assert write_points(read_points(shape, points)) == points


def test_what_is_no_opening_is_refused(rounds):
    shape = rounds.statement().shape
    data = write_opening(shape, rounds.committed().opening)
    packed_beyond = 3 * rounds.bound + 1
    for bad in (
        data[:-1],
        data + b"\0",
        b"",
        word(ORDER) + data[32:],
        word(ORDER // 2) + data[32:],
        word(packed_beyond) + data[32:],
        data[: 32 * 20] + word(1) + data[32 * 21 :],  # a coordinate after the last
        data[:-32] + b"\xff" * 32,
    ):
        with pytest.raises(ProofMalformed):
            read_opening(shape, bad)
    for bad in (b"", bytes(48), compressed(IDENTITY)[:-1], write_points(rounds.verified().points) * 2):
        with pytest.raises(ProofMalformed):
            read_points(shape, bad)
    with pytest.raises(ProofMalformed):
        read_elements(shape, write_elements([1, 2, 3]))


@given(st.binary(max_size=300))
@settings(max_examples=50, deadline=None)
def test_random_bytes_are_no_opening(rounds, data):
    for read in (read_opening, read_elements, read_points):
        with pytest.raises(ProofMalformed):
            read(rounds.statement().shape, data)


@pytest.mark.parametrize(
    "change",
    [
        lambda opening: replace(opening, vector=opening.vector.astype(np.float64)),
        lambda opening: replace(opening, vector=opening.vector[:-1]),
        lambda opening: replace(opening, blinding=()),
        lambda opening: replace(opening, blinding=(opening.blinding[0][:-1],)),
        lambda opening: replace(opening, blinding=((ORDER, *opening.blinding[0][1:]),)),
        lambda opening: replace(opening, blinding=((1.0, *opening.blinding[0][1:]),)),
    ],
)
def test_what_is_no_opening_of_this_shape_is_refused(rounds, change):
    with pytest.raises(UpdateError):
        check_sum(summed_of(rounds), change(total_of(rounds)))
    with pytest.raises(UpdateError):
        add_openings(rounds.statement().shape, [change(total_of(rounds))])


@given(st.integers(1, 12), st.sampled_from([1, 100, 1 << 20]), st.integers(1, 5), st.integers(0, 2**32))
@settings(max_examples=4, deadline=None)
def test_commitments_of_any_round_add(rounds, dimension, bound, hospitals, seed):
    names = tuple(bytes([i]) * 32 for i in range(hospitals))
    said = rounds.statement(dataset=names[0], participants=names, dimension=dimension, bound=bound)
    updates = [commit_update(said.of(name), rounds.vector(said, seed + i)) for i, name in enumerate(names)]
    summed = add_updates([UpdateCommitment(each.statement, each.commitment) for each in updates])
    check_sum(summed, add_openings(said.shape, [each.opening for each in updates]))


def test_a_proof_read_from_bytes_gives_the_commitment_that_adds(rounds):
    again = [UpdateProof.from_bytes(rounds.proven(i).to_bytes(), rounds.statement(i)) for i in range(3)]
    summed = add_updates([verify_update(proof, rounds.statement(i)) for i, proof in enumerate(again)])
    check_sum(summed, total_of(rounds))
