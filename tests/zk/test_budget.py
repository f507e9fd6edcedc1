"""62 evaluations of a commitment and never one more, counted durably; and why it is 62."""

import os
import secrets
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import flint
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from belmont.zk.budget import MOST, OpeningBudget, of_all_chunks
from belmont.zk.curve import is_infinity, multiply, multiply_sum
from belmont.zk.errors import BudgetError, OpeningsExhausted
from belmont.zk.field import ORDER, A, B, N, Point, combine
from belmont.zk.srs import reference_string
from belmont.zk.validity import evaluations_given

ROOT, OTHER = b"\1" * 32, b"\2" * 32


@pytest.fixture
def budget(tmp_path):
    made = OpeningBudget(tmp_path / "openings")
    yield made
    made.close()


def test_62_evaluations_and_not_one_more(budget):
    for k in range(62):
        assert budget.left(ROOT) == 62 - k
        budget.spend(ROOT, {(3, 0): 1}, b"proof")
    with pytest.raises(OpeningsExhausted, match="committed column 3 has 0 evaluations left"):
        budget.spend(ROOT, {(3, 0): 1}, b"proof")
    assert budget.left(ROOT) == 0
    assert (budget.left(ROOT, [2]), budget.left(OTHER)) == (62, 62)


def test_what_does_not_fit_is_not_counted_at_all(budget):
    budget.spend(ROOT, {(0, 0): 60, (1, 0): 1}, b"a")
    with pytest.raises(OpeningsExhausted):
        budget.spend(ROOT, {(1, 0): 1, (2, 5): 1, (0, 0): 3}, b"b")
    assert (budget.left(ROOT, [0]), budget.left(ROOT, [1]), budget.left(ROOT, [2])) == (2, 61, 62)
    assert budget.purposes(ROOT) == [b"a"]


def test_chunks_and_tables_have_budgets_of_their_own(budget):
    budget.spend(ROOT, {(0, 0): 62}, b"")
    budget.spend(ROOT, {(0, 1): 62}, b"")
    budget.spend(OTHER, {(0, 0): 62}, b"")


def test_the_same_statement_proven_again_counts_again(budget, small_proof):
    given_away = evaluations_given(small_proof.statement)
    for _ in range(2):
        budget.spend(ROOT, given_away, small_proof.statement.words())
    s = small_proof.statement.layout.pseudonym
    assert (budget.left(ROOT, [0]), budget.left(ROOT, [s])) == (60, 58)


def test_a_cohort_costs_each_column_that_it_names_one_in_every_chunk(budget):
    budget.spend(ROOT, of_all_chunks([0, 4], 3), b"cohort")
    assert of_all_chunks([0, 4], 3).keys() == {(0, 0), (0, 1), (0, 2), (4, 0), (4, 1), (4, 2)}
    assert (budget.left(ROOT, [4]), budget.left(ROOT, [1])) == (61, 62)


def test_nothing_and_less_than_nothing_cannot_be_spent(budget):
    for root, spending in (
        (ROOT, {}),
        (ROOT, {(0, 0): 0}),
        (ROOT, {(0, 0): -1}),
        (ROOT, {(-1, 0): 1}),
        (b"", {(0, 0): 1}),
    ):
        with pytest.raises(BudgetError):
            budget.spend(root, spending, b"")
    with pytest.raises(BudgetError):
        budget.spend(ROOT, {(0, 1 << 70): 1}, b"")
    assert budget.left(ROOT) == 62


def test_a_restart_forgets_nothing(tmp_path):
    first = OpeningBudget(tmp_path / "openings")
    first.spend(ROOT, {(0, 0): 40}, b"a")
    first.close()
    second = OpeningBudget(tmp_path / "openings")
    assert second.left(ROOT) == 22
    second.close()
    assert (tmp_path / "openings").stat().st_mode & 0o077 == 0


def test_files_that_are_something_else_are_refused(tmp_path):
    (tmp_path / "text").write_bytes(b"not a database" * 100)
    with sqlite3.connect(tmp_path / "foreign") as foreign:
        foreign.execute("CREATE TABLE t (x)")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("text", "foreign", "link", "no/such/folder"):
        with pytest.raises(BudgetError):
            OpeningBudget(tmp_path / name)


def test_of_many_threads_and_handles_exactly_62_are_admitted(tmp_path):
    start = threading.Barrier(4)

    def attempt(_):
        start.wait()
        handle = OpeningBudget(tmp_path / "openings")
        admitted = 0
        for _ in range(20):
            try:
                handle.spend(ROOT, {(0, 0): 1, (1, 0): 1}, b"")
                admitted += 1
            except OpeningsExhausted:
                pass
        handle.close()
        return admitted

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(attempt, range(4))) == MOST


SPENDER = """
import sys
from pathlib import Path
from belmont.zk.budget import OpeningBudget
budget = OpeningBudget(Path(sys.argv[1]))
n = 0
while True:
    budget.spend(n.to_bytes(32, "big"), {(column, 0): 1 for column in range(20)}, b"proof")
    print(n, flush=True)
    n += 1
"""


def test_every_spending_that_was_reported_survives_sigkill_and_none_is_half_done(tmp_path):
    spenders = [
        subprocess.Popen([sys.executable, "-c", SPENDER, str(tmp_path / "openings")], stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    reported: Counter[int] = Counter()
    for k, spender in enumerate(spenders):
        for line in spender.stdout:
            reported[int(line)] += 1
            if int(line) == 10 + k:
                os.kill(spender.pid, signal.SIGKILL)
                break
        reported.update(int(line) for line in spender.stdout.read().split())
        spender.wait()
    budget = OpeningBudget(tmp_path / "openings")
    for n, times in reported.items():
        spent = {MOST - budget.left(n.to_bytes(32, "big"), [column]) for column in range(20)}
        assert len(spent) == 1 and times <= spent.pop() <= 2
    budget.close()


spendings = st.lists(
    st.tuples(
        st.sampled_from([ROOT, OTHER]),
        st.dictionaries(st.tuples(st.integers(0, 2), st.integers(0, 1)), st.integers(1, 40), min_size=1, max_size=4),
    ),
    max_size=12,
)


@given(spendings)
@settings(max_examples=25, deadline=None)
def test_a_budget_is_what_adding_up_says(wanted):
    with tempfile.TemporaryDirectory() as folder:
        budget = OpeningBudget(Path(folder) / "openings")
        model: dict[bytes, Counter[tuple[int, int]]] = {ROOT: Counter(), OTHER: Counter()}
        for root, spending in wanted:
            fits = all(model[root][place] + count <= MOST for place, count in spending.items())
            try:
                budget.spend(root, spending, b"")
                assert fits
                model[root].update(spending)
            except OpeningsExhausted:
                assert not fits
            assert budget.left(root) == MOST - max(model[root].values(), default=0)
        budget.close()


# --- why 62: an attacker who knows all rows but one, and some evaluations ---

UNKNOWN = 17


@pytest.fixture(scope="module")
def victim(small_table):
    """A committed column (code 1 to 5 in 50 rows), and its values at 64 points."""
    column = small_table.witness[0][2]
    points = [secrets.randbelow(ORDER) for _ in range(B)]
    weights = [Point(point).weights() for point in points]
    return column, small_table.commitments[2][0], weights, [combine(w, column.values()) for w in weights]


def known_part(column):
    codes = column.codes.tolist()
    codes[UNKNOWN] = 0
    return codes


def matrix(rows):
    entries = [entry for row in rows for entry in row]
    return flint.fmpz_mod_mat(len(rows), len(rows[0]), entries, flint.fmpz_mod_ctx(ORDER))


def equations(victim, count):
    """For each evaluation the weights of the blinding rows and what they have to add up to; and the zero sum."""
    column, _, weights, values = victim
    rest = known_part(column)
    left = [w[A:] for w in weights[:count]] + [[1] * B]
    right = [(y - combine(w[:A], rest)) % ORDER for w, y in zip(weights[:count], values, strict=False)] + [0]
    return left, right, [w[UNKNOWN] for w in weights[:count]] + [0]


def test_with_64_evaluations_the_row_is_solved_for(victim):
    left, right, of_row = equations(victim, 64)
    system = matrix([[*row, of] for row, of in zip(left, of_row, strict=True)])
    solved = system.solve(matrix([[y] for y in right]))
    assert int(solved[B, 0]) == int(victim[0].codes[UNKNOWN])


def test_with_63_evaluations_guesses_are_tested_against_the_commitment(victim):
    column, commitment, _, _ = victim
    left, right, of_row = equations(victim, 63)
    lagrange = reference_string().lagrange

    def commitment_if(code):
        blinding = matrix(left).solve(matrix([[(y - code * of) % ORDER] for y, of in zip(right, of_row, strict=True)]))
        values = known_part(column)
        values[UNKNOWN] = code
        return multiply_sum(lagrange, [*values, *(int(blinding[i, 0]) for i in range(B))])

    assert [code for code in range(6) if commitment_if(code) == commitment] == [int(column.codes[UNKNOWN])]


def test_with_62_evaluations_every_guess_fits(victim):
    """62 evaluations and the zero sum leave one free blinding value, and it moves the commitment anywhere."""
    column, _, _, _ = victim
    left, right, of_row = equations(victim, MOST)
    assert len(left) == B - 1
    assert matrix(left).rank() == B - 1
    for code in (1, 2, 5):
        wanted = [(y - code * of) % ORDER for y, of in zip(right, of_row, strict=True)]
        for free in (0, 1):  # whatever is chosen for one more blinding value, all 62 evaluations are what they are
            system = matrix([*left, [1] + [0] * (B - 1)])
            blinding = system.solve(matrix([[y] for y in (*wanted, free)]))
            values = [*known_part(column), *(int(blinding[i, 0]) for i in range(B))]
            values[UNKNOWN] = code
            assert [combine(w, values) for w in victim[2][:MOST]] == victim[3][:MOST]
    free_direction = matrix([*left, [1] + [0] * (B - 1)]).solve(matrix([[0]] * (B - 1) + [[1]]))
    moved = multiply_sum(reference_string().lagrange[A:], [int(free_direction[i, 0]) for i in range(B)])
    assert not is_infinity(moved) and is_infinity(multiply(moved, ORDER))
    assert N == A + B
