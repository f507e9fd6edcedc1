"""The slow verifier of a validity proof, to be read beside docs/protocol.md, whose steps it keeps by number:

- **V1** The statement is sound in itself: sizes, at least one chunk, no more rows than the chunks hold, a layout that
  the page allows. The tables' commitments are computed from the layout and the ceremony's file.
- **V2** Every list has exactly the length that statement and layout imply; nothing else is in the vector.
- **V3** Every scalar is below r. Every point is canonical, on the curve and in the subgroup. No column is at infinity.
- **V4** Every challenge is derived from the vector's own bytes.
- **V5** The values at zeta of the vanishing polynomials and of L_0 and L_A.
- **V6** The linearisation: V-a to V-f at zeta, as a constant and one factor for each of the prover's commitments.
- **V7** Four or five commitments F_i, each with its claimed value y_i at one point z_i.
- **V8** One pairing equation for all of them.

It rests on `py_ecc` and `hashlib` and on nothing of ours, so that nobody has to trust the code that makes the proofs. A
vector is a JSON object as in tests/vectors/validity.json; its statement is what the *verifier* expects. A field that is
missing, surplus or of another type is refused like a forgery, with the same error.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, repeat
from pathlib import Path
from typing import Any

try:
    from py_ecc.bls.point_compression import decompress_G1, decompress_G2
    from py_ecc.optimized_bls12_381 import (
        FQ,
        FQ12,
        G1,
        G2,
        Z1,
        add,
        b,
        curve_order,
        double,
        field_modulus,
        final_exponentiate,
        is_inf,
        is_on_curve,
        multiply,
        neg,
        pairing,
    )
except ImportError as missing:  # pragma: no cover
    raise ImportError("the reference verifier needs py-ecc: pip install py-ecc") from missing

R: int = curve_order  # the order of the curve's subgroup, r
P: int = field_modulus  # the field of the points' coordinates
N, B = 4096, 64
A = N - B
W = pow(7, (R - 1) // N, R)  # w
ROW = list(accumulate(repeat(W, N - 1), lambda x, y: x * y % R, initial=1))  # ROW[i] = w^i
SPLIT = N - 1  # Q = q_1 + X^4095 q_2
LIMBS, LIMB_BITS = 6, 11
CEREMONY_SHA256 = "d39b9f2d047cc9dca2de58f264b6a09448ccd34db967881a6713eacacf0f26b7"

BIT, RANGE, OPTIONAL_RANGE = 1, 2, 3  # the kinds of a layout
Point = Any  # a projective point of py_ecc


class ReferenceRefused(Exception):
    """The proof is not accepted. `step` is the step of docs/protocol.md that failed, `why` says how."""

    def __init__(self, step: str, why: str) -> None:
        super().__init__(step, why)
        self.step = step
        self.why = why

    def __str__(self) -> str:
        return f"{self.step}: {self.why}"


def verify(vector: Mapping[str, Any], ceremony: Path | bytes) -> None:
    """Return if the vector's proof shows the vector's statement; raise `ReferenceRefused` if it does not."""
    file = ceremony if isinstance(ceremony, bytes) else ceremony.read_bytes()
    lagrange, tau_g2 = read_ceremony(file)

    # V1
    statement = read_statement(vector)
    layout = read_layout(statement.layout)
    committed = committed_columns(layout)
    t_1v, t_1c, t_2 = tables(statement.layout, lagrange)

    # V2
    k, m = statement.chunks, len(committed)
    looked_up = k * sum(column.table_class is not None for column in committed)
    linked = k if statement.first > 0 else k - 1
    fields = {"name", "accept", "why", "statement", "columns", "previous", "proof"}
    if not set(vector) <= fields:
        raise ReferenceRefused("V2", "the vector has a field that does not belong there")
    columns_hex = hex_list(vector, "columns", k * m)
    previous_hex = hex_list(vector, "previous", 1 if statement.first > 0 else 0)
    proof = read_object(vector, "proof")
    if set(proof) != PROOF_FIELDS:
        raise ReferenceRefused("V2", f"a proof has exactly the fields {sorted(PROOF_FIELDS)}")
    m_hex, u_hex = hex_list(proof, "m", 2), hex_field(proof, "u")
    h_hex, g_hex, phi_hex = hex_list(proof, "h", looked_up), hex_list(proof, "g", 2), hex_field(proof, "phi")
    q_hex = hex_list(proof, "q", 2)
    columns_at_zeta_hex = hex_list(proof, "columns_at_zeta", k * m)
    tables_at_zeta_hex = hex_list(proof, "tables_at_zeta", 2)
    phi_next_hex, u_next_hex = hex_field(proof, "phi_next"), hex_field(proof, "u_next")
    s_before_hex, s_linked_hex = hex_list(proof, "s_before", k), hex_list(proof, "s_linked", linked)
    openings_hex = hex_list(proof, "openings", 5 if linked else 4)

    # V3
    at_zeta = [scalar(x) for x in columns_at_zeta_hex]
    t_1_at_zeta, t_2_at_zeta = (scalar(x) for x in tables_at_zeta_hex)
    phi_next, u_next = scalar(phi_next_hex), scalar(u_next_hex)
    s_before, s_linked = [scalar(x) for x in s_before_hex], [scalar(x) for x in s_linked_hex]
    columns, previous = [point(x) for x in columns_hex], [point(x) for x in previous_hex]
    round_1 = [point(x) for x in [*m_hex, u_hex]]
    round_2 = [point(x) for x in [*h_hex, *g_hex, phi_hex]]
    round_3 = [point(x) for x in q_hex]
    openings = [point(x) for x in openings_hex]
    if any(is_inf(column) for column in [*columns, *previous]):
        raise ReferenceRefused("V3", "the commitment to a column is the point at infinity")

    # V4: the transcript, in the order of P1 to P6
    transcript = Transcript(b"belmont/validity/v1")
    transcript.absorb("statement", statement.words())
    transcript.absorb("columns", b"".join(columns_hex))
    transcript.absorb("previous", b"".join(previous_hex))
    rho = transcript.draw("rho")  # P1
    transcript.absorb("round 1", b"".join([*m_hex, u_hex]))
    gamma, alpha = transcript.draw("gamma"), transcript.draw("alpha")  # P2
    transcript.absorb("round 2", b"".join([*h_hex, *g_hex, phi_hex]))
    beta = transcript.draw("beta")  # P3
    transcript.absorb("round 3", b"".join(q_hex))
    zeta = transcript.draw("zeta")  # P4
    if zeta == 0 or pow(zeta, N, R) == 1:
        raise ReferenceRefused("V4", "zeta is 0 or a row")
    evaluations = [*columns_at_zeta_hex, *tables_at_zeta_hex, phi_next_hex, u_next_hex, *s_before_hex, *s_linked_hex]
    transcript.absorb("evaluations", b"".join(evaluations))
    v = transcript.draw("v")  # P5
    transcript.absorb("openings", b"".join(openings_hex))
    fold = transcript.draw("fold")  # P6: only after the openings, or anything verifies

    # V5
    z_h = (pow(zeta, N, R) - 1) % R
    z_b = 1
    for i in range(A, N):
        z_b = z_b * (zeta - ROW[i]) % R
    z_a = z_h * inverse(z_b) % R
    l_0 = z_h * inverse(N * (zeta - 1)) % R
    l_a = ROW[A] * z_h * inverse(N * (zeta - ROW[A])) % R

    # V6: `constant` plus, for each committed polynomial, its factor
    constant, on_h, on_m, on_g, on_phi, on_u = 0, [], [0, 0], [0, 0], 0, 0
    power = 1  # of beta
    s_of_chunk_before = s_linked if statement.first > 0 else [0, *s_linked]  # p_c at zeta
    chunks = [at_zeta[c * m : (c + 1) * m] for c in range(k)]
    for c, f in enumerate(chunks):
        present = f[0]
        for column, value in zip(committed, f, strict=True):
            if column.is_bit:  # V-a.1
                constant += power * z_b * (value * value - value)
                power = power * beta % R
            if column.is_data:  # V-a.2
                constant += power * z_b * (1 - present) * value
                power = power * beta % R
            o = 0 if column.one_at is None else f[column.one_at]
            if column.kind == OPTIONAL_RANGE:  # V-a.3, where o is `observed`
                constant += power * z_b * (1 - o) * value
                power = power * beta % R
            if column.table_class is not None:  # V-a.4
                on_h.append(power * z_b * (alpha - gamma * column.table_class - value + o))
                constant -= power * z_b
                power = power * beta % R
        s, limbs = f[m - LIMBS - 1], f[m - LIMBS :]
        step = present + sum(limb << (LIMB_BITS * i) for i, limb in enumerate(limbs))
        constant += power * z_b * (zeta - 1) * (s - s_before[c] - step)  # V-a.5
        power = power * beta % R
    for table, t in enumerate((t_1_at_zeta, t_2_at_zeta)):  # V-b
        on_g[table] += power * z_b * (alpha - t)
        on_m[table] -= power * z_b
        power = power * beta % R
    constant += power * z_b * phi_next  # V-c
    on_phi -= power * z_b
    on_h = [factor - power * z_b for factor in on_h]
    on_g = [factor + power * z_b for factor in on_g]
    power = power * beta % R
    constant += power * z_a * (u_next - combine_scalars(rho, at_zeta))  # V-d
    on_u -= power * z_a
    power = power * beta % R
    on_phi += power * l_0 + power * beta * l_a  # V-e
    power = power * beta * beta % R
    on_u += power * l_0 + power * beta * l_a
    power = power * beta * beta % R
    for f, p in zip(chunks, s_of_chunk_before, strict=True):  # V-f
        s, limbs = f[m - LIMBS - 1], f[m - LIMBS :]
        step = f[0] + sum(limb << (LIMB_BITS * i) for i, limb in enumerate(limbs))
        constant += power * l_0 * (s - p - step)
        power = power * beta % R
    on_q = [-z_h, -z_h * pow(zeta, SPLIT, R)]
    linearised = combine(
        [G1, *round_1, *round_2, *round_3],
        [constant, *on_m, on_u, *on_h, *on_g, on_phi, *on_q],
    )

    # V7
    s_columns = [columns[c * m + m - LIMBS - 1] for c in range(k)]
    t_1 = add(t_1v, multiply(t_1c, gamma))
    f_0, y_0 = [*columns, t_1, t_2, linearised], [*at_zeta, t_1_at_zeta, t_2_at_zeta, 0]
    f_1, y_1 = [round_2[-1], round_1[-1]], [phi_next, u_next]
    f_2, y_2 = s_columns, s_before
    f_3 = combine([columns[c * m] for c in range(k)], [1] * k)
    y_3 = statement.rows * inverse(N)
    f_4, y_4 = [*previous, *s_columns[:-1]], s_linked
    claims = [
        (powers_combined(v, f_0), combine_scalars(v, y_0), zeta),
        (powers_combined(v, f_1), combine_scalars(v, y_1), zeta * W % R),
        (powers_combined(v, f_2), combine_scalars(v, y_2), zeta * inverse(W) % R),
        (f_3, y_3, 0),
    ]
    if linked:
        claims.append((powers_combined(v, f_4), combine_scalars(v, y_4), zeta * ROW[A - 1] % R))

    # V8
    points: list[Point] = []
    factors: list[int] = []
    for i, ((f_i, y_i, z_i), opening) in enumerate(zip(claims, openings, strict=True)):
        d = pow(fold, i, R)
        points += [f_i, G1, opening]
        factors += [d, -d * y_i, d * z_i]
    left, right = combine(points, factors), powers_combined(fold, openings)
    if final_exponentiate(pairing(G2, left, False) * pairing(tau_g2, neg(right), False)) != FQ12.one():
        raise ReferenceRefused("V8", "the pairing equation does not hold")


# The statement, the layout and the tables (V1)

PROOF_FIELDS = {
    *("m", "u", "h", "g", "phi", "q", "columns_at_zeta", "tables_at_zeta"),
    *("phi_next", "u_next", "s_before", "s_linked", "openings"),
}


@dataclass(frozen=True)
class Statement:
    chain_id: int
    contract: bytes
    owner: bytes
    dataset: bytes
    layout: bytes
    version: int
    first: int
    chunks: int
    rows: int

    def words(self) -> bytes:
        return b"".join(
            [
                bytes.fromhex(CEREMONY_SHA256),
                word(N),
                word(B),
                word(self.chain_id),
                self.contract.rjust(32, b"\0"),
                self.owner.rjust(32, b"\0"),
                self.dataset,
                hashlib.sha256(self.layout).digest(),
                word(self.version),
                word(self.first),
                word(self.chunks),
                word(self.rows),
            ]
        )


@dataclass(frozen=True)
class Column:
    """One committed column. `one_at`: which column of the chunk is its `o`: 1 where this one has a value."""

    kind: int | None = None
    is_bit: bool = False
    is_data: bool = False
    table_class: int | None = None
    one_at: int | None = None


def read_statement(vector: Mapping[str, Any]) -> Statement:
    if not isinstance(vector, Mapping):
        raise ReferenceRefused("V1", "a vector is a JSON object")
    fields = read_object(vector, "statement")
    names = {"chain_id", "contract", "owner", "dataset", "version", "first", "chunks", "rows", "layout"}
    if set(fields) != names:
        raise ReferenceRefused("V1", f"a statement has exactly the fields {sorted(names)}")
    chunks = whole(fields, "chunks", 2**32)
    first = whole(fields, "first", 2**32)
    rows = whole(fields, "rows", 2**64)
    if chunks < 1:
        raise ReferenceRefused("V1", "a proof is about at least one chunk")
    if rows > chunks * A:
        raise ReferenceRefused("V1", "more rows than the chunks can hold")
    layout = hex_field(fields, "layout")
    return Statement(
        chain_id=whole(fields, "chain_id", 2**256),
        contract=hex_field(fields, "contract", 20),
        owner=hex_field(fields, "owner", 20),
        dataset=hex_field(fields, "dataset", 32),
        layout=layout,
        version=whole(fields, "version", 2**64),
        first=first,
        chunks=chunks,
        rows=rows,
    )


def read_layout(layout: bytes) -> list[tuple[int, int]]:
    """(kind, W) of every column of the dictionary."""
    if len(layout) < 3 or layout[0] != 1:
        raise ReferenceRefused("V1", "not a layout of version 1")
    count = int.from_bytes(layout[1:3], "big")
    if not 1 <= count <= 512 or len(layout) != 3 + 3 * count:
        raise ReferenceRefused("V1", "a layout has 1 to 512 columns of three bytes each")
    entries = [layout[i : i + 3] for i in range(3, len(layout), 3)]
    columns = [(entry[0], int.from_bytes(entry[1:], "big")) for entry in entries]
    for kind, width in columns:
        if kind not in (BIT, RANGE, OPTIONAL_RANGE) or not 1 <= width <= A or (kind == BIT and width != 1):
            raise ReferenceRefused("V1", f"a layout has no column of kind {kind} and width {width}")
    if sum(widths_of(columns)) > A:
        raise ReferenceRefused("V1", "the widths do not fit into one table")
    return columns


def widths_of(layout: Iterable[tuple[int, int]]) -> list[int]:
    """The distinct widths of the ranges; class c of a width is its place here, counted from 1."""
    return sorted({width for kind, width in layout if kind != BIT})


def committed_columns(layout: list[tuple[int, int]]) -> list[Column]:
    """The M committed columns of a chunk, in order."""
    classes = {width: c for c, width in enumerate(widths_of(layout), start=1)}
    columns = [Column(is_bit=True)]  # present
    for kind, width in layout:
        if kind == BIT:
            columns.append(Column(kind, is_bit=True, is_data=True))
        elif kind == RANGE:
            columns.append(Column(kind, is_data=True, table_class=classes[width], one_at=0))
        else:
            columns.append(Column(is_bit=True, is_data=True))  # observed
            columns.append(Column(kind, is_data=True, table_class=classes[width], one_at=len(columns) - 1))
    columns.append(Column())  # s
    return [*columns, *(Column(table_class=0) for _ in range(LIMBS))]


@lru_cache(maxsize=16)
def tables(layout: bytes, lagrange: tuple[bytes, ...]) -> tuple[Point, Point, Point]:
    """[t_1v], [t_1c] and [t_2], by running sums: the sum of v·L_v is the sum of the sums of the last ones."""
    t_1v, t_1c, rows, begin = Z1, Z1, Z1, 0
    for c, width in enumerate(widths_of(read_layout(layout)), start=1):
        values, total = weighted_sum(lagrange[begin : begin + width])
        t_1v, t_1c, rows = add(t_1v, values), add(t_1c, multiply(total, c)), add(rows, total)
        begin += width
    further_rows = add(G1, neg(rows))  # all L_i sum to 1; every further row is (0, 1)
    t_2, _ = weighted_sum(lagrange[: 1 << LIMB_BITS])
    return t_1v, add(t_1c, further_rows), t_2


def weighted_sum(compressed: Sequence[bytes]) -> tuple[Point, Point]:
    """Of points p_0, p_1, ...: the sum of v·p_v and the sum of p_v."""
    weighted, total = Z1, Z1
    for encoded in reversed(compressed):
        weighted = add(weighted, total)  # p_v enters `total` after this, so it is added v times
        total = add(total, lagrange_point(encoded))
    return weighted, total


@lru_cache(maxsize=1)
def read_ceremony(file: bytes) -> tuple[tuple[bytes, ...], Point]:
    """The compressed [L_i], and [tau] in G2. The digest vouches for the file's points, so they are not checked."""
    if hashlib.sha256(file).hexdigest() != CEREMONY_SHA256:
        raise ReferenceRefused("V1", "this is not the file of the Ethereum KZG ceremony")
    lines = file.decode("ascii").split()
    tau = bytes.fromhex(lines[2 + N + 1])  # after the two counts and all [L_i]: [tau^0], [tau^1], ... in G2
    lagrange = tuple(bytes.fromhex(line) for line in lines[2 : 2 + N])
    return lagrange, decompress_G2((int.from_bytes(tau[:48], "big"), int.from_bytes(tau[48:], "big")))


@lru_cache(maxsize=N)
def lagrange_point(compressed: bytes) -> Point:
    return decompress_G1(int.from_bytes(compressed, "big"))


# Fields of the vector (V2), scalars and points (V3)


def read_object(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = fields.get(name)
    if not isinstance(value, Mapping):
        raise ReferenceRefused("V2", f"{name} is not an object")
    return value


def whole(fields: Mapping[str, Any], name: str, below: int) -> int:
    value = fields.get(name)
    if type(value) is not int or not 0 <= value < below:
        raise ReferenceRefused("V1", f"{name} is not a number from 0 to {below - 1}")
    return value


def hex_field(fields: Mapping[str, Any], name: str, length: int | None = None) -> bytes:
    return hex_bytes(fields.get(name), name, length)


def hex_list(fields: Mapping[str, Any], name: str, count: int) -> list[bytes]:
    value = fields.get(name)
    if not isinstance(value, list) or len(value) != count:
        raise ReferenceRefused("V2", f"{name} is not a list of {count}")
    return [hex_bytes(entry, name) for entry in value]


def hex_bytes(value: Any, name: str, length: int | None = None) -> bytes:
    if not isinstance(value, str) or not set(value) <= set("0123456789abcdef") or len(value) % 2:
        raise ReferenceRefused("V2", f"{name} is not in hexadecimal digits")
    decoded = bytes.fromhex(value)
    if length is not None and len(decoded) != length:
        raise ReferenceRefused("V2", f"{name} is not {length} bytes long")
    return decoded


def scalar(encoded: bytes) -> int:
    value = int.from_bytes(encoded, "big")
    if len(encoded) != 32 or value >= R:
        raise ReferenceRefused("V3", "a scalar is 32 bytes and below r")
    return value


@lru_cache(maxsize=4096)
def point(encoded: bytes) -> Point:
    """Of the 128 bytes of EIP-2537: 16 zero bytes and 48 bytes for each of x and y, or zero bytes for infinity."""
    if len(encoded) != 128 or any(encoded[:16]) or any(encoded[64:80]):
        raise ReferenceRefused("V3", "a point is 128 bytes, with 16 zero bytes before each coordinate")
    if not any(encoded):
        return Z1
    x, y = int.from_bytes(encoded[16:64], "big"), int.from_bytes(encoded[80:], "big")
    if x >= P or y >= P:
        raise ReferenceRefused("V3", "a coordinate is not reduced")
    candidate = (FQ(x), FQ(y), FQ(1))
    if not is_on_curve(candidate, b):
        raise ReferenceRefused("V3", "a point is not on the curve")
    if not is_inf(multiply(candidate, R)):
        raise ReferenceRefused("V3", "a point is not in the subgroup of order r")
    return candidate


# The transcript (V4)


class Transcript:
    def __init__(self, label: bytes) -> None:
        self.state = hashlib.sha256(label).digest()

    def absorb(self, name: str, data: bytes) -> None:
        self.state = hashlib.sha256(
            self.state + padded(name) + word(len(data)) + hashlib.sha256(data).digest()
        ).digest()

    def draw(self, name: str) -> int:
        self.state = hashlib.sha256(self.state + padded(name)).digest()
        high, low = (hashlib.sha256(self.state + end).digest() for end in (b"\x00", b"\x01"))
        return int.from_bytes(high + low, "big") % R


def padded(name: str) -> bytes:
    return name.encode("ascii").ljust(32, b"\0")


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


# Arithmetic


def inverse(x: int) -> int:
    return pow(x, -1, R)


def combine_scalars(base: int, values: Sequence[int]) -> int:
    """values[0] + base·values[1] + base^2·values[2] + ..., by Horner's rule."""
    result = 0
    for value in reversed(values):
        result = (result * base + value) % R
    return result


def powers_combined(base: int, points: Sequence[Point]) -> Point:
    """points[0] + base·points[1] + base^2·points[2] + ..."""
    return combine(points, [pow(base, i, R) for i in range(len(points))])


def combine(points: Sequence[Point], factors: Sequence[int]) -> Point:
    """The sum of factor·point, all factors bit by bit together from the highest bit."""
    reduced = [factor % R for factor in factors]
    result = Z1
    for bit in reversed(range(R.bit_length())):
        result = double(result)
        for summand, factor in zip(points, reduced, strict=True):
            if factor >> bit & 1:
                result = add(result, summand)
    return result
