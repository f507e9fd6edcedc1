"""Bytes from outside: each is one proof's only encoding or refused with a ZkError, in little time and memory."""

import time
import tracemalloc
from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from belmont.zk.commitment import commit_table
from belmont.zk.curve import compressed, parse_compressed, parse_wide, wide
from belmont.zk.errors import LayoutError, ProofMalformed, ProofRefused, ZkError
from belmont.zk.layout import ColumnKind, Kind, Layout
from belmont.zk.srs import ceremony_file
from belmont.zk.statement import Statement
from belmont.zk.validity import MAGIC, MAX_PROOF_BYTES, ValidityProof, prove_part
from belmont.zk.verifiers import native, reference
from belmont.zk.verifiers.reference import ReferenceRefused

LAYOUT = Layout((ColumnKind(Kind.BIT, 1), ColumnKind(Kind.RANGE_OR_MISSING, 7)))
ROWS = 3
CEREMONY = ceremony_file().read_bytes()
SLOWEST_SECONDS = 2.0
MOST_BYTES = 8 << 20
HEAD = len(MAGIC) + 2 + 2 + len(LAYOUT.to_bytes())
"""Where the chain id begins."""
FIRST, CHUNKS, NUMBER_OF_ROWS = HEAD + 32 + 20 + 20 + 32 + 8, HEAD + 116, HEAD + 120
POINTS = HEAD + 128
FUZZ = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@cache
def real() -> bytes:
    codes = [np.array([0, 1, 1]), np.array([0, 7, 3])]
    table = commit_table(LAYOUT, codes, np.array([5, 9, 2**64 - 1], np.uint64))
    stated = Statement(31337, b"\xc0" * 20, b"\x0e" * 20, b"\xda" * 32, 1, LAYOUT, 0, 1, ROWS)
    return prove_part(table, stated).to_bytes()


def refused(data: bytes) -> None:
    """Neither accepted, nor any error but a typed one, nor slow."""
    start = time.process_time()
    with pytest.raises((ProofMalformed, ProofRefused)):
        native.verify(ValidityProof.from_bytes(data))
    assert time.process_time() - start < SLOWEST_SECONDS


def refused_in_little_memory(data: bytes) -> None:
    tracemalloc.start()
    try:
        refused(data)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()  # all that runs later would be traced, ten times as slowly
    assert most < MOST_BYTES


def test_the_real_proof_is_accepted_and_is_its_own_encoding() -> None:
    proof = ValidityProof.from_bytes(real())
    native.verify(proof)
    assert proof.to_bytes() == real()


@FUZZ
@given(st.binary(max_size=4096))
def test_random_bytes_are_refused(data: bytes) -> None:
    refused(data)


@FUZZ
@given(st.binary(max_size=4096))
def test_random_bytes_after_a_real_beginning_are_refused(data: bytes) -> None:
    refused(real()[:POINTS] + data)


def test_a_proof_cut_anywhere_is_refused() -> None:
    for end in range(len(real())):
        refused(real()[:end])


@FUZZ
@given(st.binary(min_size=1, max_size=200))
def test_an_extended_proof_is_refused(more: bytes) -> None:
    refused(real() + more)


@FUZZ
@given(st.data())
def test_a_mutated_proof_is_refused(data: st.DataObject) -> None:
    """Bytes replaced, removed, inserted, repeated or moved."""
    mutated = bytearray(real())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(mutated) - 1))
        end = min(len(mutated), at + data.draw(st.sampled_from([1, 2, 4, 32, 48, 96])))
        new = data.draw(st.binary(max_size=96))
        old = bytes(mutated[at:end])
        mutated[at:end] = data.draw(
            st.sampled_from([new[: len(old)], b"", new, new + old, old + old, old[::-1], bytes(len(old))])
        )
        if not mutated:
            break
    if bytes(mutated) != real():
        refused(bytes(mutated))


@FUZZ
@given(st.sampled_from([HEAD, FIRST, CHUNKS, NUMBER_OF_ROWS]), st.binary(min_size=4, max_size=8))
def test_numbers_that_lie_are_refused_before_anything_is_made_of_them(at: int, number: bytes) -> None:
    data = real()[:at] + number + real()[at + len(number) :]
    if data == real():
        return
    refused_in_little_memory(data)


def test_a_layout_that_is_as_wide_as_it_can_be_takes_little_memory_to_refuse() -> None:
    layout = Layout(tuple(ColumnKind(Kind.RANGE_OR_MISSING, 7) for _ in range(512))).to_bytes()
    at = len(MAGIC) + 2
    for chunks in (1, 65_536, 2**32 - 1):
        data = real()[:at] + len(layout).to_bytes(2, "big") + layout + real()[HEAD:CHUNKS]
        data += chunks.to_bytes(4, "big") + real()[NUMBER_OF_ROWS:]
        refused_in_little_memory(data)


def test_more_bytes_than_any_proof_has_are_not_read() -> None:
    refused(real() + bytes(MAX_PROOF_BYTES))


@FUZZ
@given(st.binary(max_size=40) | st.binary(max_size=40).map(lambda rest: b"\x01" + rest))
def test_a_layout_has_one_encoding(data: bytes) -> None:
    try:
        layout = Layout.from_bytes(data)
    except LayoutError:
        with pytest.raises(ReferenceRefused):
            reference.read_layout(data)
        return
    assert layout.to_bytes() == data
    assert [(int(each.kind), each.width) for each in layout.columns] == reference.read_layout(data)


@settings(FUZZ, max_examples=1000)
@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from([0, 1, 2, 5, 4031, 4032, 4033, 65535])), max_size=4))
def test_both_verifiers_know_the_same_layouts(columns: list[tuple[int, int]]) -> None:
    data = b"\x01" + len(columns).to_bytes(2, "big")
    data += b"".join(bytes([kind]) + width.to_bytes(2, "big") for kind, width in columns)
    test_a_layout_has_one_encoding.hypothesis.inner_test(data)


def point_bytes(size: int) -> st.SearchStrategy[bytes]:
    """Random bytes, and a real point's with one byte changed."""
    points = [real()[POINTS + 48 * i : POINTS + 48 * (i + 1)] for i in range(4)]
    encoded = points if size == 48 else [wide(parse_compressed(each)) for each in points]
    changed = st.tuples(st.sampled_from(encoded), st.integers(0, size - 1), st.integers(0, 255)).map(
        lambda drawn: drawn[0][: drawn[1]] + bytes([drawn[2]]) + drawn[0][drawn[1] + 1 :]
    )
    flags = st.sampled_from([0x00, 0x20, 0x40, 0x60, 0x80, 0xA0, 0xC0, 0xE0]).map(lambda flag: bytes([flag]))
    nothing = flags.map(lambda flag: flag + bytes(size - 1))
    return st.binary(min_size=size, max_size=size) | changed | nothing | st.binary(max_size=size + 1)


@FUZZ
@given(st.data())
def test_a_point_has_one_encoding_of_48_bytes(data: st.DataObject) -> None:
    given_bytes = data.draw(point_bytes(48))
    try:
        point = parse_compressed(given_bytes)
    except ProofMalformed:
        return
    assert compressed(point) == given_bytes


@FUZZ
@given(st.data())
def test_a_point_has_one_encoding_of_128_bytes_for_both_verifiers(data: st.DataObject) -> None:
    given_bytes = data.draw(point_bytes(128))
    try:
        point = parse_wide(given_bytes)
    except ProofMalformed:
        with pytest.raises(ReferenceRefused):
            reference.point(given_bytes)
        return
    assert wide(point) == given_bytes
    reference.point(given_bytes)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.fixed_dictionaries({name: JSON for name in ("statement", "columns", "previous", "proof")})


@FUZZ
@given(JSON | FIELDS)
def test_the_reference_refuses_what_is_no_vector(vector: object) -> None:
    with pytest.raises(ReferenceRefused):
        reference.verify(vector, CEREMONY)


def test_typed_refusals_are_of_one_family() -> None:
    assert issubclass(ProofMalformed, ZkError)
    assert issubclass(ProofRefused, ZkError)
