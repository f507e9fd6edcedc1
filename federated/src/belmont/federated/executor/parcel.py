"""A task as bytes in a sealed memfd: one header, then the bundle, the model and the rows, each at its place.

    length of header u32 | header, JSON | sections, each at a multiple of 64 bytes

1. The memfd is sealed against writing, growing and shrinking before it is handed over (fcntl(2), F_ADD_SEALS), so two
   tasks can share nothing through it, and the rows lie in memory only, never on a disk.
2. Pseudonyms are not in it: no study's code needs to know which row is whose.
3. The task maps it read-only and reads the arrays where they are.
"""

import fcntl
import json
import mmap
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from belmont.federated.errors import FederatedError
from belmont.federated.executor.protocol import Task
from belmont.federated.table import NodeTable

_ALIGNMENT = 64


class ArrayTable:
    """A `NodeTable` over plain arrays: ``columns`` maps each name to its codes, observed and values, ``numbers`` to its
    center, scale and width, and ``levels`` the names of categories to their levels. It has no pseudonyms."""

    def __init__(
        self,
        rows: int,
        columns: Mapping[str, tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.float64]]],
        numbers: Mapping[str, tuple[float, float, int]],
        levels: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self.rows = rows
        self._columns = dict(columns)
        self._numbers = dict(numbers)
        self._levels = dict(levels or {})

    @property
    def pseudonyms(self) -> NDArray[np.uint64]:
        """Not here: raises FederatedError."""
        raise FederatedError("a study's code is not told which row is whose")

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self._columns)

    def select(self, rows: NDArray[np.bool_]) -> "ArrayTable":
        """The table of these rows only."""
        columns = {name: (each[0][rows], each[1][rows], each[2][rows]) for name, each in self._columns.items()}
        return ArrayTable(int(np.count_nonzero(rows)), columns, self._numbers, self._levels)

    def codes(self, column: str) -> NDArray[Any]:
        return self._of(column)[0]

    def observed(self, column: str) -> NDArray[np.bool_]:
        return self._of(column)[1]

    def values(self, column: str) -> NDArray[np.float64]:
        return self._of(column)[2]

    def center(self, column: str) -> float:
        self._of(column)
        return self._numbers[column][0]

    def scale(self, column: str) -> float:
        self._of(column)
        return self._numbers[column][1]

    def width(self, column: str) -> int:
        self._of(column)
        return self._numbers[column][2]

    def levels(self, column: str) -> tuple[str, ...]:
        self._of(column)
        return self._levels.get(column, ())

    def _of(self, column: str) -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.float64]]:
        if column not in self._columns:
            raise FederatedError(f"the table has no column {column!r}")
        return self._columns[column]


@contextmanager
def packed(task: Task) -> Iterator[int]:
    """A sealed memfd that holds the task, closed at the end of the block."""
    sections: list[bytes | memoryview] = []
    header = {
        "code_hash": task.code_hash.hex(),
        "config": dict(task.config),
        "permit_id": task.permit_id,
        "n": task.n,
        "node_id": task.node_id,
        "min_cohort": task.min_cohort,
        "smallest_cell": task.smallest_cell,
        "noisy": task.noisy,
        "rows": task.table.rows,
        "bundle": _add(sections, np.frombuffer(task.bundle, np.uint8)),
        "arrays": {name: _add(sections, array) for name, array in task.arrays.items()},
        "columns": {name: _column(sections, task.table, name) for name in task.table.columns},
        "fractions": None if task.fractions is None else _add(sections, task.fractions),
        "kind": task.kind,
        "position": task.position,
    }
    text = json.dumps(header).encode()
    descriptor = os.memfd_create("task", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        _write(descriptor, 0, len(text).to_bytes(4) + text)
        offset = _aligned(4 + len(text))
        for section in sections:
            _write(descriptor, offset, section)
            offset += _aligned(len(section))
        seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)  # 1
        yield descriptor
    finally:
        os.close(descriptor)


def unpack(descriptor: int) -> Task:
    """The task that a memfd holds; its arrays are read-only, and lie in the memfd."""
    mapped = mmap.mmap(descriptor, 0, prot=mmap.PROT_READ)
    length = int.from_bytes(mapped[:4])
    header = json.loads(mapped[4 : 4 + length])
    start = _aligned(4 + length)

    def read(place: list[Any]) -> NDArray[Any]:
        offset, kind, shape = place
        count = int(np.prod(shape, dtype=np.int64))
        return np.frombuffer(mapped, np.dtype(kind), count, start + offset if count else 0).reshape(shape)

    columns = {name: (read(each[0]), read(each[1]), read(each[2])) for name, each in header["columns"].items()}
    numbers = {name: (each[3], each[4], each[5]) for name, each in header["columns"].items()}
    levels = {name: tuple(each[6]) for name, each in header["columns"].items()}
    return Task(
        bundle=read(header["bundle"]).tobytes(),
        code_hash=bytes.fromhex(header["code_hash"]),
        config=header["config"],
        arrays={name: read(place) for name, place in header["arrays"].items()},
        permit_id=header["permit_id"],
        n=header["n"],
        node_id=header["node_id"],
        table=ArrayTable(header["rows"], columns, numbers, levels),
        min_cohort=header["min_cohort"],
        smallest_cell=header["smallest_cell"],
        noisy=header["noisy"],
        fractions=None if header["fractions"] is None else read(header["fractions"]),
        kind=header["kind"],
        position=header["position"],
    )


def _column(sections: list[bytes | memoryview], table: NodeTable, name: str) -> list[Any]:
    codes = np.asarray(table.codes(name))
    observed, values = np.asarray(table.observed(name), bool), np.asarray(table.values(name), np.float64)
    places = [_add(sections, array) for array in (codes, observed, values)]
    numbers = [float(table.center(name)), float(table.scale(name)), int(table.width(name))]
    return [*places, *numbers, list(table.levels(name))]


def _add(sections: list[bytes | memoryview], array: NDArray[Any]) -> list[Any]:
    """Append an array's bytes; its place: offset, kind and shape."""
    offset = sum(_aligned(len(section)) for section in sections)
    flat = np.ascontiguousarray(array)
    sections.append(memoryview(flat.reshape(-1).view(np.uint8).data))
    return [offset, flat.dtype.str, list(array.shape)]


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _write(descriptor: int, offset: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
