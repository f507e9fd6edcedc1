"""Writes tests/vectors/validity.json anew: proofs, and mostly forgeries, that every verifier has to judge alike.

    python tests/zk/make_vectors.py

Honest proofs are made by Belmont's prover, forgeries by `cheating_prover`. The list of cases is fixed, and the cheating
prover's randomness is the same for each case, so that cases differ in little else than what they are about (and share
points, which makes slow verifiers quicker). Belmont's prover and its blinding take their randomness from the system.
"""

import copy
import json
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from cheating_prover import (
    BIT,
    LAYOUT,
    LIMB,
    OBSERVED,
    OPTIONAL,
    PRESENT,
    RANGE,
    ROWS,
    Cheat,
    Chunk,
    Json,
    S,
    argue,
    limbs_of,
    scalars,
    statement,
    witness,
    zero_sum,
)
from py_ecc.optimized_bls12_381 import FQ, add, field_modulus, normalize

from belmont.zk.commitment import CommittedTable, commit_table
from belmont.zk.curve import wide
from belmont.zk.field import ORDER, A, N, word
from belmont.zk.layout import ColumnKind, Kind, Layout
from belmont.zk.statement import Statement
from belmont.zk.validity import ValidityProof, prove_part

VECTORS = Path(__file__).parents[1] / "vectors" / "validity.json"
TWO_CHUNKS_ROWS = A + 5
INFINITY = bytes(128)

Case = tuple[str, bool, str, Callable[[random.Random], Json]]


# --- honest proofs ---


class Honest:
    """Proofs by Belmont's prover, each made once."""

    def __init__(self) -> None:
        self._tables: dict[int, CommittedTable] = {}
        self._proofs: dict[tuple[int, int, int], Json] = {}

    def __call__(self, rows: int = ROWS, first: int = 0, chunks: int = 1) -> Json:
        key = (rows, first, chunks)
        if key not in self._proofs:
            self._proofs[key] = to_vector(self._prove(*key))
        return copy.deepcopy(self._proofs[key])

    def _prove(self, rows: int, first: int, chunks: int) -> ValidityProof:
        if rows not in self._tables:
            data = [column for column in zip(*witness(random.Random(rows), rows, -(-rows // A)), strict=True)]
            codes = [np.array([x for chunk in data[j] for x in chunk[:A]][:rows]) for j in (BIT, RANGE, OPTIONAL, S)]
            self._tables[rows] = commit_table(LAYOUT, codes[:3], codes[3].astype(np.uint64))
        table = self._tables[rows]
        stated = statement(first=first, chunks=chunks, rows=min(rows, (first + chunks) * A) - first * A)
        names = ("contract", "owner", "dataset")
        hexes = {name: bytes.fromhex(stated[name]) for name in names}
        numbers = {name: stated[name] for name in ("chain_id", "version", "first", "chunks", "rows")}
        return prove_part(table, Statement(**hexes, **numbers, layout=LAYOUT))


def to_vector(proof: ValidityProof) -> Json:
    """The vector of a proof that is an object."""
    s, a = proof.statement, proof.argument
    points = {name: [wide(x).hex() for x in getattr(a, name)] for name in ("m", "h", "g", "q", "openings")}
    points |= {name: wide(getattr(a, name)).hex() for name in ("u", "phi")}
    lists = ("columns_at_zeta", "tables_at_zeta", "s_before", "s_linked")
    values = {name: [word(x).hex() for x in getattr(a, name)] for name in lists}
    values |= {name: word(getattr(a, name)).hex() for name in ("phi_next", "u_next")}
    order = ("m", "u", "h", "g", "phi", "q", "columns_at_zeta", "tables_at_zeta", "phi_next", "u_next")
    both = {**points, **values}
    return {
        "statement": statement(
            s.layout,
            **{name: getattr(s, name) for name in ("chain_id", "version", "first", "chunks", "rows")},
            **{name: getattr(s, name).hex() for name in ("contract", "owner", "dataset")},
        ),
        "columns": [wide(x).hex() for x in proof.columns],
        "previous": [wide(x).hex() for x in proof.previous],
        "proof": {name: both[name] for name in (*order, "s_before", "s_linked", "openings")},
    }


# --- forgeries of three sorts: a bad witness, another statement or vector, bytes that are sent in another form ---


def bad(spoil: Callable[[Chunk], None], cheat: Cheat | None = None, **stated: Any) -> Callable[[random.Random], Json]:
    """A proof of ROWS rows that `spoil` has changed."""

    def make(rng: random.Random) -> Json:
        (chunk,) = witness(rng)
        spoil(chunk)
        return argue(statement(**stated), [chunk], None, rng, cheat)

    return make


def cell(column: int, row: int, value: int) -> Callable[[Chunk], None]:
    def spoil(chunk: Chunk) -> None:
        chunk[column][row] = value % ORDER

    return spoil


def cells(*changes: tuple[int, int, int]) -> Callable[[Chunk], None]:
    def spoil(chunk: Chunk) -> None:
        for change in changes:
            cell(*change)(chunk)

    return spoil


def nothing(chunk: Chunk) -> None:
    pass


def altered(change: Callable[[Json], None], **which: int) -> Callable[[random.Random], Json]:
    """An honest vector that is changed afterwards."""

    def make(rng: random.Random) -> Json:
        vector = HONEST(**which)
        change(vector)
        return vector

    return make


def stating(**changes: Any) -> Callable[[random.Random], Json]:
    return altered(lambda vector: vector["statement"].update(changes))


def sent(name: str, index: int, form: Callable[[bytes], bytes], first: int = 0) -> Callable[[random.Random], Json]:
    """An honest proof, but for the bytes of one point, which the transcript absorbs as they are sent."""

    def form_one(field: str, i: int, data: bytes) -> bytes:
        return form(data) if (field, i) == (name, index) else data

    return honest_but(Cheat(sent_point=form_one), first)


def scalar_plus_order(name: str, index: int, first: int = 0) -> Callable[[random.Random], Json]:
    def form_one(field: str, i: int, value: int) -> int:
        return value + ORDER if (field, i) == (name, index) else value

    return honest_but(Cheat(sent_scalar=form_one), first)


def honest_but(cheat: Cheat, first: int = 0) -> Callable[[random.Random], Json]:
    def make(rng: random.Random) -> Json:
        chunks = witness(rng, ROWS + first * A, 1 + first)
        return argue(statement(first=first), chunks[first:], chunks[0][S] if first else None, rng, cheat)

    return make


def claims(name: str, first: int = 0, index: int = 0) -> Callable[[random.Random], Json]:
    """A value out of range, and one claimed value that makes up for it at zeta."""

    def make(rng: random.Random) -> Json:
        chunks = witness(rng, ROWS + first * A, 1 + first)
        chunks[first][RANGE][3] = 6
        before = chunks[0][S] if first else None
        return argue(statement(first=first), chunks[first:], before, rng, Cheat(claim=(name, index)))

    return make


# --- points in other forms ---


def plus_order_three(data: bytes) -> bytes:
    """C + T, where T = (0, 2) is on the curve and has order 3: pairings do not see it."""
    torsion = (FQ(0), FQ(2), FQ(1))
    point = (FQ(int.from_bytes(data[:64], "big")), FQ(int.from_bytes(data[64:], "big")), FQ(1))
    x, y = normalize(add(point, torsion) if any(data) else torsion)
    return wide_xy(int(x), int(y))


def wide_xy(x: int, y: int) -> bytes:
    return x.to_bytes(64, "big") + y.to_bytes(64, "big")


def moved(dx: int = 0, dy: int = 0) -> Callable[[bytes], bytes]:
    return lambda data: wide_xy(int.from_bytes(data[:64], "big") + dx, int.from_bytes(data[64:], "big") + dy)


def modulus_for_infinity(name: str, index: int, data: bytes) -> bytes:
    return wide_xy(field_modulus, field_modulus) if (name, index) == ("m", 0) else data


def negated(data: bytes) -> bytes:
    return wide_xy(int.from_bytes(data[:64], "big"), field_modulus - int.from_bytes(data[64:], "big"))


# --- witnesses that need more than a changed cell ---


def gaps(chunk: Chunk) -> None:
    """Row 7 is absent, between present rows, and s rises there."""
    for column in (PRESENT, BIT, RANGE, OBSERVED, OPTIONAL):
        chunk[column][7] = 0
    rise = chunk[S][7] - chunk[S][6]
    for j, limb in enumerate(limbs_of(rise)):
        chunk[LIMB + j][7] = limb


def same_pseudonym_twice(chunk: Chunk) -> None:
    """Rows 10 and 11 are of one patient: the rise would be -1, which no limbs are."""
    chunk[S][11] = chunk[S][10]
    for j, limb in enumerate(limbs_of(chunk[S][12] - chunk[S][11] - 1)):
        chunk[LIMB + j][12] = limb
    for j in range(6):
        chunk[LIMB + j][11] = 0


def same_pseudonym_with_a_negative_limb(chunk: Chunk) -> None:
    same_pseudonym_twice(chunk)
    chunk[LIMB][11] = ORDER - 1


def unsorted_pseudonyms(chunk: Chunk) -> None:
    """Rows 10 and 11 have changed places, with the limbs of the rises modulo r."""
    chunk[S][10], chunk[S][11] = chunk[S][11], chunk[S][10]
    for row in (10, 11, 12):
        rise = chunk[S][row] - chunk[S][row - 1] - 1
        for j, limb in enumerate(limbs_of(rise) if rise >= 0 else [rise % ORDER, 0, 0, 0, 0, 0]):
            chunk[LIMB + j][row] = limb


def large_limb(chunk: Chunk) -> None:
    """2048 + 0·2048 where 0 + 1·2048 is meant: the rise is right, the limb is not."""
    rise = 1 << 11
    shift = rise - (chunk[S][20] - chunk[S][19] - 1)
    for row in range(20, A):
        chunk[S][row] += shift
    for j, limb in enumerate([rise, 0, 0, 0, 0, 0]):
        chunk[LIMB + j][20] = limb


def loose_blinding(*changes: tuple[int, int]) -> Callable[[Chunk], None]:
    def spoil(chunk: Chunk) -> None:
        for column, more in changes:
            chunk[column][N - 1] = (chunk[column][N - 1] + more) % ORDER

    return spoil


def zero_column(chunk: Chunk) -> None:
    chunk[BIT][:] = [0] * N


def begins_again(rng: random.Random) -> Json:
    """The second chunk repeats patients of the first: its own rows ascend, but from 0."""
    first, _ = witness(rng, TWO_CHUNKS_ROWS, 2)
    (second,) = witness(rng, 5)
    return argue(statement(chunks=2, rows=TWO_CHUNKS_ROWS), [first, second], None, rng)


def linked_to(choose: Callable[[list[Chunk], random.Random], list[int]]) -> Callable[[random.Random], Json]:
    """The second chunk alone, with its patients of the first chunk, or with another `previous` than it should have."""

    def make(rng: random.Random) -> Json:
        chunks = witness(rng, TWO_CHUNKS_ROWS, 2)
        return argue(statement(first=1, rows=5), chunks[1:], choose(chunks, rng), rng)

    return make


def starts_from_nothing(rng: random.Random) -> Json:
    """A chunk that is not the first, but made as if: `previous` is the zero polynomial, that is infinity."""
    return argue(statement(first=1), witness(rng), [0] * N, rng)


def universal(fixed: int) -> Callable[[random.Random], Json]:
    """No witness at all: the fold challenge is known before the last openings are chosen."""

    def make(rng: random.Random) -> Json:
        chunk = [scalars(rng, N) for _ in range(LAYOUT.committed)]
        return argue(statement(), [chunk], None, rng, Cheat(fold_too_soon=fixed))

    return make


def no_chunks(rng: random.Random) -> Json:
    vector = HONEST()
    vector["statement"].update(chunks=0, rows=0)
    vector["columns"] = []
    vector["proof"].update(h=[], columns_at_zeta=[], s_before=[], s_linked=[])
    return vector


def nothing_but_zeros(vector: Json) -> None:
    """Every point of the proof is infinity, every value 0."""
    for name, held in vector["proof"].items():
        vector["proof"][name] = ["0" * len(each) for each in held] if isinstance(held, list) else "0" * len(held)


def restated_first(first: int) -> Callable[[Json], None]:
    def change(vector: Json) -> None:
        vector["statement"]["first"] = first
        vector["previous"] = [vector["columns"][S]] if first else []

    return change


def swap(name: str, i: int, j: int) -> Callable[[Json], None]:
    def change(vector: Json) -> None:
        held = vector[name] if name in vector else vector["proof"][name]
        held[i], held[j] = held[j], held[i]

    return change


def longer(name: str, by: int = 1) -> Callable[[Json], None]:
    def change(vector: Json) -> None:
        held = vector[name] if name in vector else vector["proof"][name]
        filler = "0" * 64 if name in ("columns_at_zeta", "tables_at_zeta", "s_before", "s_linked") else INFINITY.hex()
        held.extend((held or [filler])[-1:] * by)

    return change


def shorter(name: str) -> Callable[[Json], None]:
    def change(vector: Json) -> None:
        (vector[name] if name in vector else vector["proof"][name]).pop()

    return change


def other_layout(*kinds: tuple[int, int]) -> str:
    return Layout(tuple(ColumnKind(Kind(kind), width) for kind, width in kinds)).to_bytes().hex()


def bits_only(cheat: Cheat | None = None) -> Callable[[random.Random], Json]:
    layout = Layout((ColumnKind(Kind.BIT, 1),))

    def make(rng: random.Random) -> Json:
        (chunk,) = witness(rng)
        kept = [chunk[j] for j in (PRESENT, BIT, *range(S, len(chunk)))]
        return argue(statement(layout), [kept], None, rng, cheat)

    return make


def widest(rng: random.Random) -> Json:
    """Two distinct widths that fill all 4032 rows of the table, and their highest codes."""
    layout = Layout((ColumnKind(Kind.RANGE, 4000), ColumnKind(Kind.RANGE_OR_MISSING, 32)))
    (chunk,) = witness(rng)
    chunk[RANGE][0], chunk[OBSERVED][0], chunk[OPTIONAL][0] = 4000, 1, 32
    return argue(statement(layout), [chunk[:BIT] + chunk[RANGE:]], None, rng)


def wider(rng: random.Random) -> Json:
    """True for a dictionary whose range goes to 6; the verifier's goes to 5."""
    layout = Layout((ColumnKind(Kind.BIT, 1), ColumnKind(Kind.RANGE, 6), ColumnKind(Kind.RANGE_OR_MISSING, 9)))
    (chunk,) = witness(rng)
    chunk[RANGE][0] = 6
    vector = argue(statement(layout), [chunk], None, rng)
    vector["statement"] = statement()
    return vector


HONEST = Honest()
TOO_LARGE = cell(RANGE, 3, 6)
DATA = range(BIT, OPTIONAL + 1)


def cases() -> Iterator[Case]:
    two = {"rows": TWO_CHUNKS_ROWS, "chunks": 2}
    second = {"rows": TWO_CHUNKS_ROWS, "first": 1}

    # accepted
    yield "honest", True, "40 rows in one chunk", altered(lambda v: None)
    yield "honest two chunks", True, "4037 rows in two chunks of one proof", altered(lambda v: None, **two)
    yield "honest second chunk", True, "the second chunk alone, linked to the first", altered(lambda v: None, **second)
    yield "honest, by the other prover", True, "the cheating prover does not cheat", honest_but(Cheat())
    yield "no ranges", True, "a layout of one bit: table 1 has only the pair (0, 1)", bits_only()
    yield (
        "infinity in the proof",
        True,
        "m_1 and g_1 are 0, which only columns must not be",
        bits_only(Cheat(unblinded_m=True)),
    )
    yield "the widest layout", True, "distinct widths that fill table 1", widest
    yield (
        "gap between rows",
        True,
        "present rows need not be together, s may rise in absent rows",
        bad(gaps, rows=ROWS - 1),
    )

    # values that the dictionary does not allow
    yield "range too large", False, "6 where W = 5", bad(TOO_LARGE)
    yield (
        "range too large, sum closed",
        False,
        "the same, and phi(w^A) = 0 all the same",
        bad(TOO_LARGE, Cheat(close_phi=True)),
    )
    yield "range too large, h closes", False, "the same, with an h that is no inverse", bad(TOO_LARGE, Cheat(close_h=3))
    yield (
        "range too large, counted",
        False,
        "the same, counted as the table's row 4",
        bad(TOO_LARGE, Cheat(m_as_if=(0, 4))),
    )
    yield (
        "range of another class",
        False,
        "8 where W = 5, counted as if in the column where W = 9",
        bad(cell(RANGE, 3, 8), Cheat(m_as_if=(0, 5 + 7))),
    )
    yield "range negative", False, "r - 1", bad(cell(RANGE, 3, -1))
    yield "range missing", False, "0 on a present row of a column that allows no missing value", bad(cell(RANGE, 3, 0))
    yield "optional too large", False, "10 where W = 9", bad(cells((OPTIONAL, 3, 10), (OBSERVED, 3, 1)))
    yield "bit is 2", False, "2 in a bit", bad(cell(BIT, 3, 2))
    yield "present is 2", False, "one row counts twice", bad(cell(PRESENT, 3, 2), rows=ROWS + 1)
    yield "observed is 2", False, "2 in an observed", bad(cells((OBSERVED, 3, 2), (OPTIONAL, 3, 2)))
    yield "unobserved value", False, "a value where observed is 0", bad(cells((OBSERVED, 3, 0), (OPTIONAL, 3, 4)))
    yield "observed without value", False, "0 where observed is 1", bad(cells((OBSERVED, 3, 1), (OPTIONAL, 3, 0)))
    yield "bit on an absent row", False, "1 where present is 0", bad(cell(BIT, ROWS, 1))
    yield "range on an absent row", False, "3 where present is 0", bad(cell(RANGE, ROWS, 3))
    yield (
        "optional on an absent row",
        False,
        "4, observed, where present is 0",
        bad(cells((OBSERVED, ROWS, 1), (OPTIONAL, ROWS, 4))),
    )
    yield "value on the last data row", False, "6 on row A - 1, which is not a blinding row", bad(cell(RANGE, A - 1, 6))

    # the number of rows, and the blinding
    yield "one row too many", False, "41 stated, 40 present", bad(nothing, rows=ROWS + 1)
    yield "one row too few", False, "39 stated, 40 present", bad(nothing, rows=ROWS - 1)
    yield "rows plus r", False, "n and n + r are one field element", stating(rows=ROWS + ORDER)
    yield "more rows than fit", False, "4033 rows in one chunk", stating(rows=A + 1)
    yield "blinding does not cancel", False, "the total of a column is off by one", bad(loose_blinding((RANGE, 1)))
    yield (
        "blinding hides a row",
        False,
        "present's blinding makes the count 41",
        bad(loose_blinding((PRESENT, 1)), rows=ROWS + 1),
    )
    yield (
        "blinding cancels between columns",
        False,
        "+1 in one column, -1 in another",
        bad(loose_blinding((BIT, 1), (RANGE, -1))),
    )
    yield (
        "blinding cancels for another rho",
        False,
        "u is made for rho = 1",
        bad(loose_blinding((BIT, 1), (RANGE, -1)), Cheat(rho_as_if=1)),
    )

    # uniqueness
    yield "one patient twice", False, "two equal pseudonyms", bad(same_pseudonym_twice)
    yield (
        "one patient twice, negative limb",
        False,
        "two equal pseudonyms, the limb is -1",
        bad(same_pseudonym_with_a_negative_limb),
    )
    yield "unsorted pseudonyms", False, "two rows changed places", bad(unsorted_pseudonyms)
    yield "limb too large", False, "the rise is right, but a limb is 2048", bad(large_limb)
    yield (
        "pseudonym 0",
        False,
        "the first rise would be -1",
        bad(
            lambda chunk: cells(*((S, i, 0) for i in range(A)), *((PRESENT, i, int(not i)) for i in range(A)))(chunk),
            rows=1,
        ),
    )
    yield "second chunk begins again", False, "patients of the first chunk in the second", begins_again
    yield "linked to itself", False, "previous is the chunk's own s", linked_to(lambda chunks, rng: chunks[1][S])
    yield (
        "linked to another column",
        False,
        "previous is a column of zeros",
        linked_to(lambda chunks, rng: [*([0] * A), *zero_sum(rng)]),
    )
    yield (
        "linked to nothing",
        False,
        "previous at infinity, which would let every chunk begin at 0",
        starts_from_nothing,
    )
    yield "previous left out", False, "the second chunk without previous", altered(shorter("previous"), **second)
    yield "previous of a first chunk", False, "previous where nothing comes before", altered(longer("previous"))

    # true of something else
    yield "another chain", False, "the proof is for chain 31337", stating(chain_id=1)
    yield "another contract", False, "the proof is for another registry", stating(contract="c1" * 20)
    yield "another owner", False, "the proof is another holder's", stating(owner="0d" * 20)
    yield "another dataset", False, "the proof is for another dataset", stating(dataset="db" * 32)
    yield "another version", False, "the proof is for version 1", stating(version=2)
    yield "another number of rows", False, "the proof is for 40", stating(rows=ROWS + 1)
    yield (
        "another layout",
        False,
        "the same kinds, one width is 6",
        stating(layout=other_layout((1, 1), (2, 6), (3, 9))),
    )
    yield (
        "another layout, columns swapped",
        False,
        "as many committed columns, of other kinds",
        stating(layout=other_layout((2, 5), (1, 1), (3, 9))),
    )
    yield "a wider layout", False, "6 is allowed by the layout of the proof, not by the verifier's", wider
    yield (
        "another first chunk",
        False,
        "the second chunk's proof, stated of the third",
        altered(lambda v: v["statement"].update(first=2), **second),
    )
    yield (
        "second chunk as the first",
        False,
        "the second chunk's proof, stated of the first",
        altered(restated_first(0), **second),
    )
    yield (
        "first chunk as the second",
        False,
        "stated of the second, with a previous",
        altered(restated_first(1)),
    )
    yield "columns swapped", False, "present and another bit", altered(swap("columns", PRESENT, BIT))
    yield "chunks swapped", False, "two chunks' ranges", altered(swap("columns", RANGE, RANGE + 12), **two)
    yield "layout of no columns", False, "not a layout", stating(layout="010000")
    yield "layout of kind 4", False, "not a layout", stating(layout="010003040001020005030009")
    yield "layout with a wide bit", False, "not a layout", stating(layout="010003010002020005030009")
    yield "layout with a trailing byte", False, "not a layout", stating(layout=LAYOUT.to_bytes().hex() + "00")
    yield "layout that overflows its table", False, "4032 + 1 rows", stating(layout="010003010001020001030fc0")

    # lists
    yield "no chunks", False, "K = 0: nothing is said of nothing", no_chunks
    for name in ("columns", "m", "h", "g", "q", "columns_at_zeta", "tables_at_zeta", "s_before", "openings"):
        yield f"{name} too short", False, "one is missing", altered(shorter(name))
    for name in ("columns", "m", "g", "q", "columns_at_zeta", "tables_at_zeta", "s_before", "s_linked", "openings"):
        yield f"{name} too long", False, "one too many", altered(longer(name))
    yield "four surplus h", False, "shifts a sum that is cut to the shorter list", altered(longer("h", 4))
    yield "s_linked too short", False, "the link between chunks is not opened", altered(shorter("s_linked"), **two)
    yield "linked opening left out", False, "the fifth opening is missing", altered(shorter("openings"), **two)

    # the openings
    for fixed in (0, 2):
        yield (
            f"fold before openings, {fixed} absorbed",
            False,
            "no witness: the openings are chosen after the challenge that folds them",
            universal(fixed),
        )
    for name, index, first in (
        ("columns_at_zeta", S, 0),
        ("tables_at_zeta", 0, 0),
        ("tables_at_zeta", 1, 0),
        ("phi_next", 0, 0),
        ("u_next", 0, 0),
        ("s_before", 0, 0),
        ("s_linked", 0, 1),
    ):
        yield (
            f"false claim, {name} {index}",
            False,
            "the value makes the linearisation 0 at zeta, but is not the polynomial's",
            claims(name, first, index),
        )
    yield "nothing but zeros", False, "all points at infinity, all values 0", altered(nothing_but_zeros)
    yield "openings swapped", False, "those at zeta and at w·zeta", altered(swap("openings", 0, 1))
    yield "pieces of Q swapped", False, "q_1 and q_2", altered(swap("q", 0, 1))
    for i in range(4):
        yield f"opening {i} negated", False, "-pi, absorbed so", sent("openings", i, negated)
        yield f"opening {i} at infinity", False, "infinity, absorbed so", sent("openings", i, lambda data: INFINITY)

    # encodings, all absorbed as they are sent
    yield "column at infinity", False, "a column of zeros with blinding of zeros", bad(zero_column)
    for name, index, first in (
        ("columns", BIT, 0),
        ("columns", S, 0),
        ("previous", 0, 1),
        ("m", 0, 0),
        ("u", 0, 0),
        ("h", 2, 0),
        ("g", 1, 0),
        ("phi", 0, 0),
        ("q", 1, 0),
        *(("openings", i, 1) for i in range(5)),
    ):
        why = "plus a point of order 3, which pairings do not see"
        yield f"off the subgroup, {name} {index}", False, why, sent(name, index, plus_order_three, first)
    yield "off the curve", False, "y is one more", sent("columns", BIT, moved(dy=1))
    yield "x not reduced", False, "x + p", sent("columns", BIT, moved(dx=field_modulus))
    yield "y not reduced", False, "y + p", sent("openings", 0, moved(dy=field_modulus))
    yield "padding not zero", False, "2^511 + x", sent("h", 0, moved(dx=1 << 511))
    yield (
        "infinity not reduced",
        False,
        "(p, p), where m_1 is infinity",
        bits_only(Cheat(unblinded_m=True, sent_point=modulus_for_infinity)),
    )
    for name, index, first in (
        ("columns_at_zeta", BIT, 0),
        ("tables_at_zeta", 1, 0),
        ("phi_next", 0, 0),
        ("u_next", 0, 0),
        ("s_before", 0, 0),
        ("s_linked", 0, 1),
    ):
        yield f"plus r, {name}", False, "x + r, which is x modulo r", scalar_plus_order(name, index, first)


def main() -> None:
    seen: set[str] = set()
    lines = []
    for name, accept, why, make in cases():
        if name in seen:
            raise ValueError(f"two cases are named {name}")
        seen.add(name)
        vector = make(random.Random("validity"))
        lines.append(json.dumps({"name": name, "accept": accept, "why": why, **vector}))
        sys.stderr.write(f"{len(lines):4} {name}\n")
    VECTORS.parent.mkdir(exist_ok=True)
    VECTORS.write_text("[\n" + ",\n".join(lines) + "\n]\n")


if __name__ == "__main__":
    main()
