"""Rows and seed determine a table's root; rows that a proof could not be made of are refused before anything else."""

from hashlib import sha256

import numpy as np
import pytest

from belmont.zk.commitment import column_hash, commit_table, root_of
from belmont.zk.curve import wide
from belmont.zk.errors import CommitmentMismatch, WitnessError
from belmont.zk.evaluations import commit
from belmont.zk.field import ORDER, A, B
from belmont.zk.totals import check_total, total_holds
from belmont.zk.witness import new_seed, zero_sum_blinding

SEED = bytes(32)


def test_the_same_rows_and_seed_give_the_same_root(small_layout, rows_of, small_table):
    again = commit_table(small_layout, *rows_of(small_layout, 50), seed=SEED)
    assert again.root == small_table.root
    again.check(small_table.root)


def test_another_seed_gives_other_commitments_everywhere(small_layout, rows_of, small_table):
    other = commit_table(small_layout, *rows_of(small_layout, 50))
    assert not set(map(wide, other.of_chunks(0, 1))) & set(map(wide, small_table.of_chunks(0, 1)))
    assert other.seed != commit_table(small_layout, *rows_of(small_layout, 50)).seed


def test_one_code_or_pseudonym_changed_gives_another_root(small_layout, rows_of, small_table):
    codes, pseudonyms = rows_of(small_layout, 50)
    codes[0][7] ^= 1
    changed = commit_table(small_layout, codes, pseudonyms, seed=SEED)
    with pytest.raises(CommitmentMismatch):
        changed.check(small_table.root)
    assert [a == b for a, b in zip(changed.column_hashes, small_table.column_hashes, strict=True)].count(False) == 1
    codes[0][7] ^= 1
    pseudonyms[49] += 1
    assert commit_table(small_layout, codes, pseudonyms, seed=SEED).root != small_table.root


def test_the_root_is_the_protocols(small_table, long_table):
    fold = bytes(32)
    for point in long_table.commitments[2]:
        fold = sha256(fold + wide(point)).digest()
    assert column_hash(long_table.commitments[2]) == long_table.column_hashes[2] == fold
    words = (12).to_bytes(32, "big") + (3).to_bytes(32, "big")
    assert long_table.root == sha256(words + b"".join(long_table.column_hashes)).digest()
    assert root_of(1, small_table.column_hashes) != root_of(2, small_table.column_hashes)


def test_a_commitment_is_to_codes_and_blinding(small_table):
    for j in (0, 2, 5):
        column = small_table.witness[0][j]
        assert small_table.commitments[j][0] == commit(column.values())


def test_blinding_is_64_values_that_add_up_to_zero_and_differ_by_column_and_chunk():
    seed = new_seed()
    drawn = [zero_sum_blinding(seed, column, chunk) for column, chunk in ((0, 0), (0, 1), (1, 0))]
    assert all(len(each) == B and sum(each) % ORDER == 0 for each in drawn)
    assert len(set(drawn)) == 3
    assert zero_sum_blinding(seed, 1, 0) == drawn[2] != zero_sum_blinding(new_seed(), 1, 0)


def test_every_total_is_the_value_at_zero(long_table):
    for column in (0, 2, 4):
        expected = sum(int(chunk[column].codes.sum()) for chunk in long_table.witness)
        total, opening = long_table.open_total(column)
        assert total == expected
        check_total([long_table.column_commitment(column)], [opening], total, A * 3 * 9)
        assert not total_holds([long_table.column_commitment(column)], [opening], total + 1, A * 3 * 9)


def test_padding_is_absent_and_the_pseudonym_goes_on(small_table):
    chunk = small_table.witness[0]
    s = small_table.layout.pseudonym
    for j, column in enumerate(chunk):
        assert column.codes.shape == (A,)
        assert set(column.codes[50:].tolist()) == ({int(column.codes[49])} if j == s else {0})
    limbs = sum(int(chunk[s + 1 + i].codes[3]) << 11 * i for i in range(6))
    assert int(chunk[s].codes[3]) == int(chunk[s].codes[2]) + 1 + limbs


def changed(codes, pseudonyms, column, row, value):
    codes = [each.copy() for each in codes]
    codes[column][row] = value
    return codes, pseudonyms


@pytest.mark.parametrize(
    ("column", "row", "value"),
    [(0, 0, 2), (0, 3, -1), (1, 9, 0), (1, 49, 6), (2, 1, 10), (2, 1, -1)],
    ids=["bit 2", "bit -1", "0 in a range", "over W", "over an optional W", "negative"],
)
def test_codes_outside_the_layout_are_refused_by_column_and_row(small_layout, rows_of, column, row, value):
    with pytest.raises(WitnessError, match=f"column {column}, row {row}:"):
        commit_table(small_layout, *changed(*rows_of(small_layout, 50), column, row, value))


@pytest.mark.parametrize("pseudonyms", [[0, 1, 2], [1, 1, 2], [2, 1, 3]], ids=["zero", "twice", "unsorted"])
def test_pseudonyms_that_are_not_distinct_ascending_and_positive_are_refused(small_layout, rows_of, pseudonyms):
    codes, _ = rows_of(small_layout, 3)
    with pytest.raises(WitnessError, match="pseudonyms"):
        commit_table(small_layout, codes, np.array(pseudonyms, np.uint64))


def test_the_largest_pseudonym_is_allowed(small_layout, rows_of):
    codes, _ = rows_of(small_layout, 2)
    assert commit_table(small_layout, codes, np.array([1, 2**64 - 1], np.uint64)).rows == 2


def test_missing_rows_and_columns_are_refused(small_layout, rows_of):
    codes, pseudonyms = rows_of(small_layout, 5)
    for wrong in (
        (codes[:2], pseudonyms),
        ([*codes, codes[0]], pseudonyms),
        (codes, pseudonyms[:4]),
        ([], codes[0][:0]),
    ):
        with pytest.raises(WitnessError):
            commit_table(small_layout, *wrong)
    with pytest.raises(CommitmentMismatch, match="32 bytes"):
        commit_table(small_layout, codes, pseudonyms, seed=b"short")


def test_progress_is_told(small_layout, rows_of):
    heard = []
    commit_table(small_layout, *rows_of(small_layout, 4033), tell=lambda done, of: heard.append((done, of)))
    assert heard[-1] == (24, 24)
