"""Openings at zero: what they prove, alone and together, and what they give away unmasked or masked twice."""

import secrets
from dataclasses import dataclass

import numpy as np
import pytest

from belmont.zk.commitment import CommittedTable, column_hash, commit_table, root_of
from belmont.zk.curve import GENERATOR, IDENTITY, add_all, multiply
from belmont.zk.errors import CommitmentMismatch, TotalError, TotalRefuted
from belmont.zk.field import ORDER, N, interpolate
from belmont.zk.layout import ColumnKind, Kind, Layout
from belmont.zk.totals import (
    Opening,
    add_openings,
    check_membership,
    check_total,
    mask_point,
    open_at_zero,
    total_holds,
)

LAYOUT = Layout((ColumnKind(Kind.BIT, 1), ColumnKind(Kind.RANGE_OR_MISSING, 50)))
OBSERVED, VALUE = 2, 3
ROWS = (4_100, 30, 77)
BOUND = 50 * sum(ROWS)


@dataclass(frozen=True)
class Party:
    table: CommittedTable
    total: int
    opening: Opening

    @property
    def commitment(self):
        return self.table.column_commitment(VALUE)


def party(rows: int, seed: int) -> Party:
    random = np.random.default_rng(seed)
    codes = random.integers(0, 51, rows)
    codes[:3] = 0
    table = commit_table(LAYOUT, [random.integers(0, 2, rows), codes], np.arange(1, rows + 1, dtype=np.uint64))
    return Party(table, int(codes.sum()), Opening(*table.open_total(VALUE)))


@pytest.fixture(scope="module")
def parties():
    """The first has two chunks."""
    return [party(rows, seed) for seed, rows in enumerate(ROWS)]


def masks(count: int) -> list[int]:
    """Scalars that add up to zero: each pair's added by one and subtracted by the other."""
    out = [0] * count
    for i in range(count):
        for j in range(i + 1, count):
            scalar = secrets.randbelow(ORDER)
            out[i], out[j] = out[i] + scalar, out[j] - scalar
    return out


def test_one_opening_proves_a_columns_total_over_all_of_its_chunks(parties):
    for each in parties:
        assert each.opening.total == each.total
        assert total_holds([each.commitment], [each.opening.proof], each.total, BOUND)
        check_total([each.commitment], [each.opening.proof], each.total, BOUND)


def test_the_number_of_rows_and_of_rows_with_a_value_are_totals_too(parties):
    table = parties[1].table
    rows, present = table.open_total(0)
    observed, there = table.open_total(OBSERVED)
    assert rows == ROWS[1] and total_holds([table.column_commitment(0)], [present], rows, rows)
    assert observed < rows and total_holds([table.column_commitment(OBSERVED)], [there], observed, rows)


def test_commitments_and_masked_openings_add_up_over_hospitals(parties):
    total = sum(each.total for each in parties)
    masked = [each.opening.proof + mask_point([mask]) for each, mask in zip(parties, masks(3), strict=True)]
    commitments = [each.commitment for each in parties]
    assert total_holds(commitments, masked, total, BOUND)
    for wrong in (total + 1, total - 1, total + ORDER, total - ORDER, -total, 0):
        assert not total_holds(commitments, masked, wrong, BOUND)
        with pytest.raises(TotalRefuted):
            check_total(commitments, masked, wrong, BOUND)
    assert not total_holds(commitments[:2], masked, total, BOUND)
    assert not total_holds(commitments, masked[:2], total, BOUND)
    assert add_openings(each.opening for each in parties) == Opening(
        total, add_all([each.opening.proof for each in parties])
    )


def test_a_total_above_its_bound_is_refused_even_if_its_opening_holds(parties):
    one = parties[1]
    assert not total_holds([one.commitment], [one.opening.proof], one.total, one.total - 1)
    negative = open_at_zero(interpolate([ORDER - 5] + [0] * (N - 1)))
    assert negative.total == ORDER - 5
    assert not total_holds([IDENTITY], [negative.proof], ORDER - 5, BOUND)
    with pytest.raises(TotalRefuted):
        check_total([one.commitment], [one.opening.proof], one.total, ORDER)


def test_nothing_proves_nothing(parties):
    with pytest.raises(TotalError):
        total_holds([], [], 0, 10)
    with pytest.raises(TotalError):
        total_holds([parties[0].commitment], [], 0, 10)
    with pytest.raises(TotalError):
        open_at_zero([])
    with pytest.raises(TotalError):
        open_at_zero([0] * (N + 1))


def test_blinding_that_does_not_add_up_to_zero_changes_the_total():
    """Why a version has to be proven before its totals count: the proof says that the blinding cancels."""
    honest = open_at_zero(interpolate([3, 4] + [0] * (N - 2)))
    shifted = open_at_zero(interpolate([3, 4] + [0] * (N - 3) + [100]))
    assert (honest.total, shifted.total) == (7, 107)


class TestGuessing:
    """An observer tries every total that a small hospital can have."""

    def fitting(self, commitment, opening):
        return [guess for guess in range(50 * ROWS[1] + 1) if total_holds([commitment], [opening], guess, BOUND)]

    def test_an_unmasked_opening_fits_the_true_total_only(self, parties):
        one = parties[1]
        around = range(one.total - 20, one.total + 20)
        assert [t for t in around if total_holds([one.commitment], [one.opening.proof], t, BOUND)] == [one.total]

    def test_a_masked_one_fits_none(self, parties):
        one = parties[1]
        masked = one.opening.proof + mask_point([masks(3)[1]])
        assert self.fitting(one.commitment, masked) == []

    def test_one_mask_for_two_answers_gives_their_difference_away(self, parties):
        """What the ledger prevents: two openings under one mask (the attack of attacks_on_totals.py)."""
        first, second = parties[1], parties[2]
        mask = mask_point([secrets.randbelow(ORDER)])
        reused = first.opening.proof + mask, second.opening.proof + mask
        fresh = first.opening.proof + mask, second.opening.proof + mask_point([secrets.randbelow(ORDER)])
        truth = second.total - first.total

        def confirmed(openings, guess):
            difference = second.commitment + multiply(first.commitment, -1)
            return total_holds([difference], [openings[1] + multiply(openings[0], -1)], guess, BOUND)

        guesses = range(max(truth - 10, 0), truth + 10)
        assert [guess for guess in guesses if confirmed(reused, guess)] == [truth]
        assert [guess for guess in guesses if confirmed(fresh, guess)] == []


def test_masks_of_no_weight_leave_the_opening_as_it_is():
    assert mask_point([5, ORDER - 5]) == IDENTITY == mask_point([])
    assert mask_point([1]) == GENERATOR


class TestMembership:
    """A column's commitments count if they stand, all of them and at their place, under the root."""

    @pytest.fixture
    def given(self, parties):
        table = parties[0].table
        return [(VALUE, table.commitments[VALUE])], list(table.column_hashes), table.chunks, table.root

    def test_those_of_the_root_are_accepted(self, given):
        check_membership(*given)

    @pytest.mark.parametrize(
        "change",
        [
            lambda columns, hashes, chunks, root: (columns, hashes, chunks, bytes(32)),
            lambda columns, hashes, chunks, root: (columns, hashes, chunks + 1, root),
            lambda columns, hashes, chunks, root: (columns, hashes, 0, root),
            lambda columns, hashes, chunks, root: (columns, hashes[:-1], chunks, root),
            lambda columns, hashes, chunks, root: (columns, [*hashes, bytes(32)], chunks, root),
            lambda columns, hashes, chunks, root: (columns, hashes[::-1], chunks, root),
            lambda columns, hashes, chunks, root: (columns, [], chunks, root),
            lambda columns, hashes, chunks, root: (columns, [each + b"\0" for each in hashes], chunks, root),
            lambda columns, hashes, chunks, root: ([(OBSERVED, columns[0][1])], hashes, chunks, root),
            lambda columns, hashes, chunks, root: ([(-1, columns[0][1])], hashes, chunks, root),
            lambda columns, hashes, chunks, root: ([(99, columns[0][1])], hashes, chunks, root),
            lambda columns, hashes, chunks, root: ([(VALUE, columns[0][1][:1])], hashes, chunks, root),
            lambda columns, hashes, chunks, root: ([(VALUE, columns[0][1][::-1])], hashes, chunks, root),
            lambda columns, hashes, chunks, root: ([(VALUE, (*columns[0][1], IDENTITY))], hashes, chunks, root),
            lambda columns, hashes, chunks, root: ([(VALUE, (GENERATOR, columns[0][1][1]))], hashes, chunks, root),
        ],
    )
    def test_anything_else_is_refused(self, given, change):
        with pytest.raises(CommitmentMismatch):
            check_membership(*change(*given))

    def test_a_column_cannot_pass_for_two_by_moving_chunks(self, parties):
        """The number of chunks is in the root, so that hashes over fewer points never fit."""
        point = parties[1].commitment
        one, two = column_hash([point]), column_hash([point, point])
        assert root_of(1, [one]) != root_of(2, [two]) != root_of(1, [two])
