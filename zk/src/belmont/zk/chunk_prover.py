"""One chunk's part in making a proof. Chunks are independent between challenges, so each can live in its own process.

Work is done on values, never on coefficients: every identity of the relation has degree two, so its quotient by Z_A is
determined by its values on the coset eta·H and on the blinding rows, the *extended points*. What a method returns is
what the other chunks' parts are added to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from belmont.zk import evaluations
from belmont.zk.curve import G1, multiply_sum
from belmont.zk.errors import WitnessError
from belmont.zk.field import ORDER, ROOTS, A, B, combine, coset_points, inverse
from belmont.zk.linearisation import Challenges
from belmont.zk.relation import Linear, Lookup, Product, Relation, Step, Table
from belmont.zk.srs import reference_string
from belmont.zk.witness import Chunk, Column, random_scalars, sum_by_key, tally

DISTINCT_MOST = 2_400
"""With more distinct table rows in a chunk, one fixed-base commitment by c-kzg is faster than one by rows."""
_KEY_BITS = 20

Vector = list[int]


@dataclass(frozen=True)
class Parts:
    """What one chunk adds to the quotient: T on the extended points, and two sums on the coset."""

    on_extended: Vector
    columns_by_rho: Vector
    borders: Vector


@dataclass(frozen=True)
class Openings:
    """What one chunk adds to the polynomials that are opened: N values each."""

    at_zeta: Vector
    before: Vector
    counted: Vector
    linked: Vector


class ChunkProver:
    """Holds one chunk's columns. ``before`` is the column `s` of the chunk before, None for a dataset's chunk 0.

    With ``check`` a tuple that is in no table is a WitnessError; without, the proof goes on, and no verifier
    believes it.
    """

    def __init__(self, relation: Relation, index: int, chunk: Chunk, before: Column | None, check: bool = True) -> None:
        self._relation = relation
        self._index = index
        self._chunk = chunk
        self._before = before
        self._rows = [self._find(each, check) for each in relation.lookups]
        self._h_blinding: list[Vector] = []

    # --- round 1 ---

    def tallies(self) -> list[Vector]:
        """For each table, how often each of its rows is looked up here."""
        found = [[0] * table.rows for table in self._relation.tables]
        for lookup, rows in zip(self._relation.lookups, self._rows, strict=True):
            counts = tally(rows, self._relation.tables[lookup.table].rows)
            found[lookup.table] = _added(found[lookup.table], counts)
        return found

    def blinding_by_rho(self, rho: int) -> Vector:
        """The sum of rho^k f_k on the blinding rows."""
        power = pow(rho, self._index * self._relation.columns, ORDER)
        found = [0] * B
        for column in self._chunk:
            found = [(f + power * x) % ORDER for f, x in zip(found, column.blinding, strict=True)]
            power = power * rho % ORDER
        return found

    # --- round 2 ---

    def invert(self, drawn_inverses: list[Vector], gamma: int, alpha: int) -> tuple[list[G1], Vector]:
        """[h] for each lookup, and the sum of all h on the data rows.

        ``drawn_inverses`` are the inverses of alpha - t for each row of each table.
        """
        self._inverses = drawn_inverses
        self._h_blinding = [random_scalars(B) for _ in self._rows]
        self._unknown = [self._divide(k, gamma, alpha) for k in range(len(self._rows))]
        points, total = [], [0] * A
        for k in range(len(self._rows)):
            data = self._h_data(k)
            total = _added(total, data)
            points.append(self._commit_h(k, data))
        return points, [each % ORDER for each in total]

    # --- round 3 ---

    def parts(self, drawn: Challenges, running: int, borders_power: int) -> Parts:
        """This chunk's identities, with their powers of beta; ``running`` is the power of V-c, which sums all h."""
        extended = [_extended(column.values()) for column in self._chunk]
        points = (*coset_points(), *ROOTS[A:])
        power = pow(drawn.beta, self._index * len(self._relation.identities), ORDER)
        total = [0] * len(points)
        factors: dict[Linear, Vector] = {}  # of products with the same left side, the sum of their right sides
        lookup = 0
        for identity in self._relation.identities:
            if isinstance(identity, Product):
                right = _linear(identity.b, extended, power)
                held = factors.get(identity.a)
                factors[identity.a] = right if held is None else _added(held, right)
                if identity.c != Linear():
                    total = _added(total, _linear(identity.c, extended, -power))
            elif isinstance(identity, Lookup):
                h = _extended([*self._h_data(lookup), *self._h_blinding[lookup]])
                divisor = _linear(_compressed(identity, drawn), extended, 1)
                total = [
                    t + power * (x * d % ORDER - 1) - running * x for t, x, d in zip(total, h, divisor, strict=True)
                ]
                lookup += 1
            else:
                rise = self._rise(identity, extended)
                total = [t + power * ((x - 1) * r % ORDER) for t, x, r in zip(total, points, rise, strict=True)]
            power = power * drawn.beta % ORDER
        for left, right in factors.items():
            total = [t + a * (b % ORDER) for t, a, b in zip(total, _linear(left, extended, 1), right, strict=True)]
        return Parts(
            [t % ORDER for t in total], self._by_rho(drawn.rho, extended), self._border(extended, borders_power)
        )

    # --- round 4 and after ---

    def at(self, weights: Vector) -> Vector:
        """f_k at the point whose Lagrange weights these are."""
        return [combine(weights, column.values()) for column in self._chunk]

    def s_at(self, weights: Vector, linked: bool) -> int:
        """`s` of this chunk, or of the one before, at a point."""
        column = self._before if linked else self._chunk[self._step.s]
        if column is None:
            raise WitnessError("there is no chunk before the first")
        return combine(weights, column.values())

    def openings(self, v: int, power_before: int, power_linked: int, h_coefficients: Vector) -> Openings:
        """The combinations that are opened: columns with powers of v, and h with its coefficients in v^(...)·r."""
        power = pow(v, self._index * self._relation.columns, ORDER)
        at_zeta = [0] * (A + B)
        for column in self._chunk:
            at_zeta = _added_times(at_zeta, power, column.values())
            power = power * v % ORDER
        for k, coefficient in enumerate(h_coefficients):
            at_zeta = _added_times(at_zeta, coefficient, [*self._h_data(k), *self._h_blinding[k]])
        none: Vector = []
        before = linked = counted = none
        if self._relation.step is not None:
            before = _added_times([0] * (A + B), power_before, self._chunk[self._step.s].values())
            if self._before is not None:
                linked = _added_times([0] * (A + B), power_linked, self._before.values())
        if self._relation.row_count is not None:
            counted = self._chunk[self._relation.row_count].values()
        return Openings([x % ORDER for x in at_zeta], before, counted, linked)

    # --- inside ---

    @property
    def _step(self) -> Step:
        if self._relation.step is None:
            raise WitnessError("this relation has no step")
        return self._relation.step

    def _find(self, lookup: Lookup, check: bool) -> NDArray[np.int64]:
        """The table row of each data row, -1 for what is in no row."""
        keys, order = _sorted_keys(self._relation.tables[lookup.table])
        wanted = np.zeros(A, np.int64)
        for i, part in enumerate(lookup.parts):
            values = np.full(A, part.constant, np.int64)
            for j, coefficient in part.terms:
                values += np.int64(coefficient) * self._chunk[j].codes.astype(np.int64)
            values = np.where((values < 0) | (values >= 1 << _KEY_BITS), -1, values)
            wanted = np.where((values < 0) | (wanted < 0), -1, wanted + (values << (_KEY_BITS * i)))
        places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        rows = np.where(keys[places] == wanted, order[places], -1)
        if check and bool(np.any(rows < 0)):
            raise WitnessError(f"row {int(np.argmax(rows < 0))} of chunk {self._index} holds what no table allows")
        return rows

    def _divide(self, k: int, gamma: int, alpha: int) -> dict[int, int]:
        """The inverse for each data row that is in no table: only a dishonest prover has some."""
        lookup = self._relation.lookups[k]
        found = {}
        for i in np.flatnonzero(self._rows[k] < 0).tolist():
            values = tuple(int(column.codes[i]) for column in self._chunk)
            tuple_value = sum(pow(gamma, p, ORDER) * part.at(values) for p, part in enumerate(lookup.parts))
            found[i] = inverse(alpha - tuple_value)
        return found

    def _h_data(self, k: int) -> Vector:
        table = self._inverses[self._relation.lookups[k].table]
        data = [table[row] for row in self._rows[k].tolist()]
        for i, value in self._unknown[k].items():
            data[i] = value
        return data

    def _commit_h(self, k: int, data: Vector) -> G1:
        sums = [] if self._unknown[k] else self._points_by_row(k)
        if not 0 < len(sums) <= DISTINCT_MOST:
            return evaluations.commit([*data, *self._h_blinding[k]])
        table = self._inverses[self._relation.lookups[k].table]
        by_rows = multiply_sum([point for _, point in sums], [table[row] for row, _ in sums])
        return by_rows + multiply_sum(reference_string().lagrange[A:], self._h_blinding[k])

    def _points_by_row(self, k: int) -> list[tuple[int, G1]]:
        """(table row, sum of [L_i] over data rows that look it up); a table row may come more than once.

        Where the code decides the table row, which it does in an honest witness, the column has these sums already.
        """
        column = self._chunk[self._relation.lookups[k].parts[0].terms[0][0]]
        codes, first, place = np.unique(column.codes, return_index=True, return_inverse=True)
        by_code = self._rows[k][first]
        if np.array_equal(by_code[place], self._rows[k]):
            return [(row, column.points_by_code[c]) for c, row in zip(codes.tolist(), by_code.tolist(), strict=True)]
        return list(sum_by_key(self._rows[k].tolist(), reference_string().lagrange).items())

    def _rise(self, step: Step, extended: Sequence[Vector]) -> Vector:
        """s - s(X/w) - rise on the extended points."""
        s, values = extended[step.s], self._chunk[step.s].values()
        coset = s[: A + B]
        before = [coset[-1], *coset[:-1], *values[A - 1 : -1]]
        return [a - b - c for a, b, c in zip(s, before, _linear(step.rise, extended, 1), strict=True)]

    def _by_rho(self, rho: int, extended: Sequence[Vector]) -> Vector:
        power = pow(rho, self._index * self._relation.columns, ORDER)
        found = [0] * (A + B)
        for values in extended:
            found = [f + power * x for f, x in zip(found, values, strict=False)]
            power = power * rho % ORDER
        return [f % ORDER for f in found]

    def _border(self, extended: Sequence[Vector], power: int) -> Vector:
        """V-f without L_0: the step from the chunk before to this one's row 0, on the coset."""
        if self._relation.step is None:
            return []
        step = self._relation.step
        before = [0] * (A + B)
        if self._before is not None:
            coset = evaluations.on_coset(self._before.values())
            before = [*coset[A - 1 :], *coset[: A - 1]]
        rise = _linear(step.rise, extended, 1)
        return [power * ((s - b - r) % ORDER) for s, b, r in zip(extended[step.s], before, rise, strict=False)]


def _extended(values: Vector) -> Vector:
    """Values on the coset, then on the blinding rows."""
    return [*evaluations.on_coset(values), *values[A:]]


def _compressed(lookup: Lookup, drawn: Challenges) -> Linear:
    """alpha minus the looked-up tuple, as a combination of columns."""
    terms, value, power = [], drawn.alpha, 1
    for part in lookup.parts:
        terms += [(j, -c * power) for j, c in part.terms]
        value -= part.constant * power
        power = power * drawn.gamma % ORDER
    return Linear(tuple(terms), value % ORDER)


def _linear(of: Linear, extended: Sequence[Vector], times: int) -> Vector:
    """times·(constant + sum of coefficient·column) on the extended points, not reduced."""
    found: Vector | None = None
    for j, coefficient in of.terms:
        scaled = coefficient * times
        if found is None:
            start = of.constant * times
            if scaled == 1 and start == 0:
                found = extended[j]
            elif scaled == 1:
                found = [start + x for x in extended[j]]
            else:
                found = [start + scaled * x for x in extended[j]]
        elif scaled == 1:
            found = [f + x for f, x in zip(found, extended[j], strict=True)]
        elif scaled == -1:
            found = [f - x for f, x in zip(found, extended[j], strict=True)]
        else:
            found = [f + scaled * x for f, x in zip(found, extended[j], strict=True)]
    return [of.constant * times] * len(extended[0]) if found is None else found


def _added(a: Vector, b: Vector) -> Vector:
    return [x + y for x, y in zip(a, b, strict=True)]


def _added_times(a: Vector, factor: int, b: Vector) -> Vector:
    return [x + factor * y for x, y in zip(a, b, strict=True)]


@lru_cache(maxsize=64)
def _sorted_keys(table: Table) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A table's rows as sortable numbers, with the first row that each stands in."""
    keys = np.zeros(table.rows, np.int64)
    for i, part in enumerate(table.parts):
        keys += np.asarray(part, np.int64) << (_KEY_BITS * i)
    found, first = np.unique(keys, return_index=True)
    return found, first.astype(np.int64)
