"""The slow verifier of a bounded update, to be read beside docs/bounded_updates.md and docs/protocol.md (V1 to V8).

It takes the statement that the *verifier* expects, as in tests/vectors/bounded.json, and the bytes of a proof's file.
Of ours it imports the other reference verifier's arithmetic and transcript, and nothing else: limbs, columns,
identities, encodings and tables are written here a second time.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from py_ecc.bls.point_compression import compress_G1, decompress_G1
from py_ecc.optimized_bls12_381 import (
    FQ12,
    G1,
    G2,
    Z1,
    add,
    final_exponentiate,
    is_inf,
    multiply,
    neg,
    normalize,
    pairing,
)

from belmont.zk.verifiers.reference import (
    CEREMONY_SHA256,
    ROW,
    SPLIT,
    A,
    B,
    N,
    P,
    Point,
    R,
    ReferenceRefused,
    Transcript,
    W,
    combine,
    combine_scalars,
    inverse,
    powers_combined,
    read_ceremony,
    scalar,
    weighted_sum,
    word,
)

LABEL = b"belmont/bounded-update/v1"
HEAD = b"BELMONT UPDATE\n" + (1).to_bytes(2, "big")
Limb = tuple[int, int]
"""Weight and width."""


@dataclass(frozen=True)
class Shape:
    """What follows from d, L, n and T2 (None without): bytes of a slot, slots, chunks, limbs and slack."""

    s: int
    p: int
    k: int
    limbs: list[Limb]
    slack: list[Limb]
    t2: int | None

    @property
    def columns(self) -> int:
        return self.p * len(self.limbs) + (0 if self.t2 is None else self.p + len(self.slack))

    @property
    def looked_up(self) -> list[tuple[int, int]]:
        """(column, width) of every lookup of a chunk, in the order of identities."""
        of_slots = [(j * len(self.limbs) + i, w) for j in range(self.p) for i, (_, w) in enumerate(self.limbs)]
        first = self.columns - len(self.slack)
        return of_slots + [(first + i, width) for i, (_, width) in enumerate(self.slack)]


def verify(statement: Mapping[str, Any], file: bytes, ceremony: Path | bytes) -> list[Point]:
    """[X] of every chunk, if the file's proof shows the statement. Raises ReferenceRefused."""
    lagrange, tau_g2 = read_ceremony(ceremony if isinstance(ceremony, bytes) else ceremony.read_bytes())

    # V1
    shape = shape_of(statement)
    words = words_of(statement, shape)
    head = HEAD + hashlib.sha256(LABEL + words).digest()
    if file[: len(head)] != head:
        raise ReferenceRefused("V1", "not a proof of this statement")
    widths = sorted({width for _, width in shape.limbs})

    # V2 and V3
    norm, k, m = shape.t2 is not None, shape.k, shape.columns
    lookups = k * len(shape.looked_up)
    counts = [("point", k * m), ("point", 2), ("point", lookups), ("point", 1), ("point", 1), ("point", 2)]
    counts += [("scalar", k * m), ("scalar", 3), ("point", 2 + norm)]
    size = sum(count * (48 if kind == "point" else 32) for kind, count in counts)
    if len(file) != len(head) + size:
        raise ReferenceRefused("V2", "the file is longer or shorter than the statement implies")
    at, parts = len(head), []
    for kind, count in counts:
        step = 48 if kind == "point" else 32
        encoded = [file[at + i * step : at + (i + 1) * step] for i in range(count)]
        parts.append([compressed_point(x) if kind == "point" else scalar(x) for x in encoded])
        at += count * step
    columns, (m_1, u), h, (g_1,), (phi,), q, at_zeta, (t_at_zeta, phi_next, u_next), openings = parts
    if any(is_inf(column) for column in columns):
        raise ReferenceRefused("V3", "the commitment to a column is the point at infinity")

    # V4
    transcript = Transcript(LABEL)
    transcript.absorb("statement", words)
    transcript.absorb("columns", wide(columns))
    rho = transcript.draw("rho")
    transcript.absorb("round 1", wide([m_1, u]))
    gamma, alpha = transcript.draw("gamma"), transcript.draw("alpha")
    transcript.absorb("round 2", wide([*h, g_1, phi]))
    beta = transcript.draw("beta")
    transcript.absorb("round 3", wide(q))
    zeta = transcript.draw("zeta")
    if zeta == 0 or pow(zeta, N, R) == 1:
        raise ReferenceRefused("V4", "zeta is 0 or a row")
    transcript.absorb("evaluations", b"".join(word(x) for x in [*at_zeta, t_at_zeta, phi_next, u_next]))
    v = transcript.draw("v")
    transcript.absorb("openings", wide(openings))
    fold = transcript.draw("fold")

    # V5
    z_h = (pow(zeta, N, R) - 1) % R
    z_b = 1
    for i in range(A, N):
        z_b = z_b * (zeta - ROW[i]) % R
    z_a = z_h * inverse(z_b) % R
    l_0 = z_h * inverse(N * (zeta - 1)) % R
    l_a = ROW[A] * z_h * inverse(N * (zeta - ROW[A])) % R

    # V6
    constant, on_h, power = 0, [], 1
    for c in range(k):
        f = at_zeta[c * m : (c + 1) * m]
        for column, width in shape.looked_up:
            on_h.append(power * z_b * (alpha - gamma * (widths.index(width) + 1) - f[column]))
            constant -= power * z_b
            power = power * beta % R
        if norm:
            e = shape.p * len(shape.limbs)
            squares, slack = f[e + 1 : e + shape.p], f[e + shape.p :]
            weighted = sum(weight * x for (weight, _), x in zip(shape.slack, slack, strict=True))
            for j, square in enumerate([f[e] - sum(squares) - weighted, *squares]):
                own = f[j * len(shape.limbs) : (j + 1) * len(shape.limbs)]
                x = sum(weight * limb for (weight, _), limb in zip(shape.limbs, own, strict=True)) - statement["bound"]
                constant += power * z_b * (x * x - square)
                power = power * beta % R
    on_g, on_m = power * z_b * (alpha - t_at_zeta), -power * z_b  # V-b
    power = power * beta % R
    constant += power * z_b * phi_next  # V-c
    on_phi = -power * z_b
    on_h = [factor - power * z_b for factor in on_h]
    on_g += power * z_b
    power = power * beta % R
    constant += power * z_a * (u_next - combine_scalars(rho, at_zeta))  # V-d
    on_u = -power * z_a
    power = power * beta % R
    on_phi += power * l_0 + power * beta * l_a  # V-e
    power = power * beta * beta % R
    on_u += power * l_0 + power * beta * l_a
    on_q = [-z_h, -z_h * pow(zeta, SPLIT, R)]
    linearised = combine([G1, m_1, u, *h, g_1, phi, *q], [constant, on_m, on_u, *on_h, on_g, on_phi, *on_q])

    # V7
    f_0 = [*columns, table(widths, gamma, lagrange), linearised]
    claims = [
        (powers_combined(v, f_0), combine_scalars(v, [*at_zeta, t_at_zeta, 0]), zeta),
        (powers_combined(v, [phi, u]), combine_scalars(v, [phi_next, u_next]), zeta * W % R),
    ]
    if shape.t2 is not None:
        e_columns = [columns[c * m + shape.p * len(shape.limbs)] for c in range(k)]
        claims.append((combine(e_columns, [1] * k), shape.t2 * inverse(N), 0))

    # V8
    points: list[Point] = []
    factors: list[int] = []
    for i, ((f_i, y_i, z_i), opening) in enumerate(zip(claims, openings, strict=True)):
        d = pow(fold, i, R)
        points += [f_i, G1, opening]
        factors += [d, -d * y_i, d * z_i]
    left, right = combine(points, factors), powers_combined(fold, openings)
    if not pairing_holds(left, right, tau_g2):
        raise ReferenceRefused("V8", "the pairing equation does not hold")
    return [packed(shape, statement["bound"], columns[c * m : (c + 1) * m], lagrange) for c in range(k)]


# What follows from the statement


def shape_of(statement: Mapping[str, Any]) -> Shape:
    d, bound, n, t2 = (
        statement["dimension"],
        statement["bound"],
        len(statement["participants"]),
        statement["norm_squared"],
    )
    if not (1 <= d <= 1 << 22 and 1 <= bound < 1 << 31 and 1 <= n <= 1024 and (t2 is None or 1 <= t2 < 1 << 63)):
        raise ReferenceRefused("V1", "no update has these sizes")
    s = 1
    while 1 << (8 * s - 1) <= n * bound:
        s += 1
    blocks = -(-d // A)
    k = -(-blocks // (31 // s))
    limbs = limbs_of(2 * bound + 1, -(-(2 * bound).bit_length() // 8))
    slack: list[Limb] = []
    if t2 is not None:
        width = max(width for _, width in limbs)
        step, weight = k * A * (width - 1) + 1, 1
        while not slack or weight <= t2:
            slack.append((weight, width))
            weight *= step
    return Shape(s, -(-blocks // k), k, limbs, slack, t2)


def limbs_of(numbers: int, count: int) -> list[Limb]:
    """The limbs of 0 ... numbers - 1, the lowest first."""
    if count == 1:
        return [(1, numbers)]
    root, around = round(numbers ** (1 / count)), 32 if count == 2 else 8
    best: list[Limb] = []
    for width in range(max(2, root - around), root + around + 1):
        weight = numbers // width
        found = [*limbs_of(numbers - weight * (width - 1), count - 1), (weight, width)]
        if not best or size_of(found) < size_of(best):
            best = found
    return best


def size_of(limbs: list[Limb]) -> tuple[int, int]:
    widths = {width for _, width in limbs}
    return sum(widths), max(widths)


def words_of(statement: Mapping[str, Any], shape: Shape) -> bytes:
    name = statement["consortium"].encode()
    participants = [bytes.fromhex(each) for each in statement["participants"]]
    if statement["dataset"] not in statement["participants"] or len(set(participants)) != len(participants):
        raise ReferenceRefused("V1", "the dataset is one of distinct participants")
    numbers = [
        statement["dimension"],
        statement["bound"],
        shape.t2 is not None,
        shape.t2 or 0,
        shape.s,
        shape.p,
        shape.k,
    ]
    for limbs in (shape.limbs, shape.slack):
        numbers += [len(limbs), *(number for limb in limbs for number in limb)]
    return b"".join(
        [
            bytes.fromhex(CEREMONY_SHA256),
            *(word(x) for x in (N, B, len(name))),
            name,
            *(word(statement[x]) for x in ("permit_id", "round")),
            *(bytes.fromhex(statement[x]) for x in ("dataset", "layout_hash")),
            *(word(x) for x in (*numbers, len(participants))),
            *participants,
        ]
    )


def table(widths: list[int], gamma: int, lagrange: tuple[bytes, ...]) -> Point:
    """[t_v] + gamma [t_c]: rows (v, class), and (0, 1) on all others."""
    values, classes, rows, begin = Z1, Z1, Z1, 0
    for c, width in enumerate(widths, start=1):
        weighted, total = weighted_sum(lagrange[begin : begin + width])
        values, classes, rows = add(values, weighted), add(classes, multiply(total, c)), add(rows, total)
        begin += width
    return add(values, multiply(add(classes, add(G1, neg(rows))), gamma))


def packed(shape: Shape, bound: int, columns: list[Point], lagrange: tuple[bytes, ...]) -> Point:
    """[X] of one chunk. All L_i sum to 1, so data rows are 1 less the blinding rows."""
    blinding_rows = weighted_sum(lagrange[A:])[1]
    data_rows = add(G1, neg(blinding_rows))
    slots = [1 << (8 * shape.s * j) for j in range(shape.p)]
    factors = [slot * weight for slot in slots for weight, _ in shape.limbs]
    return combine([*columns[: len(factors)], data_rows], [*factors, -bound * sum(slots)])


# Points


def compressed_point(encoded: bytes) -> Point:
    """Of 48 bytes, as ZCash has them: on the curve, in the subgroup, and in no other form."""
    number = int.from_bytes(encoded, "big")
    try:
        found = decompress_G1(number)
    except ValueError as error:
        raise ReferenceRefused("V3", f"not a point: {error}") from error
    if compress_G1(found) != number:
        raise ReferenceRefused("V3", "not the encoding of this point")
    if not is_inf(multiply(found, R)):
        raise ReferenceRefused("V3", "a point is not in the subgroup of order r")
    return found


def wide(points: list[Point]) -> bytes:
    """The 128 bytes of EIP-2537 for each."""
    found = []
    for each in points:
        if is_inf(each):
            found.append(bytes(128))
            continue
        x, y = (int(part) % P for part in normalize(each))
        found.append(x.to_bytes(64, "big") + y.to_bytes(64, "big"))
    return b"".join(found)


def pairing_holds(left: Point, right: Point, tau_g2: Point) -> bool:
    """e(left, G2) = e(right, [tau]G2)."""
    product = pairing(G2, left, False) * pairing(tau_g2, neg(right), False)
    return bool(final_exponentiate(product) == FQ12.one())
