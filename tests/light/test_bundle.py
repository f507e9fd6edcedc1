"""Reading of bundles and checkpoints that strangers send: exactly what was written, or a typed error, soon."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from belmont.light.accounts import Code, CodeProof
from belmont.light.bundle import BUNDLE_BYTES_MAX, Bundle, EventClaim, ValueClaim
from belmont.light.checkpoint import Checkpoint
from belmont.light.errors import BundleMalformed, ProofRefused
from belmont.light.reading import write_json
from belmont.light.verify import Fingerprint, verify

NUMBERS = st.integers(0, 2**64 - 1)
HASHES = st.binary(min_size=32, max_size=32)
ADDRESSES = st.binary(min_size=20, max_size=20)
NAMES = st.from_regex(r"[A-Z][a-zA-Z0-9]{0,10}", fullmatch=True)
NODES = st.lists(st.binary(max_size=40), max_size=5).map(tuple)
CODES = st.builds(Code, ADDRESSES, HASHES) | st.builds(Code, ADDRESSES, HASHES, ADDRESSES, HASHES)
CHECKPOINTS = st.builds(
    Checkpoint,
    NUMBERS,
    NUMBERS,
    HASHES,
    st.dictionaries(NAMES, CODES, max_size=3),
    st.lists(st.binary(min_size=65, max_size=65), max_size=2).map(tuple),
)
CLAIMS = st.builds(EventClaim, NAMES, NUMBERS, NUMBERS, NUMBERS, NODES, NODES) | st.builds(
    ValueClaim,
    NAMES,
    NUMBERS,
    st.text(max_size=20),
    st.builds(CodeProof, NODES, NODES, NODES),
    st.lists(NODES, max_size=3).map(tuple),
)
BUNDLES = st.builds(Bundle, CHECKPOINTS, st.binary(max_size=50), st.lists(CLAIMS, min_size=1, max_size=3).map(tuple))


@given(BUNDLES)
def test_a_bundle_reads_back_as_it_was_written(bundle: Bundle) -> None:
    assert Bundle.from_bytes(bundle.to_bytes()) == bundle


@given(CHECKPOINTS)
def test_a_checkpoint_reads_back_with_the_same_fingerprint(checkpoint: Checkpoint) -> None:
    read = Checkpoint.from_bytes(checkpoint.to_bytes())
    assert (read, read.fingerprint) == (checkpoint, checkpoint.fingerprint)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=10)
    | st.binary(max_size=9).map(bytes.hex),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths to everything in a JSON document."""
    found = [path] if path else []
    entries = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, inner in entries:
        found += places(inner, (*path, key))
    return found


@given(BUNDLES, st.data())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_a_bundle_with_anything_replaced_left_out_or_added_is_refused_or_another_bundle(
    bundle: Bundle, data: st.DataObject
) -> None:
    document = json.loads(bundle.to_bytes())
    *way, last = data.draw(st.sampled_from(places(document)))
    holder = document
    for key in way:
        holder = holder[key]
    change = data.draw(st.sampled_from(["replace", "remove", "add"]))
    if change == "replace":
        holder[last] = data.draw(JSON)
    elif change == "remove":
        del holder[last]
    elif isinstance(holder, dict):
        holder[data.draw(st.text(min_size=1, max_size=5))] = data.draw(JSON)
    else:
        holder.append(data.draw(JSON))
    try:
        read = Bundle.from_bytes(json.dumps(document).encode())
    except BundleMalformed as error:
        assert 10 < len(str(error)) < 300
        return
    with pytest.raises(ProofRefused):
        verify(read, Fingerprint(b"\1" * 32))


@given(st.binary(max_size=300) | JSON.map(lambda each: json.dumps(each).encode()))
def test_bytes_that_are_no_bundle_are_refused(data: bytes) -> None:
    for kind in (Bundle, Checkpoint):
        with pytest.raises(BundleMalformed):
            kind.from_bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 1_000_000,
        b'{"a":' * 500_000,
        b"9" * 1_000_000,
        b'{"format":1e400}',
        b'{"format":NaN}',
        b'{"format":"belmont/light/bundle","format":"belmont/light/bundle"}',
        b"\xff\xfe{}",
        b"{}" + b" " * BUNDLE_BYTES_MAX,
        b'"' + b"a" * 7_000_000 + b'"',
        b"[" + b"0," * 3_000_000 + b"0]",
        b"[]" * 4_000_000,
        b'"' + b'\\"' * 4_000_000,
        b'""' * 4_000_000,
        b"\\" * 8_000_000,
    ],
    ids=range(14),
)
def test_hostile_json_is_refused_soon(data: bytes) -> None:
    began = time.process_time()
    with pytest.raises(BundleMalformed):
        Bundle.from_bytes(data)
    assert time.process_time() - began < 5


GOOD = Bundle(
    Checkpoint(1337, 9, b"\2" * 32, {"Ledger": Code(b"\3" * 20, b"\4" * 32)}),
    b"headers",
    (EventClaim("Ledger", 5, 0, 0, (b"node", b"shared"), (b"other", b"shared")),),
)
CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "another format": lambda d: d.update(format="belmont/light/checkpoint"),
    "a later version": lambda d: d.update(version=2),
    "a version that is true": lambda d: d.update(version=True),
    "no claims": lambda d: (d.update(claims=[]), d.update(nodes=[])),
    "too many claims": lambda d: d.update(claims=d["claims"] * 65),
    "a claim of another kind": lambda d: d["claims"][0].update(kind="rumour"),
    "a node that no proof uses": lambda d: d["nodes"].append("0x00"),
    "a node twice": lambda d: d["nodes"].append(d["nodes"][0]),
    "a proof with a node that is not there": lambda d: d["claims"][0].update(receipt=[3]),
    "a proof with a negative node": lambda d: d["claims"][0].update(receipt=[-1]),
    "a proof with a node that is true": lambda d: d["claims"][0].update(receipt=[True]),
    "a proof of too many nodes": lambda d: d["claims"][0].update(receipt=[0] * 66),
    "upper-case hexadecimal": lambda d: d["nodes"].__setitem__(0, "0xAB"),
    "hexadecimal without 0x": lambda d: d["nodes"].__setitem__(0, "ab"),
    "half a byte": lambda d: d["nodes"].__setitem__(0, "0xa"),
    "a number as text": lambda d: d["claims"][0].update(block="5"),
    "a negative number": lambda d: d["claims"][0].update(block=-5),
    "a number beyond 64 bits": lambda d: d["claims"][0].update(block=2**64),
    "an unknown field": lambda d: d.update(comment="believe me"),
    "a short address": lambda d: d["checkpoint"]["contracts"]["Ledger"].update(address="0x03"),
    "an implementation without its code": lambda d: d["checkpoint"]["contracts"]["Ledger"].update(
        implementation="0x" + "03" * 20
    ),
    "a contract's name with a control character": lambda d: d["checkpoint"]["contracts"].update({"\x1b[2J": {}}),
    "a short signature": lambda d: d["checkpoint"].update(signatures=["0x00"]),
    "headers that are not base64": lambda d: d.update(headers="not base64!"),
    "headers that are a list": lambda d: d.update(headers=[]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_bundle_of_another_form_is_refused(name: str) -> None:
    document = json.loads(GOOD.to_bytes())
    assert Bundle.from_bytes(write_json(document)) == GOOD
    CHANGES[name](document)
    with pytest.raises(BundleMalformed):
        Bundle.from_bytes(write_json(document))


def test_nodes_that_proofs_share_stand_in_the_file_once() -> None:
    assert GOOD.to_bytes().count(b"shared".hex().encode()) == 1
