"""A task as a sealed file in memory: what goes in comes out, without pseudonyms, and nobody changes it."""

import mmap
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from belmont.federated.errors import FederatedError
from belmont.federated.executor.parcel import ArrayTable, packed, unpack
from belmont.federated.executor.protocol import Task

from .conftest import HospitalTable

SCALARS = st.one_of(
    st.text(max_size=20),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
)
ARRAYS = st.one_of(
    hnp.arrays(np.float64, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)),
    hnp.arrays(np.float32, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)),
)


def task(**changes):
    given = {
        "bundle": b"bundle",
        "code_hash": bytes(range(32)),
        "config": {},
        "arrays": {},
        "permit_id": 2**60,
        "n": 2**31,
        "node_id": 2**62 + 1,
        "table": HospitalTable(50),
        "min_cohort": 10,
        "smallest_cell": 8,
    }
    return Task(**(given | changes))


@given(
    bundle=st.binary(max_size=200),
    config=st.dictionaries(st.text(max_size=20), SCALARS, max_size=5),
    arrays=st.dictionaries(st.text(max_size=20), ARRAYS, max_size=4),
    rows=st.integers(0, 70),
    noisy=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_what_goes_in_comes_out(bundle, config, arrays, rows, noisy):
    sent = task(bundle=bundle, config=config, arrays=arrays, table=HospitalTable(rows), noisy=noisy)
    with packed(sent) as descriptor:
        got = unpack(descriptor)
    for name in ("bundle", "code_hash", "config", "permit_id", "n", "node_id", "min_cohort", "smallest_cell", "noisy"):
        assert getattr(got, name) == getattr(sent, name)
    assert [(key, type(value)) for key, value in got.config.items()] == [(k, type(v)) for k, v in config.items()]
    assert list(got.arrays) == list(arrays)
    for name, array in arrays.items():
        assert got.arrays[name].dtype == array.dtype and got.arrays[name].shape == array.shape
        assert got.arrays[name].tobytes() == array.tobytes()
    assert got.table.rows == rows and got.table.columns == sent.table.columns
    for column in sent.table.columns:
        assert np.array_equal(got.table.codes(column), sent.table.codes(column))
        assert np.array_equal(got.table.observed(column), sent.table.observed(column))
        assert np.array_equal(got.table.values(column), sent.table.values(column), equal_nan=True)
        for each in ("center", "scale", "width"):
            assert getattr(got.table, each)(column) == getattr(sent.table, each)(column)


def test_nobody_can_change_it_or_map_it_to_be_changed():
    with packed(task()) as descriptor:
        for attempt in (
            lambda: os.pwrite(descriptor, b"x", 0),
            lambda: os.ftruncate(descriptor, 0),
            lambda: os.ftruncate(descriptor, 1 << 20),
            lambda: mmap.mmap(descriptor, 0),
        ):
            with pytest.raises(PermissionError):
                attempt()
        got = unpack(descriptor)
    with pytest.raises(ValueError, match="read-only"):
        got.table.values("age")[0] = 1.0


def test_no_pseudonym_is_in_it():
    table = HospitalTable(50)
    table.pseudonyms = np.arange(50, dtype=np.uint64) + np.uint64(0x0123456789ABCDE0)
    with packed(task(table=table)) as descriptor:
        data = os.pread(descriptor, 1 << 20, 0)
        got = unpack(descriptor)
    assert all(int(each).to_bytes(8, order) not in data for each in table.pseudonyms for order in ("little", "big"))
    with pytest.raises(FederatedError, match="which row is whose"):
        _ = got.table.pseudonyms


def test_a_table_of_plain_arrays_keeps_to_its_columns_and_can_be_narrowed():
    values = np.arange(6.0)
    table = ArrayTable(6, {"x": (values.astype(np.uint16), values > 0, values)}, {"x": (1.0, 2.0, 9)})
    few = table.select(values > 2)
    assert few.rows == 3 and few.values("x").tolist() == [3.0, 4.0, 5.0] and few.codes("x").tolist() == [3, 4, 5]
    assert few.width("x") == 9 and few.center("x") == 1.0 and few.scale("x") == 2.0
    for method in (table.codes, table.observed, table.values, table.center, table.scale, table.width):
        with pytest.raises(FederatedError, match="no column 'y'"):
            method("y")


def test_its_descriptor_is_closed_whatever_happens_inside():
    with pytest.raises(RuntimeError), packed(task()) as descriptor:
        raise RuntimeError
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
