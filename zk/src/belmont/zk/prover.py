"""Makes a proof of a relation: P1 to P6 of docs/protocol.md, for any `Relation`.

The prover checks its own proof at zeta before it opens anything: a witness that is not what the relation allows ends in
a WitnessError, never in a proof that others refuse.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from belmont.zk import evaluations
from belmont.zk.chunk_prover import ChunkProver, Openings, Parts
from belmont.zk.curve import G1, multiply_sum
from belmont.zk.errors import WitnessError
from belmont.zk.field import (
    OMEGA,
    ORDER,
    ROOTS,
    A,
    B,
    N,
    Point,
    blinding_factors,
    combine,
    divisors_on_coset,
    evaluate_on_domain,
    interpolate_on_blinding_rows,
    interpolate_on_coset,
    inverses,
)
from belmont.zk.linearisation import Challenges, linearise, powers_before_tables
from belmont.zk.proof import Argument, scalar_words, wide_points
from belmont.zk.relation import Relation
from belmont.zk.srs import reference_string
from belmont.zk.transcript import Transcript
from belmont.zk.witness import random_scalars

Vector = list[int]


class Chunks(Protocol):
    """The chunks of one proof, here or in other processes: calls one method of every one, in order."""

    count: int

    def each(self, method: Callable[..., Any], arguments: Sequence[tuple[Any, ...]] | tuple[Any, ...]) -> list[Any]: ...


class LocalChunks:
    """All chunks in this process."""

    def __init__(self, held: Sequence[Any], tell: Callable[[int], None] = lambda done: None) -> None:
        self._held = held
        self._tell = tell
        self.count = len(held)

    def each(self, method: Callable[..., Any], arguments: Sequence[tuple[Any, ...]] | tuple[Any, ...]) -> list[Any]:
        """``arguments`` is one tuple for all chunks, or a list of one for each."""
        found = []
        for c, each in enumerate(self._held):
            found.append(method(each, *(arguments[c] if isinstance(arguments, list) else arguments)))
            self._tell(c + 1)
        return found


def prove(
    relation: Relation, chunks: Chunks, first: int, columns: Sequence[G1], transcript: Transcript, check: bool = True
) -> Argument:
    """The proof, for a transcript that has absorbed the statement and all commitments.

    ``columns`` are the commitments C_k. Raises WitnessError, unless ``check`` is off: tests make dishonest proofs so.
    """
    rho = transcript.draw("rho")  # P1
    blinding = [sum(each) % ORDER for each in zip(*chunks.each(ChunkProver.blinding_by_rho, (rho,)), strict=True)]
    u = _running_blinding(blinding)
    commit_u = evaluations.commit(u)
    tallies = chunks.each(ChunkProver.tallies, ())
    while True:  # P2 and P3; a zero divisor has a probability below 2^-230
        branch = transcript.copy()
        try:
            m = [[*map(sum, zip(*each, strict=True))] for each in zip(*tallies, strict=True)]
            lookups = _Lookups(relation, chunks, m, commit_u, branch)
            break
        except ZeroDivisionError:
            continue
    transcript = branch
    beta = transcript.draw("beta")
    drawn = Challenges(rho, lookups.gamma, lookups.alpha, beta)
    quotient = _Quotient(relation, chunks, first, lookups, u, drawn)  # P4
    q_points = (evaluations.commit(quotient.low_values), multiply_sum(reference_string().powers(B), quotient.high))
    transcript.absorb("round 3", wide_points(q_points))
    at = Point(transcript.draw("zeta"))
    claimed = _claimed(relation, chunks, first, lookups, u, at)  # P5
    transcript.absorb("evaluations", scalar_words(claimed.evaluations))
    v = transcript.draw("v")
    draft = replace(
        claimed,
        m=lookups.commit_m,
        u=commit_u,
        h=lookups.commit_h,
        g=lookups.commit_g,
        phi=lookups.commit_phi,
        q=q_points,
    )
    openings = _open(relation, chunks, first, draft, lookups, u, quotient, drawn, at, v, check)  # P6
    return replace(draft, openings=openings)


class _Lookups:
    """P2 and P3: m, g, phi, and their commitments with those of h."""

    def __init__(
        self, relation: Relation, chunks: Chunks, m: list[Vector], commit_u: G1, transcript: Transcript
    ) -> None:
        self.m = [[*_padded(each), *random_scalars(B)] for each in m]
        self.commit_m = tuple(map(evaluations.commit, self.m))
        transcript.absorb("round 1", wide_points((*self.commit_m, commit_u)))
        self.gamma, self.alpha = transcript.draw("gamma"), transcript.draw("alpha")
        self.tables = [self._compressed(relation, t) for t in range(len(relation.tables))]
        divisors = [_inverses_or_pole([(self.alpha - x) % ORDER for x in table]) for table in self.tables]
        found = chunks.each(ChunkProver.invert, (divisors, self.gamma, self.alpha))
        self.commit_h = tuple(point for points, _ in found for point in points)
        h_sum = [sum(each) for each in zip(*(data for _, data in found), strict=True)]
        self.g = [
            [*(x * y % ORDER for x, y in zip(m_t[:A], inverse, strict=False)), *random_scalars(B)]
            for m_t, inverse in zip(self.m, divisors, strict=True)
        ]
        self.commit_g = tuple(map(evaluations.commit, self.g))
        self.phi = [0]
        for i in range(A):
            self.phi.append((self.phi[-1] + h_sum[i] - sum(g[i] for g in self.g)) % ORDER)
        self.phi += random_scalars(N - A - 1)
        self.commit_phi = evaluations.commit(self.phi)
        transcript.absorb("round 2", wide_points((*self.commit_h, *self.commit_g, self.commit_phi)))

    def _compressed(self, relation: Relation, t: int) -> Vector:
        table = relation.tables[t]
        found, power = [0] * N, 1
        for part in range(len(table.parts)):
            found = [(f + power * x) % ORDER for f, x in zip(found, table.values(part), strict=True)]
            power = power * self.gamma % ORDER
        return found


class _Quotient:
    """P4: Q by its values, then its two pieces."""

    def __init__(
        self, relation: Relation, chunks: Chunks, first: int, lookups: _Lookups, u: Vector, drawn: Challenges
    ) -> None:
        count, beta = chunks.count, drawn.beta
        start = powers_before_tables(relation, count)
        power_tables = [pow(beta, start + t, ORDER) for t in range(len(relation.tables))]
        after = start + len(relation.tables)
        running, power_u = pow(beta, after, ORDER), pow(beta, after + 1, ORDER)
        power_ends = [pow(beta, after + 2 + i, ORDER) for i in range(4)]
        borders = [(drawn, running, pow(beta, after + 6 + c, ORDER)) for c in range(count)]
        parts: list[Parts] = chunks.each(ChunkProver.parts, borders)
        on_data = [sum(each) for each in zip(*(p.on_extended for p in parts), strict=True)]
        z_b, z_a_inverse = blinding_factors()
        phi = _extended(lookups.phi)
        phi_next = [*phi[1:N], phi[0], *lookups.phi[A + 1 :], lookups.phi[0]]
        on_data = [t + running * (n - p) for t, n, p in zip(on_data, phi_next, phi, strict=True)]
        for t, power in enumerate(power_tables):
            g, m, table = (_extended(each) for each in (lookups.g[t], lookups.m[t], lookups.tables[t]))
            on_data = [
                d + power * ((x * (drawn.alpha - y) - z) % ORDER) + running * x
                for d, x, y, z in zip(on_data, g, table, m, strict=True)
            ]
        # Divided by Z_A: on the coset Z_H is -2, so 1 / Z_A is -Z_B / 2.
        minus_half = -pow(2, -1, ORDER) % ORDER
        quotient = [t % ORDER * b % ORDER * minus_half % ORDER for t, b in zip(on_data, z_b, strict=False)]
        on_blinding = [t % ORDER * a % ORDER for t, a in zip(on_data[N:], z_a_inverse, strict=True)]
        rest = self._rest(parts, phi[:N], evaluations.on_coset(u), power_u, power_ends, relation)
        # quotient determines Q only up to multiples of X^N + 1, whose factor has degree below B: w^(i+1) is eta^2·w^i.
        moved = evaluations.on_coset(quotient)
        wrapped = [moved[i - 1] for i in range(A, N)]
        half = pow(2, -1, ORDER)
        factor = interpolate_on_blinding_rows(
            [(a - b) * half % ORDER for a, b in zip(on_blinding, wrapped, strict=True)]
        )
        low = interpolate_on_coset([(a + b) % ORDER for a, b in zip(quotient, rest, strict=True)])
        low = [(a + b) % ORDER for a, b in zip(low, [*factor, *([0] * (N - B))], strict=True)]
        whole = [*low, *factor]
        blind = random_scalars(1)[0]
        self.low = [*whole[: N - 1], blind]
        self.high = whole[N - 1 :][:B]
        self.high[0] = (self.high[0] - blind) % ORDER
        self.low_values = evaluate_on_domain(self.low)
        self.surplus = whole[N - 1 + B :]

    def _rest(
        self,
        parts: list[Parts],
        phi: Vector,
        u: Vector,
        power_u: int,
        power_ends: list[int],
        relation: Relation,
    ) -> Vector:
        """V-d, V-e and V-f divided by Z_H, on the coset; each has a degree below N."""
        by_rho = [sum(each) for each in zip(*(p.columns_by_rho for p in parts), strict=True)]
        u_next = [*u[1:], u[0]]
        z_b_inverse, at_0, at_a = divisors_on_coset()
        rest = [
            power_u * ((n - x - f) % ORDER) % ORDER * b
            for n, x, f, b in zip(u_next, u, by_rho, z_b_inverse, strict=True)
        ]
        borders = [0] * N
        if relation.step is not None:
            borders = [sum(each) % ORDER for each in zip(*(p.borders for p in parts), strict=True)]
        phi_0, phi_a, u_0, u_a = power_ends
        return [
            (r + i * ((phi_0 * p + u_0 * x + e) % ORDER) + j * ((phi_a * p + u_a * x) % ORDER)) % ORDER
            for r, i, j, p, x, e in zip(rest, at_0, at_a, phi, u, borders, strict=True)
        ]


def _claimed(relation: Relation, chunks: Chunks, first: int, lookups: _Lookups, u: Vector, at: Point) -> Argument:
    """P5, in a proof whose points are still to come."""
    weights = at.weights()
    columns = [value for values in chunks.each(ChunkProver.at, (weights,)) for value in values]
    following = Point(at.zeta * OMEGA).weights()
    before: list[int] = []
    linked: list[int] = []
    if relation.step is not None:
        before = chunks.each(ChunkProver.s_at, (Point(at.zeta * ROOTS[N - 1]).weights(), False))
        last_rows = Point(at.zeta * ROOTS[A - 1]).weights()
        wanted = [(last_rows, True) if first + c else (None, True) for c in range(chunks.count)]
        linked = [value for value in chunks.each(_s_linked, wanted) if value is not None]
    return Argument(
        m=(),
        u=reference_string().lagrange[0],
        h=(),
        g=(),
        phi=reference_string().lagrange[0],
        q=(),
        columns_at_zeta=tuple(columns),
        tables_at_zeta=tuple(combine(weights, table) for table in lookups.tables),
        phi_next=combine(following, lookups.phi),
        u_next=combine(following, u),
        s_before=tuple(before),
        s_linked=tuple(linked),
        openings=(),
    )


def _s_linked(prover: ChunkProver, weights: Vector | None, linked: bool) -> int | None:
    return None if weights is None else prover.s_at(weights, linked)


def _open(
    relation: Relation,
    chunks: Chunks,
    first: int,
    draft: Argument,
    lookups: _Lookups,
    u: Vector,
    quotient: _Quotient,
    drawn: Challenges,
    at: Point,
    v: int,
    check: bool,
) -> tuple[G1, ...]:
    """P6."""
    count = chunks.count
    line = linearise(relation, count, first, at, draft, drawn)
    after_columns = pow(v, relation.columns * count, ORDER)
    power_r = after_columns * pow(v, len(relation.tables), ORDER) % ORDER
    per_chunk = len(relation.lookups)
    arguments = [
        (
            v,
            pow(v, c, ORDER),
            pow(v, c - (first == 0), ORDER) if first + c else 0,
            [x * power_r % ORDER for x in line.h[c * per_chunk : (c + 1) * per_chunk]],
        )
        for c in range(count)
    ]
    opened: list[Openings] = chunks.each(ChunkProver.openings, arguments)
    at_zeta = [sum(each) for each in zip(*(o.at_zeta for o in opened), strict=True)]
    power = after_columns
    for table in lookups.tables:
        at_zeta = [a + power * x for a, x in zip(at_zeta, table, strict=True)]
        power = power * v % ORDER
    high_values = evaluate_on_domain(quotient.high)
    rest = [
        *zip(line.m, lookups.m, strict=True),
        *zip(line.g, lookups.g, strict=True),
        (line.phi, lookups.phi),
        (line.u, u),
        *zip(line.q, (quotient.low_values, high_values), strict=True),
    ]
    constant = line.constant * power_r
    for coefficient, values in rest:
        factor = coefficient * power_r % ORDER
        at_zeta = [a + factor * x for a, x in zip(at_zeta, values, strict=True)]
    opening, value = evaluations.open_at([(a + constant) % ORDER for a in at_zeta], at.zeta)
    claimed = _by_powers([*draft.columns_at_zeta, *draft.tables_at_zeta], v)
    if check and value != claimed:
        raise WitnessError("these columns are not what the relation allows: there is nothing to prove")
    next_row = at.zeta * OMEGA % ORDER
    found = [opening, evaluations.open_at(_combined([lookups.phi, u], [1, v]), next_row)[0]]
    if relation.step is not None:
        found.append(_open_sum([o.before for o in opened], at.zeta * ROOTS[N - 1] % ORDER))
    if relation.row_count is not None:
        found.append(_open_sum([o.counted for o in opened], 0))
    linked = [o.linked for o in opened if o.linked]
    if linked:
        found.append(_open_sum(linked, at.zeta * ROOTS[A - 1] % ORDER))
    return tuple(found)


def _open_sum(vectors: Sequence[Vector], point: int) -> G1:
    return evaluations.open_at([sum(each) % ORDER for each in zip(*vectors, strict=True)], point)[0]


def _combined(vectors: Sequence[Vector], factors: Sequence[int]) -> Vector:
    return [sum(f * x for f, x in zip(factors, each, strict=True)) % ORDER for each in zip(*vectors, strict=True)]


def _by_powers(values: Sequence[int], base: int) -> int:
    found = 0
    for value in reversed(values):
        found = (found * base + value) % ORDER
    return found


def _extended(values: Vector) -> Vector:
    return [*evaluations.on_coset(values), *values[A:]]


def _padded(counts: Vector) -> Vector:
    return [*counts, *([0] * (A - len(counts)))]


def _inverses_or_pole(values: Vector) -> Vector:
    """Raises ZeroDivisionError where alpha is a row of a table."""
    if 0 in values:
        raise ZeroDivisionError
    return inverses(values)


def _running_blinding(blinding: Vector) -> Vector:
    """u: 0 at rows 0 and A, random between, then the running sum of the blinding rows."""
    u = [0, *random_scalars(A - 1), 0]
    for value in blinding[:-1]:
        u.append((u[-1] + value) % ORDER)
    return u
