"""Runs of headers: linked, packed, ending at a trusted block, and grown only along one history."""

import secrets
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import rlp
from hypothesis import given, settings
from hypothesis import strategies as st

from belmont.chain.engine import Engine
from belmont.light import headers
from belmont.light.encoding import keccak
from belmont.light.errors import HeadersRefused
from belmont.light.headers import HEADER_BYTES_MAX, Header, HeaderChain, ancestors, linked, pack, unpack

LENGTH = 30


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = Engine.open(tmp_path_factory.mktemp("engine"))
    for _ in range(LENGTH - 1):
        engine.seal()
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def run(engine: Engine) -> list[bytes]:
    """RLP headers of blocks 0 to 29."""
    return [rlp.encode(engine.header(number)) for number in range(LENGTH)]


def changed(encoded: bytes, **fields: object) -> bytes:
    names = ["parent", "ommers", "beneficiary", "state", "transactions", "receipts", "bloom", "difficulty", "number"]
    names += ["gas_limit", "gas_used", "timestamp", "extra", "mix", "nonce", "base_fee", "withdrawals"]
    names += ["blob_gas", "excess_blob_gas", "beacon_root", "requests"]
    parts = dict(zip(names, rlp.decode(encoded), strict=True))
    assert fields.keys() <= parts.keys()
    return rlp.encode(list((parts | fields).values()))


def test_a_header_reads_as_the_chain_wrote_it(engine: Engine, run: list[bytes]) -> None:
    for number, encoded in enumerate(run):
        header, theirs = Header.read(encoded), engine.header(number)
        assert (header.hash, header.parent_hash) == (theirs.hash, theirs.parent_hash)
        assert (header.number, header.timestamp) == (number, theirs.timestamp)
        roots = (header.state_root, header.transactions_root, header.receipts_root)
        assert roots == (theirs.state_root, theirs.transaction_root, theirs.receipt_root)


WRONG_FIELDS = {
    "a difficulty, as of proof of work or QBFT": ({"difficulty": b"\1"}, "H3"),
    "a nonce of proof of work": ({"nonce": b"\1" * 8}, "H3"),
    "ommers": ({"ommers": bytes(32)}, "H3"),
    "a beneficiary": ({"beneficiary": b"\1" * 20}, "H4"),
    "a base fee": ({"base_fee": b"\7"}, "H4"),
    "blob gas": ({"blob_gas": b"\1"}, "H4"),
    "randomness": ({"mix": b"\1" * 32}, "H4"),
    "withdrawals": ({"withdrawals": b"\1" * 32}, "H4"),
    "a beacon root": ({"beacon_root": b"\1" * 32}, "H4"),
    "requests": ({"requests": b"\1" * 32}, "H4"),
    "extra data, where QBFT keeps its seals": ({"extra": b"seals"}, "H4"),
    "more gas used than the limit": ({"gas_used": b"\xff" * 8}, "H4"),
    "a number with leading zeros": ({"number": b"\0\5"}, "H1"),
    "a time of nine bytes": ({"timestamp": b"\1" * 9}, "H1"),
    "a short state root": ({"state": b"\1" * 31}, "H1"),
    "a short bloom filter": ({"bloom": bytes(255)}, "H1"),
    "a state root that is a list": ({"state": [b""]}, "H1"),
}


@pytest.mark.parametrize("name", WRONG_FIELDS)
def test_a_header_of_another_kind_of_chain_is_refused(run: list[bytes], name: str) -> None:
    fields, rule = WRONG_FIELDS[name]
    with pytest.raises(HeadersRefused) as refused:
        Header.read(changed(run[5], **fields))
    assert refused.value.rule == rule


@pytest.mark.parametrize("encoded", [b"", b"\xc0", b"\xff" * 40, b"\xc1" * 900, bytes(HEADER_BYTES_MAX + 1)])
def test_what_is_no_header_is_refused(encoded: bytes) -> None:
    with pytest.raises(HeadersRefused, match="H1"):
        Header.read(encoded)


def test_headers_link_and_pack_into_a_twentieth(run: list[bytes]) -> None:
    packed = pack(run)
    assert [header.encoded for header in unpack(packed)] == run == [header.encoded for header in linked(run)]
    assert len(packed) < len(b"".join(run)) / 20


def test_a_run_that_ends_at_the_trusted_block_gives_its_ancestors(run: list[bytes]) -> None:
    found = ancestors(unpack(pack(run[3:20])), keccak(run[19]), [3, 7, 19])
    assert {number: header.encoded for number, header in found.items()} == {n: run[n] for n in (3, 7, 19)}


def test_a_run_that_ends_elsewhere_or_lacks_a_block_is_refused(run: list[bytes]) -> None:
    for trusted in (keccak(run[18]), keccak(run[20]), bytes(32)):
        with pytest.raises(HeadersRefused, match="not to the trusted one"):
            ancestors(unpack(pack(run[3:20])), trusted, [7])
    for outside in (2, 20):
        with pytest.raises(HeadersRefused, match=f"lack block {outside}"):
            ancestors(unpack(pack(run[3:20])), keccak(run[19]), [7, outside])
    with pytest.raises(HeadersRefused, match="no headers"):
        ancestors([], keccak(run[19]), [7])


def test_a_gap_a_repetition_and_a_swap_are_refused(run: list[bytes]) -> None:
    for wrong in ([*run[:5], *run[6:9]], [*run[:5], run[4]], [*run[:5], run[6], run[5], run[7]]):
        with pytest.raises(HeadersRefused, match="H2"):
            pack(wrong)


def test_a_header_made_by_somebody_else_breaks_the_link(run: list[bytes]) -> None:
    forged = changed(run[10], state=b"\1" * 32)
    with pytest.raises(HeadersRefused, match="no child"):
        list(linked([*run[8:10], forged, run[11]]))
    with pytest.raises(HeadersRefused, match="block 11 where block 10 was expected"):
        list(linked([run[9], changed(run[10], number=b"\x0b")]))
    with pytest.raises(HeadersRefused, match="older than its parent"):
        list(linked([run[9], changed(run[10], timestamp=b"\1")]))
    with pytest.raises(HeadersRefused, match="gas limit"):
        list(linked([run[9], changed(run[10], gas_limit=b"\1")]))


def test_a_packed_run_with_a_forged_header_leads_to_another_block(run: list[bytes]) -> None:
    short = [rlp.encode(rlp.decode(each)[1:]) for each in (run[9], changed(run[10], state=b"\1" * 32), run[11])]
    packed = rlp.decode(run[9])[0] + zlib.compress(b"".join(short))
    with pytest.raises(HeadersRefused, match="not to the trusted one"):
        ancestors(unpack(packed), keccak(run[11]), [10])


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_packed_run_with_any_byte_changed_never_reaches_the_trusted_block(
    run: list[bytes], data: st.DataObject
) -> None:
    packed = bytearray(pack(run[:8]))
    place = data.draw(st.integers(0, len(packed) - 1))
    packed[place] ^= data.draw(st.integers(1, 255))
    try:
        found = ancestors(unpack(bytes(packed)), keccak(run[7]), range(8))
    except HeadersRefused:
        return
    assert [header.encoded for header in found.values()] == run[:8]  # only the compression's own bytes changed


@given(st.binary(max_size=200))
def test_bytes_that_are_no_packed_run_are_refused_or_lead_nowhere(data: bytes) -> None:
    for packed in (data, bytes(32) + zlib.compress(data)):
        with pytest.raises(HeadersRefused):
            ancestors(unpack(packed), bytes(32), [])


def test_a_packed_run_of_too_many_headers_is_refused(run: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headers, "HEADERS_MAX", 8)
    assert len(list(unpack(pack(run[:8])))) == 8
    with pytest.raises(HeadersRefused, match="H6"):
        list(unpack(pack(run[:9])))


def test_a_packed_run_that_unpacks_to_gigabytes_is_refused_at_once(run: list[bytes]) -> None:
    with pytest.raises(HeadersRefused, match="H1"):
        list(unpack(bytes(32) + zlib.compress(bytes(50_000_000))))
    cut = pack(run)[:-30]
    with pytest.raises(HeadersRefused):
        list(unpack(cut))
    with pytest.raises(HeadersRefused, match="H1"):
        list(unpack(pack(run) + b"more"))


def test_a_chain_grows_only_to_a_newer_trusted_block_of_the_same_history(run: list[bytes]) -> None:
    chain = HeaderChain(linked(run[2:10]))
    grown = chain.extended(linked(run[10:15]), keccak(run[14]))
    assert (grown.first.number, grown.tip.number, grown.get(12).encoded) == (2, 14, run[12])
    assert HeaderChain.from_bytes(grown.to_bytes()).headers == grown.headers
    with pytest.raises(HeadersRefused, match="not to the trusted one"):
        chain.extended(linked(run[10:15]), keccak(run[15]))
    with pytest.raises(HeadersRefused, match="H2"):
        chain.extended(linked(run[11:15]), keccak(run[14]))
    with pytest.raises(HeadersRefused, match="not in blocks"):
        chain.get(10)
    with pytest.raises(HeadersRefused, match="not to the trusted one"):
        HeaderChain.trusted(grown.headers, keccak(run[13]))


def test_a_fork_after_the_tip_is_refused_even_where_it_is_said_to_be_trusted(run: list[bytes], tmp_path: Path) -> None:
    chain = HeaderChain(linked(run[2:10]))
    rewritten = [changed(run[9], state=secrets.token_bytes(32))]
    for number in (10, 11):
        rewritten.append(changed(run[number], parent=keccak(rewritten[-1])))
    assert list(linked(rewritten))  # a history of its own that breaks no rule
    with pytest.raises(HeadersRefused, match="no child"):
        chain.extended(linked(rewritten[1:]), keccak(rewritten[-1]))
