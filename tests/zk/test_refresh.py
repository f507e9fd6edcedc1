"""Fresh blinding is proven to cover the same rows, and nothing else passes for it."""

from dataclasses import replace

import pytest

from belmont.zk import refresh
from belmont.zk.commitment import commit_columns, commit_table
from belmont.zk.curve import GENERATOR, IDENTITY
from belmont.zk.errors import CommitmentMismatch, ProofMalformed, ProofRefused, WitnessError
from belmont.zk.field import ORDER
from belmont.zk.layout import ColumnKind, Kind, Layout
from belmont.zk.refresh import RefreshProof, prove_refresh, refresh_table, verify_refresh
from belmont.zk.validity import prove_part
from belmont.zk.verifiers import native

SAID = {"chain_id": 1337, "contract": b"c" * 20, "owner": b"o" * 20, "dataset": b"d" * 32}
RANGE = 2


def stated(old, new):
    return refresh.statement_of(old, new, **SAID, old_version=1, new_version=2)


def forged(old, new):
    """A proof of what is not so."""
    statement = stated(old, new)
    return prove_refresh(old, new, statement, check=False), statement


@pytest.fixture(scope="module")
def fresh(long_table):
    return refresh_table(long_table)


@pytest.fixture(scope="module")
def proof(long_table, fresh):
    return prove_refresh(long_table, fresh, stated(long_table, fresh))


def with_column(table, j, column):
    """The table with another column in chunk 0."""
    chunk = (*table.witness[0][:j], column, *table.witness[0][j + 1 :])
    points = (column.commitment(), *table.commitments[j][1:])
    commitments = (*table.commitments[:j], points, *table.commitments[j + 1 :])
    return replace(table, witness=(chunk, *table.witness[1:]), commitments=commitments)


def test_the_same_rows_under_fresh_blinding_are_proven(long_table, fresh, proof):
    verify_refresh(proof, stated(long_table, fresh))
    assert fresh.seed != long_table.seed and fresh.root != long_table.root
    pairs = zip(fresh.of_chunks(0, 3), long_table.of_chunks(0, 3), strict=True)
    assert all(new != old for new, old in pairs)


def test_a_refreshed_table_is_a_table(small_table, statement_of):
    again = refresh_table(small_table)
    native.verify(prove_part(again, statement_of(again)))
    assert again.open_total(RANGE)[0] == small_table.open_total(RANGE)[0]


def test_an_encoding_comes_back_byte_for_byte(proof):
    data = proof.to_bytes()
    again = RefreshProof.from_bytes(data)
    assert again.to_bytes() == data
    verify_refresh(again, proof.statement)


def test_every_other_length_is_malformed(proof):
    data = proof.to_bytes()
    for wrong in (b"", data[:-1], data + b"\0", data[1:], data[:20]):
        with pytest.raises(ProofMalformed):
            RefreshProof.from_bytes(wrong)


def test_a_flipped_byte_is_malformed_or_refused(proof):
    data = proof.to_bytes()
    layout_end = 18 + len(proof.statement.layout.to_bytes()) + 2
    for at in (0, 16, 18, layout_end + 31, layout_end + 40, layout_end + 100, layout_end + 120, 500, len(data) - 1):
        changed = bytearray(data)
        changed[at] ^= 1
        with pytest.raises((ProofMalformed, ProofRefused)):
            verify_refresh(RefreshProof.from_bytes(bytes(changed)), proof.statement)


def test_one_row_changed_is_refused(small_layout, rows_of, small_table):
    codes, pseudonyms = rows_of(small_layout, 50)
    codes[0][7] ^= 1
    changed = commit_table(small_layout, codes, pseudonyms)
    with pytest.raises(WitnessError, match="rows have changed"):
        prove_refresh(small_table, changed, stated(small_table, changed))
    with pytest.raises(ProofRefused, match="V8"):
        verify_refresh(*forged(small_table, changed))


def test_blinding_that_does_not_add_up_to_zero_is_refused(small_table):
    fresh = refresh_table(small_table)
    column = fresh.witness[0][RANGE]
    shifted = replace(column, blinding=((column.blinding[0] + 1) % ORDER, *column.blinding[1:]))
    with pytest.raises(ProofRefused, match="V8"):
        verify_refresh(*forged(small_table, with_column(fresh, RANGE, shifted)))


def test_shifts_that_cancel_between_columns_are_refused(small_table):
    """rho keeps the columns apart: two wrong sums that add up to zero together are still wrong."""
    fresh = refresh_table(small_table)
    for j, by in ((1, 1), (RANGE, -1)):
        column = fresh.witness[0][j]
        shifted = replace(column, blinding=((column.blinding[0] + by) % ORDER, *column.blinding[1:]))
        fresh = with_column(fresh, j, shifted)
    with pytest.raises(ProofRefused, match="V8"):
        verify_refresh(*forged(small_table, fresh))


def test_swapped_columns_and_chunks_are_refused(small_table, long_table):
    columns = [chunk.codes for chunk in small_table.witness[0]]
    columns[RANGE], columns[4] = columns[4], columns[RANGE]
    swapped = commit_columns(small_table.layout, 50, columns, b"s" * 32)
    with pytest.raises(ProofRefused, match="V8"):
        verify_refresh(*forged(small_table, swapped))
    fresh = refresh_table(long_table)
    turned = replace(
        fresh,
        witness=(fresh.witness[1], fresh.witness[0], fresh.witness[2]),
        commitments=tuple((b, a, c) for a, b, c in fresh.commitments),
    )
    with pytest.raises(ProofRefused, match="V8"):
        verify_refresh(*forged(long_table, turned))


OTHERS = {
    "chain_id": 1,
    "contract": b"C" * 20,
    "owner": b"O" * 20,
    "dataset": b"D" * 32,
    "layout": Layout((ColumnKind(Kind.BIT, 1), ColumnKind(Kind.RANGE, 6), ColumnKind(Kind.RANGE_OR_MISSING, 9))),
    "old_version": 3,
    "new_version": 3,
    "old_root": b"\1" * 32,
    "new_root": b"\1" * 32,
    "chunks": 2,
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_proof_is_for_its_own_dataset_contract_chain_and_versions(proof, name):
    other = replace(proof.statement, **{name: OTHERS[name]})
    with pytest.raises(ProofRefused, match="V1"):
        verify_refresh(proof, other)
    with pytest.raises(ProofRefused):
        verify_refresh(replace(proof, statement=other), other)


def test_other_points_are_refused(proof):
    for change in (
        {"quotient": GENERATOR},
        {"at_zeta": proof.at_zero},
        {"at_zero": IDENTITY},
        {"new": proof.old},
        {"old": proof.old[:-1]},
        {"old": proof.new, "new": proof.old},
    ):
        with pytest.raises(ProofRefused):
            verify_refresh(replace(proof, **change), proof.statement)


def test_blinding_that_is_not_fresh_is_refused_by_both(small_table):
    with pytest.raises(CommitmentMismatch, match="nothing would be fresh"):
        prove_refresh(small_table, small_table, stated(small_table, small_table))
    with pytest.raises(ProofRefused, match="nothing has changed"):
        verify_refresh(*forged(small_table, small_table))


def test_tables_of_other_sizes_have_no_proof(small_table, long_table):
    with pytest.raises(WitnessError, match="different numbers"):
        prove_refresh(small_table, long_table, stated(small_table, long_table))
