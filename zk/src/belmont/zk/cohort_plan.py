"""A question about a cohort, and the columns and identities that answer it (docs/protocol.md, "Cohort totals")."""

from dataclasses import dataclass
from typing import Final

from belmont.zk.curve import G1, GENERATOR, multiply, multiply_sum
from belmont.zk.errors import CohortError, ProofMalformed
from belmont.zk.field import A
from belmont.zk.layout import Layout
from belmont.zk.proof import Reader
from belmont.zk.relation import Identity, Lookup, Product, Relation, Table, column, constant
from belmont.zk.srs import reference_string

MOST_CONDITIONS: Final = 64
MOST_INTERVALS: Final = 256
MOST_TARGETS: Final = 16
PRESENT: Final = 0

Target = tuple[int, ...]
"""Committed columns whose product is summed over the cohort: () counts rows, (j,) sums column j, (j, k) products."""


@dataclass(frozen=True)
class Condition:
    """Column ``column`` of the dictionary has a code in one of these intervals, both ends included."""

    column: int
    intervals: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Cohort:
    """Every condition holds; and what is summed over such rows. Raises CohortError for what is not canonical."""

    conditions: tuple[Condition, ...]
    targets: tuple[Target, ...]

    def __post_init__(self) -> None:
        if len(self.conditions) > MOST_CONDITIONS or not 1 <= len(self.targets) <= MOST_TARGETS:
            raise CohortError(f"a cohort has at most {MOST_CONDITIONS} conditions and 1 to {MOST_TARGETS} totals")
        names = [condition.column for condition in self.conditions]
        if names != sorted(set(names)):
            raise CohortError("one condition for each column, in the order of columns")
        if len(set(self.targets)) != len(self.targets):
            raise CohortError("every total once")
        for target in self.targets:
            if len(target) > 2 or list(target) != sorted(target):
                raise CohortError("a total sums at most a product of two columns, named in order")
        for condition in self.conditions:
            if not 1 <= len(condition.intervals) <= MOST_INTERVALS:
                raise CohortError(f"a condition has 1 to {MOST_INTERVALS} intervals")
            end = -2
            for low, high in condition.intervals:
                if not end + 1 < low <= high:
                    raise CohortError("intervals are ascending, and neighbours are one interval")
                end = high

    def to_bytes(self) -> bytes:
        """The one encoding."""
        parts = [len(self.conditions).to_bytes(2, "big")]
        for condition in self.conditions:
            parts += [condition.column.to_bytes(2, "big"), len(condition.intervals).to_bytes(2, "big")]
            parts += [end.to_bytes(2, "big") for interval in condition.intervals for end in interval]
        parts.append(len(self.targets).to_bytes(2, "big"))
        for target in self.targets:
            parts += [len(target).to_bytes(2, "big"), *(j.to_bytes(2, "big") for j in target)]
        return b"".join(parts)

    @classmethod
    def read(cls, reader: Reader) -> "Cohort":
        """Read the encoding. Raises ProofMalformed."""
        try:
            conditions = []
            for _ in range(_at_most(reader.number(2), MOST_CONDITIONS)):
                name, count = reader.number(2), _at_most(reader.number(2), MOST_INTERVALS)
                conditions.append(Condition(name, tuple((reader.number(2), reader.number(2)) for _ in range(count))))
            targets = []
            for _ in range(_at_most(reader.number(2), MOST_TARGETS)):
                targets.append(tuple(reader.number(2) for _ in range(_at_most(reader.number(2), 2))))
            return cls(tuple(conditions), tuple(targets))
        except CohortError as error:
            raise ProofMalformed(str(error)) from error


@dataclass(frozen=True)
class Plan:
    """Which columns a cohort's relation has, chunk by chunk: ``registered`` ones first, then the derived ones."""

    registered: tuple[int, ...]
    """Committed columns of the table, `present` first."""
    factors: tuple[tuple[int, int], ...]
    """Every derived column that is a product, after the conditions' bits: places of its two factors."""
    totals: tuple[int, ...]
    """The place of each total's column."""
    relation: Relation


def plan(layout: Layout, cohort: Cohort) -> Plan:
    """The relation of a cohort. Raises CohortError for columns or codes that the layout does not have."""
    for condition in cohort.conditions:
        if condition.column >= len(layout.columns):
            raise CohortError(f"there is no column {condition.column}")
        width = layout.columns[condition.column].width
        if condition.intervals[-1][1] > width or width >= A:
            raise CohortError(f"column {condition.column} has codes to {width} only")
    for target in cohort.targets:
        if any(not 0 < j < layout.pseudonym for j in target):
            raise CohortError("a total sums columns of the dictionary and their `observed`")
    asked = {layout.places[condition.column].value for condition in cohort.conditions}
    asked |= {j for target in cohort.targets for j in target}
    registered = (PRESENT, *sorted(asked))
    place = {j: i for i, j in enumerate(registered)}
    bits = range(len(registered), len(registered) + len(cohort.conditions))
    identities: list[Identity] = []
    tables = []
    for i, (condition, bit) in enumerate(zip(cohort.conditions, bits, strict=True)):
        code = column(place[layout.places[condition.column].value])
        identities.append(Lookup(i, (code, column(bit), constant(i))))
        tables.append(_predicate_table(layout.columns[condition.column].width, condition.intervals, i))
    factors: list[tuple[int, int]] = []
    known: dict[tuple[int, int], int] = {}

    def product(a: int, b: int) -> int:
        if (a, b) not in known:
            known[a, b] = len(registered) + len(bits) + len(factors)
            factors.append((a, b))
        return known[a, b]

    cohort_bit = 0
    for bit in bits:
        cohort_bit = product(cohort_bit, bit)
    totals = []
    for target in cohort.targets:
        at = cohort_bit
        for j in target:
            at = product(at, place[j])
        totals.append(at)
    start = len(registered) + len(bits)
    identities += [Product(column(a), column(b), column(start + k)) for k, (a, b) in enumerate(factors)]
    relation = Relation(start + len(factors), None, tuple(identities), tuple(tables))
    return Plan(registered, tuple(factors), tuple(totals), relation)


def _predicate_table(width: int, intervals: tuple[tuple[int, int], ...], tag: int) -> Table:
    """(v, whether v is allowed, tag) for v = 0 ... width; further rows repeat the first."""
    allowed = tuple(int(any(low <= v <= high for low, high in intervals)) for v in range(width + 1))

    def commit() -> tuple[G1, ...]:
        ones, counts = reference_string().prefix_sums
        parts = [(ones[high + 1], 1) for _, high in intervals] + [(ones[low], -1) for low, _ in intervals]
        if allowed[0]:
            parts += [(GENERATOR, 1), (ones[width + 1], -1)]
        bits = multiply_sum([point for point, _ in parts], [sign for _, sign in parts])
        return counts[width + 1], bits, multiply(GENERATOR, tag)

    return Table((tuple(range(width + 1)), allowed, (tag,) * (width + 1)), (0, allowed[0], tag), commit)


def _at_most(count: int, most: int) -> int:
    if count > most:
        raise ProofMalformed(f"{count} where at most {most} are allowed")
    return count
