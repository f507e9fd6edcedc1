"""What comes back from a task's process, which is hostile: one frame, with a bound on everything, and no pickle.

    kind u8 | length u64 | body

An ANSWER's body, integers big-endian, text UTF-8:

    arrays u16 | for each: name length u16, name, dtype length u8, dtype, dimensions u8, each size u64,
                 bytes u64, an array in NumPy's own format
    metrics u8 | for each: name length u16, name, ``i`` and a signed 64-bit integer or ``f`` and a float64

1. TOO_SMALL has no body, and FAILED the place of a failure: printable ASCII, of a length and form that a place has.
2. No length is believed before it is compared with what is really there; nothing may be left over.
3. The records are then read as any stranger's are (`belmont.federated.grid.records`).
"""

import io
import re
import struct

import numpy as np
from flwr.app import Array, ArrayRecord, MetricRecord
from numpy.lib import format as npy

from belmont.federated.errors import FederatedError
from belmont.federated.executor.protocol import Answer, Computed, Failed, TooSmall
from belmont.federated.grid.records import MAX_ARRAYS, MAX_MODEL_BYTES, read_arrays, read_metrics

HEAD = struct.Struct(">BQ")
MAX_ANSWER_BYTES = MAX_MODEL_BYTES + (1 << 20)
_MAX_PLACE_CHARS = 2_000
_PLACE = re.compile(r"[A-Za-z]{1,60}( < [\w./<>+ -]{1,300}:\d{1,9}){0,5}", re.ASCII)
KINDS = _ANSWER, _TOO_SMALL, _FAILED = 1, 2, 3


class MalformedAnswer(FederatedError):
    """What a task's process sent is not an answer."""


def write_outcome(outcome: Computed) -> list[bytes | memoryview]:
    """The frame of an outcome, in parts that are sent one after the other."""
    if isinstance(outcome, Answer):
        parts = _write_answer(outcome)
        return [HEAD.pack(_ANSWER, sum(map(len, parts))), *parts]
    if isinstance(outcome, TooSmall):
        return [HEAD.pack(_TOO_SMALL, 0)]
    body = outcome.place.encode("ascii", "replace")[:_MAX_PLACE_CHARS]
    return [HEAD.pack(_FAILED, len(body)), body]


def read_outcome(kind: int, body: bytes, noisy: bool = False) -> Computed:
    """The outcome that a frame holds, of a task that is noisy or not. Raises FederatedError for anything else."""
    if kind == _ANSWER:
        return _read_answer(body, noisy)
    if kind == _TOO_SMALL and not body:
        return TooSmall()
    if kind == _FAILED and len(body) <= _MAX_PLACE_CHARS:
        place = body.decode("ascii", "replace")
        return Failed(place if _PLACE.fullmatch(place) else "at a place that it does not tell in the usual form")
    raise MalformedAnswer("the frame is of no known kind")


def _write_answer(answer: Answer) -> list[bytes | memoryview]:
    parts: list[bytes | memoryview] = [struct.pack(">H", len(answer.arrays))]
    for name, array in answer.arrays.items():
        kind, flat = array.dtype.name.encode(), np.asarray(array, order="C")
        head = io.BytesIO()
        npy.write_array_header_1_0(head, npy.header_data_from_array_1_0(flat))
        shape = struct.pack(f">B{array.ndim}Q", array.ndim, *array.shape)
        length = struct.pack(">Q", head.tell() + flat.nbytes)
        parts += [_text(name), struct.pack(">B", len(kind)), kind, shape, length, head.getvalue()]
        parts.append(flat.reshape(-1).view(np.uint8).data)
    parts.append(struct.pack(">B", len(answer.metrics)))
    for name, value in answer.metrics.items():
        whole = isinstance(value, int)
        parts += [_text(name), struct.pack(">cq" if whole else ">cd", b"i" if whole else b"f", value)]
    return parts


def _read_answer(body: bytes, noisy: bool) -> Answer:
    reader = _Reader(body)
    count = reader.number("H")
    if count > MAX_ARRAYS:
        raise MalformedAnswer(f"more than {MAX_ARRAYS} arrays")
    arrays: dict[str, Array] = {}
    for _ in range(count):
        name, kind = reader.text("H"), reader.text("B")
        shape = tuple(reader.number("Q") for _ in range(reader.number("B")))
        if name in arrays:
            raise MalformedAnswer("one array's name occurs twice")
        arrays[name] = Array(kind, shape, "numpy.ndarray", reader.take(reader.number("Q")))
    metrics: dict[str, int | float] = {}
    for _ in range(reader.number("B")):
        name = reader.text("H")
        if name in metrics:
            raise MalformedAnswer("one metric's name occurs twice")
        metrics[name] = reader.metric()
    reader.end()
    read = read_arrays(ArrayRecord(arrays), finite=not noisy)
    return Answer(read, {} if noisy else read_metrics(MetricRecord(dict(metrics))))


class _Reader:
    """Takes pieces from the front of untrusted bytes."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def take(self, size: int) -> bytes:
        if size > len(self._body) - self._at:
            raise MalformedAnswer("the answer ends too early")
        self._at += size
        return self._body[self._at - size : self._at]

    def number(self, kind: str) -> int:
        form = struct.Struct(f">{kind}")
        return int(form.unpack(self.take(form.size))[0])

    def text(self, length: str) -> str:
        try:
            return self.take(self.number(length)).decode()
        except UnicodeDecodeError as error:
            raise MalformedAnswer("a name is not text") from error

    def metric(self) -> int | float:
        form = {b"i": ">q", b"f": ">d"}.get(self.take(1))
        if form is None:
            raise MalformedAnswer("a metric is of no known kind")
        value: int | float = struct.unpack(form, self.take(8))[0]
        return value

    def end(self) -> None:
        if self._at != len(self._body):
            raise MalformedAnswer("something is left over after the answer")


def _text(name: str) -> bytes:
    encoded = name.encode()
    return struct.pack(">H", len(encoded)) + encoded
