"""A second prover of validity, slow and without scruples, for tests: it makes the forgeries that verifiers must refuse.

It follows P1 to P6 of docs/protocol.md on coefficients, takes any field elements for columns, divides with a remainder
and drops the remainder, and sends what its `Cheat` says. With an honest witness and no cheat its proofs are accepted.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from hashlib import sha256
from typing import Any

from belmont.zk import evaluations
from belmont.zk.curve import G1, IDENTITY, add_all, multiply, multiply_sum, wide
from belmont.zk.field import OMEGA, ORDER, ROOTS, A, B, N, Point, interpolate, inverse, inverses, polynomial, word
from belmont.zk.layout import LIMB_BITS, LIMBS, ColumnKind, Kind, Layout
from belmont.zk.linearisation import Challenges, linearise
from belmont.zk.proof import Argument
from belmont.zk.relation import Linear, Lookup, Product
from belmont.zk.srs import reference_string
from belmont.zk.transcript import Transcript

LAYOUT = Layout((ColumnKind(Kind.BIT, 1), ColumnKind(Kind.RANGE, 5), ColumnKind(Kind.RANGE_OR_MISSING, 9)))
PRESENT, BIT, RANGE, OBSERVED, OPTIONAL, S, LIMB = range(7)
M = LAYOUT.committed
SRS_DIGEST = "d39b9f2d047cc9dca2de58f264b6a09448ccd34db967881a6713eacacf0f26b7"
ROWS = 40

Json = dict[str, Any]
Chunk = list[list[int]]
"""All N values of every committed column of one chunk."""

POINT_FIELDS = ("m", "u", "h", "g", "phi", "q", "openings")
SCALAR_FIELDS = ("columns_at_zeta", "tables_at_zeta", "phi_next", "u_next", "s_before", "s_linked")
SINGLE_FIELDS = ("u", "phi", "phi_next", "u_next")


@dataclass(frozen=True)
class Cheat:
    """What `argue` does differently from an honest prover."""

    sent_point: Callable[[str, int, bytes], bytes] = lambda name, index, data: data
    """What is sent, and so absorbed, for a point of "columns", "previous" or one of POINT_FIELDS."""
    sent_scalar: Callable[[str, int, int], int] = lambda name, index, value: value
    """What is sent for a scalar; below 2^256."""
    claim: tuple[str, int] | None = None
    """This claimed value is chosen so that the linearisation is 0 at zeta."""
    fold_too_soon: int | None = None
    """So many openings are absorbed before "fold" is drawn, and two of the others are made to fit."""
    close_phi: bool = False
    """phi(w^A) = 0, whatever the running sum says."""
    m_as_if: tuple[int, int] | None = None
    """The multiplicity of this (table, row) is one more."""
    rho_as_if: int | None = None
    """u is made for this rho."""
    close_h: int | None = None
    """This row of the first h is chosen so that phi(w^A) = 0."""
    unblinded_m: bool = False
    """m and g of table 1 are 0 on the blinding rows."""


# --- statements and witnesses ---


def statement(layout: Layout = LAYOUT, **changes: Any) -> Json:
    found: Json = {
        "chain_id": 31337,
        "contract": "c0" * 20,
        "owner": "0e" * 20,
        "dataset": "da" * 32,
        "version": 1,
        "first": 0,
        "chunks": 1,
        "rows": ROWS,
        "layout": layout.to_bytes().hex(),
    }
    return {**found, **changes}


def statement_words(of: Json) -> bytes:
    addresses = bytes(12) + bytes.fromhex(of["contract"]) + bytes(12) + bytes.fromhex(of["owner"])
    layout_hash = sha256(bytes.fromhex(of["layout"])).digest()
    numbers = [word(of[name]) for name in ("version", "first", "chunks", "rows")]
    head = bytes.fromhex(SRS_DIGEST) + word(N) + word(B) + word(of["chain_id"])
    return head + addresses + bytes.fromhex(of["dataset"]) + layout_hash + b"".join(numbers)


def witness(rng: random.Random, rows: int = ROWS, chunks: int = 1) -> list[Chunk]:
    """Honest rows of LAYOUT, with pseudonyms 1,000 and more apart."""
    pseudonym, out = 0, []
    for c in range(chunks):
        data = [[0] * A for _ in range(M)]
        for i in range(A):
            if c * A + i < rows:
                step = rng.randrange(1, 1 << 40) if i % 2 else 1
                pseudonym += step
                optional = rng.randrange(10)
                codes = [1, rng.randrange(2), rng.randrange(1, 6), int(optional > 0), optional, pseudonym]
                codes += limbs_of(step - 1)
                for column, code in zip(data, codes, strict=True):
                    column[i] = code
            else:
                data[S][i] = pseudonym
        out.append([[*column, *zero_sum(rng)] for column in data])
    return out


def limbs_of(rise: int) -> list[int]:
    return [rise >> (LIMB_BITS * i) & ((1 << LIMB_BITS) - 1) for i in range(LIMBS)]


def zero_sum(rng: random.Random) -> list[int]:
    drawn = scalars(rng, B - 1)
    return [*drawn, -sum(drawn) % ORDER]


def scalars(rng: random.Random, count: int) -> list[int]:
    return [rng.randrange(ORDER) for _ in range(count)]


# --- the prover without scruples ---


def argue(
    stated: Json, chunks: list[Chunk], before: list[int] | None, rng: random.Random, cheat: Cheat | None = None
) -> Json:
    """A vector's "statement", "columns", "previous" and "proof", made as P1 to P6 say wherever that is possible."""
    cheat = cheat or Cheat()
    layout = Layout.from_bytes(bytes.fromhex(stated["layout"]))
    relation, count, first = layout.relation, len(chunks), stated["first"]
    f = [column for chunk in chunks for column in chunk]
    sent: dict[str, list[bytes]] = {}
    transcript = Transcript("belmont/validity/v1")

    def send(name: str, points: Iterable[G1]) -> bytes:
        sent[name] = [cheat.sent_point(name, i, wide(point)) for i, point in enumerate(points)]
        return b"".join(sent[name])

    # P1
    transcript.absorb("statement", statement_words(stated))
    transcript.absorb("columns", send("columns", map(committed, f)))
    transcript.absorb("previous", send("previous", [committed(before)] if before is not None and first else []))
    rho = transcript.draw("rho")

    # P2
    rows = [{row: i for i, row in reversed(list(enumerate(table_rows(table))))} for table in relation.tables]
    m = [[0] * A + scalars(rng, B) for _ in relation.tables]
    m[0][A:] = [0] * B if cheat.unblinded_m else m[0][A:]
    tuples = [
        [tuple(part.at(row) for part in lookup.parts) for row in zip(*(c[:A] for c in chunk), strict=True)]
        for chunk in chunks
        for lookup in relation.lookups
    ]
    for k, looked_up in enumerate(tuples):
        table = relation.lookups[k % len(relation.lookups)].table
        for each in looked_up:
            if each in rows[table]:
                m[table][rows[table][each]] += 1
    if cheat.m_as_if is not None:
        m[cheat.m_as_if[0]][cheat.m_as_if[1]] += 1
    blinding = [0] * B
    for k, column in enumerate(f):
        weight = pow(rho if cheat.rho_as_if is None else cheat.rho_as_if, k, ORDER)
        blinding = [(x + weight * y) % ORDER for x, y in zip(blinding, column[A:], strict=True)]
    u = [0, *scalars(rng, A - 1), *running(blinding)[:B]]
    transcript.absorb("round 1", send("m", map(committed, m)) + send("u", [committed(u)]))
    gamma, alpha = transcript.draw("gamma"), transcript.draw("alpha")

    # P3
    def compressed(parts: Sequence[int]) -> int:
        return sum(pow(gamma, i, ORDER) * part for i, part in enumerate(parts)) % ORDER

    h = [inverses([(alpha - compressed(each)) % ORDER for each in looked_up]) for looked_up in tuples]
    g = []
    for table, counts in zip(relation.tables, m, strict=True):
        divisors = inverses([(alpha - compressed(row)) % ORDER for row in table_rows(table)[:A]])
        g.append([x * y % ORDER for x, y in zip(counts, divisors, strict=False)])
    if cheat.close_h is not None:
        h[0][cheat.close_h] -= sum(map(sum, h)) - sum(map(sum, g))
        h[0][cheat.close_h] %= ORDER
    phi = running([sum(row) - sum(less) for row, less in zip(zip(*h, strict=True), zip(*g, strict=True), strict=True)])
    phi[A] = 0 if cheat.close_phi else phi[A]
    phi += scalars(rng, B - 1)
    h, g = [[*each, *scalars(rng, B)] for each in h], [[*each, *scalars(rng, B)] for each in g]
    g[0][A:] = [0] * B if cheat.unblinded_m else g[0][A:]
    transcript.absorb(
        "round 2",
        send("h", map(committed, h)) + send("g", map(committed, g)) + send("phi", [committed(phi)]),
    )
    beta = transcript.draw("beta")

    # P4: the identities as polynomials, in the order of docs/protocol.md
    poly = {name: [through(x) for x in of] for name, of in (("f", f), ("h", h), ("m", m), ("g", g))}
    phi_x, u_x = through(phi), through(u)
    prior = [before] + [chunk[layout.pseudonym] for chunk in chunks[:-1]]
    prior_x = [polynomial([0]) if s is None else turned(through(s), A - 1) for s in prior]
    table_x = []
    for table in relation.tables:
        parts = [through(table.values(i)) for i in range(len(table.parts))]
        table_x.append(sum((x * pow(gamma, i, ORDER) for i, x in enumerate(parts)), polynomial([0])))
    on_data, on_all = polynomial([0]), polynomial([0])
    power = 1
    lookups = iter(poly["h"])
    borders = []
    for c in range(count):  # V-a
        columns = poly["f"][c * relation.columns : (c + 1) * relation.columns]
        for identity in relation.identities:
            if isinstance(identity, Product):
                term = linear(identity.a, columns) * linear(identity.b, columns) - linear(identity.c, columns)
            elif isinstance(identity, Lookup):
                looked = (linear(part, columns) * pow(gamma, i, ORDER) for i, part in enumerate(identity.parts))
                term = next(lookups) * (polynomial([alpha]) - sum(looked, polynomial([0]))) - polynomial([1])
            else:
                s, rise = columns[identity.s], linear(identity.rise, columns)
                term = polynomial([-1, 1]) * (s - turned(s, -1) - rise)
                borders.append(s - prior_x[c] - rise)
            on_data += term * power
            power = power * beta % ORDER
    for t, g_x, m_x in zip(table_x, poly["g"], poly["m"], strict=True):  # V-b
        on_data += (g_x * (polynomial([alpha]) - t) - m_x) * power
        power = power * beta % ORDER
    change = turned(phi_x, 1) - phi_x - sum(poly["h"], polynomial([0])) + sum(poly["g"], polynomial([0]))
    on_data += change * power  # V-c
    power = power * beta % ORDER
    combined = sum((x * pow(rho, k, ORDER) for k, x in enumerate(poly["f"])), polynomial([0]))
    on_blinding = (turned(u_x, 1) - u_x - combined) * power  # V-d
    power = power * beta % ORDER
    l_0, l_a = (through([int(i == row) for i in range(N)]) for row in (0, A))
    for x in (phi_x, u_x):  # V-e
        for row in (l_0, l_a):
            on_all += row * x * power
            power = power * beta % ORDER
    for border in borders:  # V-f
        on_all += l_0 * border * power
        power = power * beta % ORDER
    z_a, z_b = vanishing()
    total = on_data * z_b + on_blinding * z_a + on_all
    quotient, _ = divmod(total, z_a * z_b)
    q = [int(x) for x in quotient.coeffs()]
    b = rng.randrange(ORDER)
    low, high = q[: N - 1], q[N - 1 :] or [0]
    q_x = [polynomial([*low, *([0] * (N - 1 - len(low))), b]), polynomial([high[0] - b, *high[1:]])]
    transcript.absorb("round 3", send("q", map(commit, q_x)))
    zeta = transcript.draw("zeta")

    # P5
    claims = {
        "columns_at_zeta": [int(x(zeta)) for x in poly["f"]],
        "tables_at_zeta": [int(x(zeta)) for x in table_x],
        "phi_next": [int(phi_x(zeta * OMEGA % ORDER))],
        "u_next": [int(u_x(zeta * OMEGA % ORDER))],
        "s_before": [
            int(poly["f"][c * relation.columns + layout.pseudonym](zeta * ROOTS[-1] % ORDER)) for c in range(count)
        ],
        "s_linked": [int(x(zeta)) for s, x in zip(prior, prior_x, strict=True) if s is not None],
    }
    unopened = [*poly["m"], u_x, *poly["h"], *poly["g"], phi_x, *q_x]

    def linearised() -> Any:
        claimed = Argument(
            (IDENTITY,) * len(m), IDENTITY, (IDENTITY,) * len(h), (IDENTITY,) * len(g), IDENTITY, (IDENTITY,) * 2,
            tuple(claims["columns_at_zeta"]), tuple(claims["tables_at_zeta"]), claims["phi_next"][0],
            claims["u_next"][0], tuple(claims["s_before"]), tuple(claims["s_linked"]), (),
        )  # fmt: skip
        drawn = Challenges(rho, gamma, alpha, beta)
        r = linearise(relation, count, first, Point(zeta), claimed, drawn)
        factors = [*r.m, r.u, *r.h, *r.g, r.phi, *r.q]
        return sum((x * y for x, y in zip(unopened, factors, strict=True)), polynomial([r.constant]))

    if cheat.claim is not None:
        name, index = cheat.claim
        wrong = int(linearised()(zeta))
        claims[name][index] = (claims[name][index] + 1) % ORDER
        slope = (int(linearised()(zeta)) - wrong) % ORDER
        claims[name][index] = (claims[name][index] - 1 - wrong * inverse(slope)) % ORDER
    r_x = linearised()
    words = {name: [word(cheat.sent_scalar(name, i, x)) for i, x in enumerate(claims[name])] for name in SCALAR_FIELDS}
    transcript.absorb("evaluations", b"".join(each for name in SCALAR_FIELDS for each in words[name]))
    v = transcript.draw("v")

    # P6
    s_x = [poly["f"][c * relation.columns + layout.pseudonym] for c in range(count)]
    opened = [
        (powers_sum(v, [*poly["f"], *table_x, r_x]), zeta),
        (powers_sum(v, [phi_x, u_x]), zeta * OMEGA % ORDER),
        (powers_sum(v, s_x), zeta * ROOTS[-1] % ORDER),
        (sum((poly["f"][c * relation.columns] for c in range(count)), polynomial([0])), 0),
    ]
    if claims["s_linked"]:
        linked = [turned(x, 1 - A) for s, x in zip(prior, prior_x, strict=True) if s is not None]
        opened.append((powers_sum(v, linked), zeta * ROOTS[A - 1] % ORDER))
    openings = [commit(divmod(x - polynomial([int(x(z))]), polynomial([-z, 1]))[0]) for x, z in opened]
    if cheat.fold_too_soon is None:
        send("openings", openings)
    else:
        absorbed = send("openings", openings[: cheat.fold_too_soon])
        transcript.absorb("openings", absorbed)
        d = transcript.draw("fold")
        values = [
            powers_value(v, [*claims["columns_at_zeta"], *claims["tables_at_zeta"], 0]),
            powers_value(v, [*claims["phi_next"], *claims["u_next"]]),
            powers_value(v, claims["s_before"]),
            stated["rows"] * inverse(N) % ORDER,
            powers_value(v, claims["s_linked"]),
        ]
        send("openings", fitting(opened, values, openings, cheat.fold_too_soon, d))
    return as_vector(stated, sent, words)


def fitting(
    opened: Sequence[tuple[Any, int]], values: Sequence[int], openings: list[G1], fixed: int, d: int
) -> list[G1]:
    """Openings that satisfy V8 for a known d, when the last two or more of them are still free: no witness is needed.

    E = sum d^i (F_i - y_i + z_i pi_i) over the fixed ones, R = sum d^i pi_i; the free x and y have to satisfy
    E + z_x x + z_y y = 0 and R + x + y = 0.
    """
    shifted = [x - polynomial([y]) for (x, _), y in zip(opened, values, strict=False)]
    error = add_all([multiply(commit(x), pow(d, i, ORDER)) for i, x in enumerate(shifted)])
    rest = IDENTITY
    for i in range(fixed):
        part = multiply(openings[i], pow(d, i, ORDER))
        error, rest = error + multiply(part, opened[i][1]), rest + part
    first, second = fixed, fixed + 1
    z_x, z_y = opened[first][1], opened[second][1]
    # y = -R - x, so E + z_x x - z_y R - z_y x = 0
    x = multiply(multiply(rest, z_y) + -error, inverse(z_x - z_y))
    y = -rest + -x
    found = [*openings[:fixed], *([IDENTITY] * (len(openings) - fixed))]
    found[first] = multiply(x, inverse(pow(d, first, ORDER)))
    found[second] = multiply(y, inverse(pow(d, second, ORDER)))
    return found


def as_vector(stated: Json, sent: dict[str, list[bytes]], words: dict[str, list[bytes]]) -> Json:
    proof: Json = {name: [x.hex() for x in {**sent, **words}[name]] for name in (*POINT_FIELDS, *SCALAR_FIELDS)}
    for name in SINGLE_FIELDS:
        (proof[name],) = proof[name]
    order = ("m", "u", "h", "g", "phi", "q", *SCALAR_FIELDS, "openings")
    return {
        "statement": stated,
        "columns": [x.hex() for x in sent["columns"]],
        "previous": [x.hex() for x in sent["previous"]],
        "proof": {name: proof[name] for name in order},
    }


def table_rows(table: Any) -> list[tuple[int, ...]]:
    return list(zip(*(table.values(i) for i in range(len(table.parts))), strict=True))


def running(values: Sequence[int]) -> list[int]:
    """0 and the running sums."""
    sums = [0]
    for value in values:
        sums.append((sums[-1] + value) % ORDER)
    return sums


def linear(of: Linear, columns: Sequence[Any]) -> Any:
    return sum((columns[j] * (c % ORDER) for j, c in of.terms), polynomial([of.constant % ORDER]))


def turned(x: Any, rows: int) -> Any:
    """f(w^rows X)."""
    return polynomial([int(c) * ROOTS[rows * i % N] % ORDER for i, c in enumerate(x.coeffs())])


def commit(x: Any) -> G1:
    coefficients = [int(c) for c in x.coeffs()]
    return multiply_sum(powers_of_tau()[: len(coefficients)], coefficients)


@cache
def powers_of_tau() -> Sequence[G1]:
    return reference_string().powers(N)


def committed(values: Sequence[int]) -> G1:
    """[f], from f's values on H. The same columns are in many cases."""
    return _committed(tuple(values))


def through(values: Sequence[int]) -> Any:
    """The polynomial with these values on H."""
    return _through(tuple(values))


@lru_cache(maxsize=128)
def _committed(values: tuple[int, ...]) -> G1:
    return evaluations.commit(values)


@lru_cache(maxsize=128)
def _through(values: tuple[int, ...]) -> Any:
    return polynomial(interpolate(values))


def powers_sum(base: int, polynomials: Sequence[Any]) -> Any:
    return sum((x * pow(base, i, ORDER) for i, x in enumerate(polynomials)), polynomial([0]))


def powers_value(base: int, values: Sequence[int]) -> int:
    return sum(pow(base, i, ORDER) * x for i, x in enumerate(values)) % ORDER


@cache
def vanishing() -> tuple[Any, Any]:
    """Z_A and Z_B."""
    z_b = polynomial([1])
    for root in ROOTS[A:]:
        z_b *= polynomial([-root, 1])
    return divmod(polynomial([-1, *([0] * (N - 1)), 1]), z_b)[0], z_b
