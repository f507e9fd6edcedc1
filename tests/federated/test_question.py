"""Questions have one canonical form, and a hospital's answer vector follows them exactly."""

import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from belmont.federated.errors import QueryError
from belmont.federated.query.aggregate import aggregate, clear_totals
from belmont.federated.query.question import Condition, Query, between, count, histogram, mean, one_of, total
from belmont.federated.query.units import BIT, LinearCoding


def test_two_ways_of_asking_the_same_are_one_query():
    one = count(between("age", 10, 20), one_of("sex", [1, 2]), between("age", 15, 30))
    two = count(one_of("sex", [2, 1, 1]), one_of("age", range(15, 21)))
    assert one == two and one.canonical() == two.canonical()


def test_the_canonical_form_reads_back():
    for query in (count(), total("age"), mean("hba1c", between("age", 1, 9)), histogram("age", codes_per_cell=10)):
        assert Query.from_canonical(query.canonical()) == query


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), st.lists(st.integers(0, 40), min_size=1), max_size=3))
def test_a_filter_selects_exactly_the_rows_it_names(allowed):
    rng = np.random.default_rng(1)
    data = {name: rng.integers(0, 41, 200) for name in "abc"}

    class Table:
        rows = 200

        def codes(self, column):
            return data[column]

    query = count(*(one_of(column, codes) for column, codes in allowed.items()))
    expected = np.ones(200, bool)
    for column, codes in allowed.items():
        expected &= np.isin(data[column], codes)
    assert (query.selected(Table()) == expected).all()


@pytest.mark.parametrize(
    "edit",
    [
        lambda f: f | {"where": [["age", [[20, 30], [1, 5]]]]},
        lambda f: f | {"where": [["age", [[1, 5], [6, 9]]]]},
        lambda f: f | {"where": [["age", [[5, 1]]]]},
        lambda f: f | {"where": [["age", [[True, 5]]]]},
        lambda f: f | {"where": [["age", [[1.0, 5]]]]},
        lambda f: f | {"where": [["age", [[0, 99999]]]]},
        lambda f: f | {"where": [["age", []]]},
        lambda f: f | {"where": [["b", [[1, 1]]], ["a", [[1, 1]]]]},
        lambda f: f | {"aggregate": "median"},
        lambda f: f | {"aggregate": "count", "column": "age"},
        lambda f: f | {"column": 5},
        lambda f: f | {"column": None},
        lambda f: f | {"codes_per_cell": 0},
        lambda f: f | {"codes_per_cell": 2},
        lambda f: f | {"format": "belmont-query/2"},
        lambda f: f | {"extra": 1},
        lambda f: [f],
    ],
)
def test_anything_but_the_canonical_form_is_refused(edit):
    fields = json.loads(total("age", between("age", 1, 9)).canonical())
    with pytest.raises(QueryError):
        Query.from_canonical(json.dumps(edit(fields), sort_keys=True, separators=(",", ":")).encode())


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[" * 60_000, b"x" * 70_000, b"null"])
def test_bytes_that_are_no_query_are_refused(data):
    with pytest.raises(QueryError):
        Query.from_canonical(data)


def test_questions_that_make_no_sense_are_refused():
    for ask in (
        lambda: count(between("age", 9, 1)),
        lambda: count(between("age", 1, 5), between("age", 7, 9)),
        lambda: count(Condition("age", ())),
        lambda: histogram("age", codes_per_cell=0),
        lambda: histogram("age").cells(5_000),
    ):
        with pytest.raises(QueryError):
            ask()


def test_answers_are_those_of_the_decoded_table(tables):
    table = tables[0]
    frame = table.decode()
    book = table.dictionary.column("hba1c").codebook
    coding = LinearCoding(book.minimum, book.step)
    selected = frame[(frame.age >= 60) & (frame.age <= 75)]
    ages = between("age", *LinearCoding(18, 1).codes(60, 75))
    assert aggregate(table, count(ages)).cells == [len(selected)]
    observed, code_total = aggregate(table, total("hba1c", ages)).cells
    assert observed == selected.hba1c.notna().sum()
    assert float(coding.sum_of(observed, code_total)) == pytest.approx(selected.hba1c.sum(), rel=1e-12)
    bit = aggregate(table, mean("statin"))
    assert bit.cells == [table.rows, int(frame.statin.sum())] and BIT.sum_of(*bit.cells) == frame.statin.sum()


def test_small_cells_contribute_nothing_and_say_so(tables):
    table = tables[0]
    width = table.width("age")
    cells = np.array(aggregate(table, histogram("age")).cells)
    counts, contributes = cells[: width + 1], cells[width + 1 :]
    truth = np.bincount(table.codes("age"), minlength=width + 1)
    assert ((truth > 0) & (truth < 8)).any()
    assert (counts == np.where(truth >= 8, truth, 0)).all()
    assert (contributes == (truth >= 8)).all()


def test_a_histogram_of_wider_cells_covers_every_code(tables):
    cells = aggregate(tables[0], histogram("age", codes_per_cell=10), smallest_cell=0).cells
    assert sum(cells[: len(cells) // 2]) == tables[0].rows


def test_a_column_that_the_table_does_not_have_is_named(tables):
    with pytest.raises(QueryError, match="shoe size"):
        aggregate(tables[0], total("shoe size"))


def test_clear_totals_add_hospitals(tables):
    assert clear_totals(tables, count()) == (sum(table.rows for table in tables),)


def test_units_are_exact():
    coding = LinearCoding(3.0, 0.1)
    assert coding.sum_of(3, 1 + 2 + 41) == Fraction(3) + Fraction("3.1") + Fraction(7)
    assert coding.codes(3.05, 3.35) == (2, 4)
    assert coding.codes(-100, 3.0) == (1, 1)
    with pytest.raises(QueryError):
        coding.codes(3.11, 3.14)


@pytest.mark.parametrize(
    ("query", "most"),
    [
        (count(), (100,)),
        (mean("hba1c"), (100, 2000)),
        (histogram("hba1c", codes_per_cell=10), (100, 100, 100, 4, 4, 4)),
    ],
)
def test_no_cell_can_be_larger_than_its_own_bound(query, most):
    assert query.cell_bounds(100, 20, 4) == most
