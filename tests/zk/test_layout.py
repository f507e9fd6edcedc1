"""A layout has one encoding, and every rule of the protocol is kept."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from belmont.zk.curve import multiply_sum
from belmont.zk.errors import LayoutError
from belmont.zk.evaluations import commit
from belmont.zk.layout import LIMBS, ColumnKind, Kind, Layout, limb_table, range_table
from belmont.zk.srs import reference_string

BIT = ColumnKind(Kind.BIT, 1)


def ranges(*widths: int) -> tuple[ColumnKind, ...]:
    return tuple(ColumnKind(Kind.RANGE, width) for width in widths)


columns = st.one_of(
    st.just(BIT), st.builds(ColumnKind, st.sampled_from([Kind.RANGE, Kind.RANGE_OR_MISSING]), st.integers(1, 200))
)
layouts = st.builds(Layout, st.lists(columns, min_size=1, max_size=20).map(tuple))


@pytest.mark.parametrize(
    "refused",
    [
        (),
        (BIT,) * 513,
        ranges(0),
        ranges(4033),
        (ColumnKind(Kind.BIT, 0),),
        (ColumnKind(Kind.BIT, 2),),
        (ColumnKind(Kind.RANGE_OR_MISSING, 0),),
        ranges(2000, 2033),
        ranges(4032, 1),
    ],
    ids=["empty", "many", "w=0", "wide", "bit-0", "bit-2", "optional-0", "sum", "sum-by-one"],
)
def test_layouts_outside_the_rules_are_refused(refused: tuple[ColumnKind, ...]) -> None:
    with pytest.raises(LayoutError):
        Layout(refused)


def test_layouts_at_the_limits_are_allowed() -> None:
    Layout((BIT,) * 512)
    Layout(ranges(4032))
    Layout(ranges(2000, 2032, 2000, 2000))


@given(layouts)
@settings(max_examples=50, deadline=None)
def test_an_encoding_comes_back(layout: Layout) -> None:
    data = layout.to_bytes()
    assert Layout.from_bytes(data) == layout
    assert len(data) == 3 + 3 * len(layout.columns)


@given(layouts, st.data())
@settings(max_examples=50, deadline=None)
def test_every_other_encoding_is_refused_or_is_of_another_layout(layout: Layout, data: st.DataObject) -> None:
    changed = bytearray(layout.to_bytes())
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        other = Layout.from_bytes(bytes(changed))
    except LayoutError:
        return
    assert other != layout and other.hash != layout.hash and other.to_bytes() == bytes(changed)


@pytest.mark.parametrize(
    "data",
    [b"", b"\1\0", b"\1\0\0", b"\2\0\1\1\0\1", b"\1\0\2\1\0\1", b"\1\0\1\1\0\1\0", b"\1\0\1\0\0\1", b"\1\0\1\4\0\1"],
    ids=["empty", "short", "no-columns", "version", "too-few", "trailing", "kind-0", "kind-4"],
)
def test_bytes_that_are_no_layout_are_refused(data: bytes) -> None:
    with pytest.raises(LayoutError):
        Layout.from_bytes(data)


def test_committed_columns_are_in_the_protocols_order(small_layout: Layout) -> None:
    assert [(place.value, place.observed) for place in small_layout.places] == [(1, None), (2, None), (4, 3)]
    assert small_layout.pseudonym == 5
    assert small_layout.committed == 6 + LIMBS
    assert small_layout.relation.columns == small_layout.committed


def test_a_width_is_a_class_once_and_classes_ascend() -> None:
    layout = Layout((*ranges(7, 3, 7), ColumnKind(Kind.RANGE_OR_MISSING, 3), BIT))
    assert layout.widths == (3, 7)
    table = layout.relation.tables[0]
    assert list(zip(*table.parts, strict=True)) == [*((v, 1) for v in range(3)), *((v, 2) for v in range(7))]
    assert table.padding == (0, 1)


@pytest.mark.parametrize("widths", [(), (1,), (3, 7), (5, 631, 2000), (4032,)])
def test_tables_are_committed_to_as_their_values_are(widths: tuple[int, ...]) -> None:
    table = range_table(widths)
    assert table.commitments == tuple(commit(table.values(part)) for part in range(2))


def test_the_limb_table_is_committed_to_as_its_values_are() -> None:
    table = limb_table()
    assert table.commitments[0] == multiply_sum(reference_string().lagrange, table.values(0))
    assert not any(table.values(1))
