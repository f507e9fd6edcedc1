"""Totals under a filter: what numpy counts is what the proof gives, and no derived column can be another."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from belmont.zk.cohort import (
    Cohort,
    CohortProof,
    Condition,
    derive,
    plan,
    proof_size,
    prove_cohort,
    prove_witness,
    verify_cohort,
)
from belmont.zk.cohort_plan import Target
from belmont.zk.commitment import CommittedTable, commit_table
from belmont.zk.curve import GENERATOR, multiply
from belmont.zk.errors import CohortError, CommitmentMismatch, ProofMalformed, ProofRefused, WitnessError
from belmont.zk.field import ORDER
from belmont.zk.layout import ColumnKind, Kind, Layout
from belmont.zk.totals import total_holds
from belmont.zk.witness import Column, new_seed, zero_sum_blinding

CONTEXT = b"permit 1, query 1, dataset 1"
LAYOUT = Layout(
    (ColumnKind(Kind.BIT, 1), ColumnKind(Kind.RANGE, 93), ColumnKind(Kind.RANGE_OR_MISSING, 300)),
)
ROWS = 150
BIT, AGE, VALUE = (place.value for place in LAYOUT.places)
OBSERVED = LAYOUT.places[2].observed
assert OBSERVED is not None


def codes(rows: int = ROWS) -> list[np.ndarray]:
    random = np.random.default_rng(11)
    return [random.integers(kind.kind is Kind.RANGE, kind.width + 1, rows) for kind in LAYOUT.columns]


@pytest.fixture(scope="module")
def table() -> CommittedTable:
    return commit_table(LAYOUT, codes(), np.arange(1, ROWS + 1, dtype=np.uint64) * np.uint64(7))


FILTERED = Cohort((Condition(0, ((0, 0),)), Condition(1, ((10, 50), (60, 61)))), ((), (OBSERVED,), (VALUE,)))


@pytest.fixture(scope="module")
def proved(table: CommittedTable) -> CohortProof:
    return prove_cohort(table, FILTERED, CONTEXT)[0]


def check(table: CommittedTable, proof: CohortProof, cohort: Cohort | None = None, context: bytes = CONTEXT) -> None:
    verify_cohort(proof, LAYOUT, table.root, table.chunks, context, cohort)


def in_the_clear(cohort: Cohort) -> list[int]:
    columns = codes()
    keep = np.ones(ROWS, bool)
    for condition in cohort.conditions:
        inside = [
            (columns[condition.column] >= low) & (columns[condition.column] <= high)
            for low, high in condition.intervals
        ]
        keep &= np.logical_or.reduce(inside)
    committed = {BIT: columns[0], AGE: columns[1], VALUE: columns[2], OBSERVED: columns[2] > 0}
    totals = []
    for target in cohort.targets:
        product = keep.astype(np.int64)
        for j in target:
            product = product * committed[j]
        totals.append(int(product.sum()))
    return totals


@pytest.mark.parametrize(
    "cohort",
    [
        FILTERED,
        Cohort((), ((VALUE, VALUE), (AGE, VALUE))),
        Cohort((Condition(2, ((0, 0),)),), ((), (AGE,))),
        Cohort((Condition(0, ((0, 1),)),), ((),)),
        Cohort((Condition(2, ((250, 300),)),), ((VALUE, VALUE), (BIT, VALUE))),
    ],
    ids=["conjunction", "squares and products of all rows", "missing values", "everything", "squares under a filter"],
)
def test_proved_totals_are_those_in_the_clear(table: CommittedTable, cohort: Cohort) -> None:
    proof, derived = prove_cohort(table, cohort, CONTEXT)
    assert len(proof.to_bytes()) == proof_size(LAYOUT, cohort, table.chunks)
    again = CohortProof.from_bytes(proof.to_bytes(), LAYOUT)
    commitments = verify_cohort(again, LAYOUT, table.root, table.chunks, CONTEXT, cohort)
    for i, (commitment, expected) in enumerate(zip(commitments, in_the_clear(cohort), strict=True)):
        total, opening = derived.open_total(i)
        assert total == expected
        assert total_holds([commitment], [opening], total, ORDER // 2)
        assert not total_holds([commitment], [opening], total + 1, ORDER // 2)


def test_a_cohort_over_two_chunks_counts_both() -> None:
    rows = 4500
    columns = codes(rows)
    table = commit_table(LAYOUT, columns, np.arange(1, rows + 1, dtype=np.uint64))
    proof, derived = prove_cohort(table, Cohort((Condition(0, ((1, 1),)),), ((), (VALUE,))), CONTEXT)
    verify_cohort(proof, LAYOUT, table.root, table.chunks, CONTEXT)
    assert derived.open_total(0)[0] == columns[0].sum()
    assert derived.open_total(1)[0] == (columns[0] * columns[2]).sum()


def test_another_context_question_or_table_is_refused(table: CommittedTable, proved: CohortProof) -> None:
    check(table, proved, FILTERED)
    with pytest.raises(ProofRefused):
        check(table, proved, context=b"permit 1, query 2, dataset 1")
    wider = Cohort((Condition(0, ((0, 0),)), Condition(1, ((10, 51), (60, 61)))), FILTERED.targets)
    with pytest.raises(ProofRefused):
        check(table, proved, wider)
    with pytest.raises(ProofRefused):
        check(table, replace(proved, cohort=wider))
    fewer = replace(proved, cohort=replace(FILTERED, targets=FILTERED.targets[:2]))
    with pytest.raises(ProofRefused):
        check(table, fewer)
    with pytest.raises(CommitmentMismatch):
        verify_cohort(proved, LAYOUT, bytes(32), table.chunks, CONTEXT)
    with pytest.raises(ProofRefused):
        verify_cohort(proved, LAYOUT, table.root, table.chunks + 1, CONTEXT)


def test_registered_columns_cannot_change_places(table: CommittedTable, proved: CohortProof) -> None:
    a, b, *rest = proved.registered
    with pytest.raises(CommitmentMismatch):
        check(table, replace(proved, registered=(b, a, *rest)))


@pytest.mark.parametrize("what", ["bit", "conjunction", "product", "blinding"])
def test_a_derived_column_that_is_not_what_it_says_is_refused(table: CommittedTable, what: str) -> None:
    planned = plan(LAYOUT, FILTERED)
    (chunk,) = derive(table, FILTERED, planned, new_seed())
    at = {
        "bit": len(planned.registered),
        "conjunction": planned.totals[0],
        "product": planned.totals[2],
        "blinding": -1,
    }[what]
    column = chunk[at]
    codes = column.codes.copy()
    blinding = column.blinding
    if what == "blinding":
        blinding = (*blinding[:-1], (blinding[-1] + 1) % ORDER)
    else:
        codes[3] = 1 - codes[3] if what != "product" else codes[3] + np.uint64(1)
    changed = list(chunk)
    changed[at] = Column(codes, blinding)
    with pytest.raises(WitnessError):
        prove_witness(table, FILTERED, planned, [tuple(changed)], CONTEXT)
    forged, _ = prove_witness(table, FILTERED, planned, [tuple(changed)], CONTEXT, check=False)
    with pytest.raises(ProofRefused, match="V8"):
        check(table, forged)


def test_a_derived_commitment_that_is_replaced_is_refused(table: CommittedTable, proved: CohortProof) -> None:
    shifted = tuple(tuple(point + multiply(GENERATOR, 5) for point in points) for points in proved.derived[-1:])
    with pytest.raises(ProofRefused):
        check(table, replace(proved, derived=(*proved.derived[:-1], *shifted)))


@pytest.mark.parametrize(
    ("conditions", "targets"),
    [
        ((), ()),
        ((Condition(1, ((5, 4),)),), ((),)),
        ((Condition(1, ()),), ((),)),
        ((Condition(1, ((1, 2), (3, 4))),), ((),)),
        ((Condition(1, ((3, 4), (1, 2))),), ((),)),
        ((Condition(1, ((1, 2),)), Condition(0, ((1, 1),))), ((),)),
        ((Condition(1, ((1, 2),)), Condition(1, ((1, 2),))), ((),)),
        ((), ((), ())),
        ((), ((2, 1),)),
        ((), ((1, 1, 1),)),
    ],
)
def test_a_question_has_one_form(conditions: tuple[Condition, ...], targets: tuple[Target, ...]) -> None:
    with pytest.raises(CohortError):
        Cohort(conditions, targets)


@pytest.mark.parametrize(
    "cohort",
    [
        Cohort((Condition(3, ((0, 0),)),), ((),)),
        Cohort((Condition(0, ((0, 2),)),), ((),)),
        Cohort((), ((0,),)),
        Cohort((), ((LAYOUT.pseudonym,),)),
        Cohort((), ((LAYOUT.pseudonym + 1,),)),
    ],
)
def test_only_codes_and_columns_of_the_dictionary_are_asked_about(cohort: Cohort) -> None:
    with pytest.raises(CohortError):
        plan(LAYOUT, cohort)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_proof_is_refused(proved: CohortProof, table: CommittedTable, data: st.DataObject) -> None:
    encoded = bytearray(proved.to_bytes())
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises((ProofMalformed, ProofRefused, CommitmentMismatch)):
        check(table, CohortProof.from_bytes(bytes(encoded), LAYOUT), FILTERED)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_proof_cut_or_prolonged_is_malformed(proved: CohortProof, data: st.DataObject) -> None:
    encoded = proved.to_bytes()
    cut = encoded[: data.draw(st.integers(0, len(encoded) - 1))]
    for wrong in (cut, encoded + data.draw(st.binary(min_size=1, max_size=60))):
        with pytest.raises(ProofMalformed):
            CohortProof.from_bytes(wrong, LAYOUT)


def test_derived_blinding_sums_to_zero_and_is_never_the_same() -> None:
    first, second = zero_sum_blinding(new_seed(), 1, 0), zero_sum_blinding(new_seed(), 1, 0)
    assert sum(first) % ORDER == sum(second) % ORDER == 0
    assert first != second
