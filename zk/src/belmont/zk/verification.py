"""Verifies the proof of any `Relation`: V2 to V8 of docs/protocol.md, on native code."""

from collections.abc import Sequence

from belmont.zk.curve import G1, GENERATOR, is_infinity, multiply_sum, pairing_holds
from belmont.zk.errors import ProofRefused
from belmont.zk.field import N_INVERSE, OMEGA, ORDER, ROOTS, A, N, Point
from belmont.zk.linearisation import Challenges, linearise
from belmont.zk.proof import Argument, Lengths, scalar_words, wide_points
from belmont.zk.relation import Relation
from belmont.zk.srs import reference_string
from belmont.zk.transcript import Transcript


def verify(
    relation: Relation,
    chunks: int,
    first: int,
    rows: int,
    columns: Sequence[G1],
    previous: Sequence[G1],
    proof: Argument,
    transcript: Transcript,
) -> None:
    """Raises ProofRefused unless the proof holds. ``transcript`` has absorbed the statement and all commitments.

    Points come from the checked parsers of `belmont.zk.curve`, so curve and subgroup (V3) are settled.
    """
    if chunks < 1 or len(columns) != relation.columns * chunks:  # V2
        raise ProofRefused("V2", "not as many commitments as the statement has columns")
    linked_from_outside = relation.step is not None and first > 0
    if (
        len(previous) != linked_from_outside
        or proof.lengths != Lengths.of(relation, chunks, first)
        or len(proof.g) != len(proof.m)
        or len(proof.tables_at_zeta) != len(proof.m)
        or len(proof.q) != 2
    ):
        raise ProofRefused("V2", "a list is longer or shorter than the statement implies")
    if any(not 0 <= value < ORDER for value in proof.evaluations):  # V3
        raise ProofRefused("V3", "a scalar is not below r")
    if any(map(is_infinity, (*columns, *previous))):
        raise ProofRefused("V3", "a commitment is the point at infinity")
    rho = transcript.draw("rho")  # V4
    transcript.absorb("round 1", wide_points(proof.round_1))
    gamma, alpha = transcript.draw("gamma"), transcript.draw("alpha")
    transcript.absorb("round 2", wide_points(proof.round_2))
    beta = transcript.draw("beta")
    transcript.absorb("round 3", wide_points(proof.q))
    try:
        at = Point(transcript.draw("zeta"))  # V5
    except ValueError as error:
        raise ProofRefused("V4", str(error)) from error
    transcript.absorb("evaluations", scalar_words(proof.evaluations))
    v = transcript.draw("v")
    transcript.absorb("openings", wide_points(proof.openings))
    fold = transcript.draw("fold")
    line = linearise(relation, chunks, first, at, proof, Challenges(rho, gamma, alpha, beta))  # V6
    equation = _Equation()
    equation.begin(at.zeta)  # V7
    power = 1
    for point, value in zip(columns, proof.columns_at_zeta, strict=True):
        equation.add(point, power, value)
        power = power * v % ORDER
    for table, value in zip(relation.tables, proof.tables_at_zeta, strict=True):
        for i, part in enumerate(table.commitments):
            equation.add(part, power * pow(gamma, i, ORDER), 0)
        equation.value += power * value
        power = power * v % ORDER
    equation.value -= power * line.constant
    for points, coefficients in (
        (proof.h, line.h),
        (proof.m, line.m),
        (proof.g, line.g),
        ((proof.phi, proof.u), (line.phi, line.u)),
        (proof.q, line.q),
    ):
        for point, coefficient in zip(points, coefficients, strict=True):
            equation.add(point, power * coefficient, 0)
    equation.begin(at.zeta * OMEGA)
    equation.add(proof.phi, 1, proof.phi_next)
    equation.add(proof.u, v, proof.u_next)
    if relation.step is not None:
        s = [columns[c * relation.columns + relation.step.s] for c in range(chunks)]
        equation.begin(at.zeta * ROOTS[N - 1])
        equation.add_by_powers(s, proof.s_before, v)
    if relation.row_count is not None:
        equation.begin(0)
        counted = [columns[c * relation.columns + relation.row_count] for c in range(chunks)]
        equation.add_by_powers(counted, [rows * N_INVERSE % ORDER] + [0] * (chunks - 1), 1)
    if proof.s_linked:
        equation.begin(at.zeta * ROOTS[A - 1])
        equation.add_by_powers([*previous, *s[:-1]], proof.s_linked, v)
    if not equation.holds(proof.openings, fold):  # V8
        raise ProofRefused("V8", "the openings do not fit the commitments")


class _Equation:
    """The openings' equations F_i - y_i G1 + z_i pi_i, folded into one multi-scalar multiplication and one pairing."""

    def __init__(self) -> None:
        self._parts: list[tuple[int, list[G1], list[int], int]] = []
        self.value = 0
        self._point = 0
        self._points: list[G1] = []
        self._factors: list[int] = []
        self._begun = False

    def begin(self, point: int) -> None:
        """What follows is opened at ``point``."""
        self._end()
        self._point, self.value, self._points, self._factors, self._begun = point % ORDER, 0, [], [], True

    def add(self, point: G1, factor: int, value: int) -> None:
        self._points.append(point)
        self._factors.append(factor)
        self.value += factor * value

    def add_by_powers(self, points: Sequence[G1], values: Sequence[int], base: int) -> None:
        power = 1
        for point, value in zip(points, values, strict=True):
            self.add(point, power, value)
            power = power * base % ORDER

    def holds(self, openings: Sequence[G1], fold: int) -> bool:
        self._end()
        if len(openings) != len(self._parts):
            return False
        points: list[G1] = []
        factors: list[int] = []
        value, power, powers = 0, 1, []
        for (point, part_points, part_factors, part_value), opening in zip(self._parts, openings, strict=True):
            points += [*part_points, opening]
            factors += [*(power * f % ORDER for f in part_factors), power * point % ORDER]
            value += power * part_value
            powers.append(power)
            power = power * fold % ORDER
        left = multiply_sum([*points, GENERATOR], [*factors, -value])
        srs = reference_string()
        return pairing_holds(left, multiply_sum(openings, powers), srs.tau, srs.g2)

    def _end(self) -> None:
        if self._begun:
            self._parts.append((self._point, self._points, self._factors, self.value % ORDER))
            self._begun = False
