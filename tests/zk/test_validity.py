"""A validity proof is accepted if the rows are as stated, and for nothing else.

Dishonest provers here commit to columns of their own making and run the real prover with ``check=False``; those that
also lie in the transcript or in single fields are in tests/vectors (test_reference.py).
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from belmont.zk.commitment import commit_columns, commit_table, committed_columns
from belmont.zk.errors import ProofRefused, WitnessError
from belmont.zk.field import ORDER, A
from belmont.zk.layout import ColumnKind, Kind, Layout
from belmont.zk.validity import ValidityProof, evaluations_given, parts_of, prove_part, prove_table
from belmont.zk.verifiers import native

PRESENT, BIT, RANGE, OBSERVED, OPTIONAL, S, LIMB = range(7)
SEED = bytes(32)

kinds = st.one_of(
    st.just(ColumnKind(Kind.BIT, 1)),
    st.builds(ColumnKind, st.sampled_from([Kind.RANGE, Kind.RANGE_OR_MISSING]), st.integers(1, 300)),
)


@given(st.lists(kinds, min_size=1, max_size=4), st.integers(1, 40), st.integers(0, 2**32))
@settings(max_examples=3, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_rows_that_a_layout_allows_are_proven(rows_of, statement_of, columns, count, seed):
    layout = Layout(tuple(columns))
    table = commit_table(layout, *rows_of(layout, count, seed))
    proof = ValidityProof.from_bytes(prove_part(table, statement_of(table)).to_bytes())
    native.verify(proof, statement_of(table))
    assert proof.columns == tuple(table.of_chunks(0, 1))


def test_a_layout_of_bits_alone_is_proven(statement_of):
    layout = Layout((ColumnKind(Kind.BIT, 1),))
    table = commit_table(layout, [np.array([0, 1, 1])], np.array([4, 5, 2**64 - 1], np.uint64))
    native.verify(prove_part(table, statement_of(table)))


def test_an_encoding_comes_back_byte_for_byte(small_proof):
    data = small_proof.to_bytes()
    again = ValidityProof.from_bytes(data)
    assert again.to_bytes() == data
    assert again == small_proof
    native.verify(again)


def test_several_chunks_are_proven_in_one_proof(long_table, statement_of):
    proof = prove_part(long_table, statement_of(long_table))
    assert proof.statement.rows == 2 * A + 100
    native.verify(proof)
    assert native.verify(ValidityProof.from_bytes(proof.to_bytes())) is None


@pytest.fixture(scope="module")
def parts(long_table) -> list[ValidityProof]:
    """Chunks 0 and 1, then 2."""
    said = {"chain_id": 1337, "contract": b"c" * 20, "owner": b"o" * 20, "dataset": b"d" * 32, "version": 1}
    return list(prove_table(long_table, **said, most_columns=2 * long_table.layout.committed))


def test_parts_prove_a_table_together(parts, long_table):
    assert [(p.statement.first, p.statement.chunks, p.statement.rows) for p in parts] == [(0, 2, 2 * A), (2, 1, 100)]
    for part in parts:
        native.verify(part)
    assert parts[0].previous == ()
    assert parts[1].previous == (long_table.commitments[S][1],)
    assert [*parts[0].columns, *parts[1].columns] == long_table.of_chunks(0, 3)


def test_a_part_does_not_fit_another_previous_chunk(parts, long_table):
    for previous in ((long_table.commitments[S][0],), (), (long_table.commitments[S][1],) * 2):
        with pytest.raises(ProofRefused):
            native.verify(replace(parts[1], previous=previous))


def test_parts_never_hold_more_columns_than_asked(long_table):
    width = long_table.layout.committed
    assert [p[:2] for p in parts_of(long_table, width)] == [(0, 1), (1, 1), (2, 1)]
    assert [p[:2] for p in parts_of(long_table, 3 * width - 1)] == [(0, 2), (2, 1)]
    assert sum(p[2] for p in parts_of(long_table)) == long_table.rows


def test_a_proof_gives_away_as_many_evaluations_as_it_says(parts):
    first, second = (evaluations_given(part.statement) for part in parts)
    assert first[RANGE, 0] == first[RANGE, 1] == second[RANGE, 2] == 1
    assert (first[S, 0], first[S, 1], second[S, 1], second[S, 2]) == (3, 2, 1, 2)
    for part, given_away in zip(parts, (first, second), strict=True):
        claims = part.argument
        told = len(claims.columns_at_zeta) + len(claims.s_before) + len(claims.s_linked)
        assert sum(given_away.values()) == told


CONTEXTS = {
    "chain_id": 1338,
    "contract": b"C" * 20,
    "owner": b"O" * 20,
    "dataset": b"D" * 32,
    "version": 2,
    "first": 1,
    "chunks": 2,
    "rows": 49,
    "layout": Layout((ColumnKind(Kind.BIT, 1), ColumnKind(Kind.RANGE, 6), ColumnKind(Kind.RANGE_OR_MISSING, 9))),
}


@pytest.mark.parametrize("name", CONTEXTS)
def test_a_proof_holds_for_its_own_statement_only(small_proof, name):
    other = replace(small_proof.statement, **{name: CONTEXTS[name]})
    with pytest.raises(ProofRefused, match="V1"):
        native.verify(small_proof, other)
    with pytest.raises(ProofRefused):
        native.verify(replace(small_proof, statement=other))


def test_columns_of_another_table_are_refused(small_proof, small_layout, rows_of):
    other = commit_table(small_layout, *rows_of(small_layout, 50))
    swapped = list(small_proof.columns)
    swapped[RANGE], swapped[OPTIONAL] = swapped[OPTIONAL], swapped[RANGE]
    for columns in (tuple(other.of_chunks(0, 1)), tuple(swapped), small_proof.columns[:-1]):
        with pytest.raises(ProofRefused):
            native.verify(replace(small_proof, columns=columns))


def with_codes(rows_of, layout, rows, *changes):
    """A table whose committed columns have been changed: (column, row, code) each."""
    codes, pseudonyms = rows_of(layout, rows)
    columns = committed_columns(layout, codes, pseudonyms)
    for column, row, code in changes:
        columns[column][row] = code
    return commit_columns(layout, rows, columns, SEED)


def with_pseudonyms(rows_of, layout, pseudonyms):
    codes, _ = rows_of(layout, len(pseudonyms))
    columns = committed_columns(layout, codes, np.array(pseudonyms, np.uint64))
    return commit_columns(layout, len(pseudonyms), columns, SEED)


FORGERIES = {
    "a code over W": ((RANGE, 3, 6),),
    "a code far over W": ((RANGE, 3, 2**64 - 1),),
    "a bit that is 2": ((BIT, 3, 2),),
    "a value on an absent row": ((OPTIONAL, 60, 4),),
    "0 in a range without missing": ((RANGE, 3, 0),),
    "a value that is not observed": ((OBSERVED, 3, 0), (OPTIONAL, 3, 4)),
    "a limb over 2047": ((LIMB, 3, 2048),),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_columns_outside_the_layout_are_refused(rows_of, small_layout, statement_of, name):
    table = with_codes(rows_of, small_layout, 50, *FORGERIES[name])
    with pytest.raises(ProofRefused, match="V8"):
        native.verify(prove_part(table, statement_of(table), check=False))


def test_the_prover_itself_refuses_what_it_cannot_prove(rows_of, small_layout, statement_of):
    outside = with_codes(rows_of, small_layout, 50, (RANGE, 3, 6))
    with pytest.raises(WitnessError, match="row 3 of chunk 0"):
        prove_part(outside, statement_of(outside))
    two = with_codes(rows_of, small_layout, 50, (BIT, 3, 2))
    with pytest.raises(WitnessError, match="nothing to prove"):
        prove_part(two, statement_of(two))


@pytest.mark.parametrize("pseudonyms", [[3, 8, 8, 9], [3, 9, 8, 11]], ids=["twice", "unsorted"])
def test_pseudonyms_that_do_not_ascend_are_refused(rows_of, small_layout, statement_of, pseudonyms):
    table = with_pseudonyms(rows_of, small_layout, pseudonyms)
    with pytest.raises(ProofRefused, match="V8"):
        native.verify(prove_part(table, statement_of(table), check=False))


def test_a_pseudonym_of_an_earlier_chunk_is_refused(rows_of, small_layout, statement_of):
    pseudonyms = [*range(1, A + 1), 7, 8]
    table = with_pseudonyms(rows_of, small_layout, pseudonyms)
    assert table.chunks == 2
    with pytest.raises(ProofRefused, match="V8"):
        native.verify(prove_part(table, statement_of(table), check=False))


def test_another_number_of_rows_is_refused(small_table, statement_of):
    with pytest.raises(ProofRefused, match="V8"):
        native.verify(prove_part(small_table, statement_of(small_table, rows=51), check=False))


def test_blinding_that_does_not_add_up_to_zero_is_refused(small_table, statement_of):
    j = RANGE
    column = small_table.witness[0][j]
    shifted = replace(column, blinding=((column.blinding[0] + 1) % ORDER, *column.blinding[1:]))
    chunk = (*small_table.witness[0][:j], shifted, *small_table.witness[0][j + 1 :])
    points = (*small_table.commitments[:j], (shifted.commitment(),), *small_table.commitments[j + 1 :])
    table = replace(small_table, witness=(chunk,), commitments=points)
    with pytest.raises(ProofRefused, match="V8"):
        native.verify(prove_part(table, statement_of(table), check=False))


def test_no_chunks_and_impossible_numbers_are_no_statement(small_proof):
    for change in ({"chunks": 0}, {"rows": -1}, {"rows": A + 1}, {"chain_id": 1 << 256}, {"owner": b"short"}):
        with pytest.raises(ProofRefused, match="V1"):
            replace(small_proof.statement, **change)
