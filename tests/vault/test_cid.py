import libipld
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multiformats import CID

from belmont.vault.cid import DAG_CBOR, RAW, Cid
from belmont.vault.errors import CidMalformed

# The raw block "hello world", as `ipfs add --raw-leaves --cid-version 1` names it.
HELLO = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"


def test_a_cid_is_the_one_that_ipfs_gives() -> None:
    assert str(Cid.of(RAW, b"hello world")) == HELLO


@given(st.binary(max_size=64), st.sampled_from([RAW, DAG_CBOR]))
def test_two_other_libraries_read_and_write_the_same_text(block: bytes, codec: int) -> None:
    cid = Cid.of(codec, block)
    assert bytes(CID.decode(str(cid))) == cid.binary
    assert libipld.encode_cid(cid.binary) == str(cid)
    assert Cid.parse(str(cid)) == cid
    assert cid.names(block)
    assert not cid.names(block + b"\0")
    assert cid.codec == codec


@pytest.mark.parametrize(
    "text",
    [
        "",
        "b",
        HELLO[:-1],
        HELLO + "a",
        HELLO.upper(),
        "B" + HELLO[1:],
        HELLO[:-1] + HELLO[-1].upper(),
        HELLO + "=",
        HELLO + "\n",
        " " + HELLO,
        HELLO[:-1] + "f",  # stray bits after the last byte
        "z" + HELLO[1:],
        HELLO[:10] + "1" + HELLO[11:],
        HELLO[:10] + "é" + HELLO[11:],
        "QmWATWQ7fVPP2EFGu71UkfnqhYXDYH566qy47CnJDgvs8u",
        str(CID("base32", 1, "dag-pb", ("sha2-256", bytes(32)))),
        str(CID("base32", 1, "raw", ("sha2-512", bytes(64)))),
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(CidMalformed):
        Cid.parse(text)


@pytest.mark.parametrize("position", range(4))
def test_every_header_byte_counts(position: int) -> None:
    binary = bytearray(Cid.of(RAW, b"").binary)
    binary[position] ^= 1
    with pytest.raises(CidMalformed):
        Cid(bytes(binary))


@pytest.mark.parametrize("length", [0, 35, 37])
def test_every_length_but_one_is_refused(length: int) -> None:
    with pytest.raises(CidMalformed):
        Cid((Cid.of(RAW, b"").binary + b"\0")[:length])
