"""Flower records in and out: deep copies between parties, and strict reading of what a stranger sent.

NumPy's own reader trusts the header of an array, and reads it with Python's parser, which fails at random where several
threads parse at a time (CPython's "AST constructor recursion depth mismatch"). This one knows the one form in which
NumPy writes it, and takes the bytes only if they are exactly what it announces (dtype little-endian float32 or float64,
C order, bounded size, finite).
"""

import io
import math
import re
from collections.abc import Iterable
from copy import deepcopy
from functools import lru_cache
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict
from flwr.common.serde import recorddict_from_proto, recorddict_to_proto
from flwr.proto.recorddict_pb2 import RecordDict as ProtoRecordDict
from numpy.lib import format as npy
from numpy.typing import NDArray

from belmont.federated.errors import FederatedError
from belmont.federated.hashes import Arrays

MAX_ARRAYS = 1_000
MAX_MODEL_BYTES = 256 * 1024 * 1024
_NAME_CHARS = 200
_HEADER_CHARS = 1_000
_MAGIC = b"\x93NUMPY\x01\x00"
_HEADER = re.compile(
    rb"\{'descr': '(?P<dtype>[^'\\]{1,20})', 'fortran_order': (?P<fortran>True|False), "
    rb"'shape': \((?P<shape>(?:[0-9]{1,18},|[0-9]{1,18}(?:, [0-9]{1,18})+)?)\), \} *\n?"
)
_KINDS: dict[str, "np.dtype[Any]"] = {"<f8": np.dtype("<f8"), "<f4": np.dtype("<f4")}


def copy_records(content: RecordDict) -> RecordDict:
    """A copy that shares nothing mutable with the original: a node must never see another's edits."""
    out = RecordDict()
    for name, record in content.items():
        if isinstance(record, ArrayRecord):
            out[name] = _record((key, _copy_array(array)) for key, array in record.items())
        elif isinstance(record, MetricRecord):
            out[name] = MetricRecord(deepcopy(dict(record)))
        elif isinstance(record, ConfigRecord):
            out[name] = ConfigRecord(deepcopy(dict(record)))
        else:
            raise FederatedError(f"record {name!r} is of an unknown type")
    return out


def pack_records(content: RecordDict) -> bytes:
    """Records as bytes, for a node's own ledger."""
    return bytes(recorddict_to_proto(content).SerializeToString(deterministic=True))


def unpack_records(data: bytes) -> RecordDict:
    """What ``pack_records`` wrote."""
    proto = ProtoRecordDict()
    proto.ParseFromString(data)
    return recorddict_from_proto(proto)


def read_arrays(record: ArrayRecord, max_bytes: int = MAX_MODEL_BYTES, *, finite: bool = True) -> Arrays:
    """Named arrays of a record, of ``finite`` numbers only unless the caller can do with others.

    Raises FederatedError naming the first array that is not as it should be.
    """
    if len(record) > MAX_ARRAYS:
        raise FederatedError(f"more than {MAX_ARRAYS} arrays")
    total = 0
    arrays: Arrays = {}
    for name, array in record.items():
        if len(name) > _NAME_CHARS:
            raise FederatedError("an array's name is too long")
        total += len(array.data)
        if total > max_bytes:
            raise FederatedError(f"the arrays are larger than {max_bytes} bytes together")
        arrays[name] = _read_array(name, array, finite)
    return arrays


def write_arrays(arrays: Arrays) -> ArrayRecord:
    """The record of named arrays, in their order, in NumPy's format: the bytes that ``np.save`` writes."""
    return _record((name, _write_array(np.ascontiguousarray(array))) for name, array in arrays.items())


def read_metrics(record: MetricRecord) -> dict[str, float]:
    """Named finite numbers. Raises FederatedError."""
    if len(record) > 100:
        raise FederatedError("more than 100 metrics")
    metrics: dict[str, float] = {}
    for name, value in record.items():
        if isinstance(value, list) or not math.isfinite(value):
            raise FederatedError(f"metric {name[:_NAME_CHARS]!r} has to be one finite number")
        metrics[name] = value
    return metrics


def _record(arrays: Iterable[tuple[str, Array]]) -> ArrayRecord:
    """Of arrays that nobody else holds: Flower's own constructor copies each once more."""
    record = ArrayRecord()
    for name, array in arrays:
        record[name] = array
    return record


def _write_array(array: NDArray[Any]) -> Array:
    return Array(str(array.dtype), array.shape, "numpy.ndarray", _header(array.dtype.str, array.shape) + array.data)


@lru_cache(maxsize=256)
def _header(kind: str, shape: tuple[int, ...]) -> bytes:
    written = io.BytesIO()
    npy.write_array_header_1_0(written, {"descr": kind, "fortran_order": False, "shape": shape})
    return written.getvalue()


def _copy_array(array: Array) -> Array:
    return Array(array.dtype, tuple(array.shape), array.stype, bytes(array.data))


def _read_array(name: str, array: Array, finite: bool) -> "NDArray[np.float64] | NDArray[np.float32]":
    if array.stype != "numpy.ndarray" or type(array.data) is not bytes:
        raise FederatedError(f"array {name!r} is not in NumPy's format")
    if array.data[:8] != _MAGIC:
        raise FederatedError(f"array {name!r}: only version 1.0 of NumPy's format is read")
    start = 10 + int.from_bytes(array.data[8:10], "little")
    header = _HEADER.fullmatch(array.data[10:start]) if len(array.data) >= start <= 10 + _HEADER_CHARS else None
    if header is None:
        raise FederatedError(f"array {name!r}: its header cannot be read")
    shape = tuple(int(size) for size in header["shape"].replace(b",", b" ").split())
    kind, fortran = _KINDS.get(header["dtype"].decode("ascii", "replace")), header["fortran"] == b"True"
    if kind is None or (fortran and len(shape) > 1) or len(shape) > 8:
        raise FederatedError(f"array {name!r}: only float32 and float64, little-endian, in C order, are allowed")
    if (array.dtype, tuple(array.shape)) != (kind.name, tuple(shape)):
        raise FederatedError(f"array {name!r}: what the record says of it is not what its bytes say")
    body = array.data[start:]
    if len(body) != math.prod(shape) * kind.itemsize:
        raise FederatedError(f"array {name!r}: {len(body)} bytes do not fill the shape {tuple(shape)}")
    values: NDArray[np.float64] | NDArray[np.float32] = np.frombuffer(body, kind).reshape(shape)
    if finite and not np.isfinite(values).all():
        raise FederatedError(f"array {name!r} holds a number that is not finite")
    return values
