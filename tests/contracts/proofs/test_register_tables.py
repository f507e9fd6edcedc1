"""Tables of a layout: computed on chain, from the ceremony's points alone."""

import pytest

from belmont.registry.errors import RegistryArgumentError
from belmont.registry.proofs import boundaries
from belmont.zk.curve import IDENTITY, parse_wide, wide
from belmont.zk.layout import ColumnKind, Kind, Layout

BIT, RANGE, MAY_MISS = Kind.BIT, Kind.RANGE, Kind.RANGE_OR_MISSING
LAYOUT = Layout(tuple(ColumnKind(kind, width) for kind, width in ((RANGE, 9), (BIT, 1), (MAY_MISS, 3), (RANGE, 3))))


def tables(consortium, layout):
    """What the contract keeps: number of columns, the plan, and two points."""
    registry = consortium.registry
    found = registry.read("Proofs", "tables", layout.hash)
    points = [parse_wide(b"".join(word.to_bytes(32, "big") for word in found[name])) for name in ("values", "classes")]
    plan = b"".join(word.to_bytes(32, "little") for word in found["plan"])
    return found["columns"], plan[: found["columns"]], points


@pytest.mark.parametrize(
    "columns",
    [
        LAYOUT.columns,
        (ColumnKind(BIT, 1), ColumnKind(BIT, 1)),
        (ColumnKind(RANGE, 1),),
        (ColumnKind(MAY_MISS, 4032),),
        tuple(ColumnKind(RANGE, width) for width in range(89, 0, -1)),
        tuple(ColumnKind(BIT, 1) for _ in range(248)),
    ],
    ids=["four columns", "no ranges", "the narrowest", "the widest", "all widths", "as many as fit"],
)
def test_the_points_are_those_of_the_native_verifier(consortium, columns):
    layout = Layout(columns)
    if not consortium.registry.has_tables(layout.hash):
        consortium.registry.as_(consortium.non_member).register_tables(layout)
    count, _, points = tables(consortium, layout)
    assert count == layout.committed
    assert points == list(layout.relation.tables[0].commitments)
    assert consortium.registry.has_tables(layout.hash)


def test_the_plan_says_what_each_committed_column_is(consortium):
    consortium.registry.as_(consortium.non_member).register_tables(LAYOUT)
    present, observed, bit, serial, limb, may_miss = 96, 97, 98, 99, 0, 128
    _, plan, _ = tables(consortium, LAYOUT)
    assert list(plan) == [present, 2, bit, observed, may_miss + 1, 1, serial, *[limb] * 6]


def test_announces_it(consortium):
    consortium.registry.as_(consortium.non_member).register_tables(LAYOUT)
    details = {"layout_hash": LAYOUT.hash, "columns": LAYOUT.committed}
    assert consortium.events("TablesRegistered")[-1] == ("TablesRegistered", consortium.non_member.address, details)


def test_a_layout_is_registered_once(consortium, refused):
    consortium.registry.as_(consortium.holder).register_tables(LAYOUT)
    with refused("TABLES_EXIST"):
        consortium.registry.as_(consortium.non_member).register_tables(LAYOUT)


def send(consortium, data, rows):
    consortium.call(consortium.non_member, "Proofs", "registerTables", data, rows)


def words(point):
    data = wide(point)
    return tuple(int.from_bytes(data[at : at + 32], "big") for at in range(0, 128, 32))


@pytest.mark.parametrize("field", [1, 2, 3])
def test_other_points_than_the_ceremonys_are_refused(consortium, refused, field):
    """Another point of the subgroup, another path: whoever chose a table could prove any value."""
    first, second = boundaries(LAYOUT)
    forged = list(second)
    forged[field] = first[field] if field == 3 else words(IDENTITY)
    with refused("CEREMONY_MISMATCH"):
        send(consortium, LAYOUT.to_bytes(), [first, tuple(forged)])
    swapped = (second[0], *first[1:])
    with refused("CEREMONY_MISMATCH"):
        send(consortium, LAYOUT.to_bytes(), [first, swapped])


@pytest.mark.parametrize(
    ("widths", "why"),
    [
        ((3,), "one missing"),
        ((3, 9, 11), "one too many"),
        ((9, 3), "descending"),
        ((3, 3, 9), "one twice"),
        ((3, 4000), "too wide together"),
        ((2, 9), "another"),
        ((), "none"),
    ],
)
def test_the_widths_are_exactly_the_layouts(consortium, refused, widths, why):
    rows = []
    for place in range(len(widths)):
        end = [ColumnKind(RANGE, width) for width in widths[: place + 1]]
        sound = sum({each.width for each in end}) <= 4032
        known = boundaries(Layout(tuple(end)))[-1] if sound else rows[-1]
        rows.append((widths[place], *known[1:]))
    expected = "LAYOUT_INVALID" if why not in ("descending",) else "(LAYOUT_INVALID|CEREMONY_MISMATCH)"
    with refused(expected):
        send(consortium, LAYOUT.to_bytes(), rows)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01\0",
        b"\x01\0\0",
        b"\x02" + LAYOUT.to_bytes()[1:],
        LAYOUT.to_bytes() + b"\0",
        LAYOUT.to_bytes()[:-1],
        LAYOUT.to_bytes() + b"\x01\0\x01",
        b"\x01\0\x03\x01\0\x01\x02\0\x03\x02\0",
        LAYOUT.to_bytes().replace(b"\x01\0\x01", b"\x01\0\x02"),
        LAYOUT.to_bytes().replace(b"\x01\0\x01", b"\x00\0\x01"),
        LAYOUT.to_bytes().replace(b"\x01\0\x01", b"\x04\0\x03"),
        LAYOUT.to_bytes().replace(b"\x02\0\x09", b"\x02\0\x00"),
        LAYOUT.to_bytes().replace(b"\x02\0\x09", b"\x02\xff\xff"),
    ],
)
def test_what_is_no_layout_is_refused(consortium, refused, data):
    with refused("LAYOUT_INVALID"):
        send(consortium, data, boundaries(LAYOUT))


def test_more_columns_than_a_proof_holds_are_refused(consortium, refused):
    layout = Layout((ColumnKind(MAY_MISS, 9),) * 125)
    with pytest.raises(RegistryArgumentError, match="258 columns"):
        consortium.registry.as_(consortium.holder).register_tables(layout)
    with refused("LAYOUT_TOO_WIDE"):
        send(consortium, layout.to_bytes(), boundaries(layout))
