from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from belmont.vault.ciphers import KeyWrapper, ObjectCipher, ObjectShape, Refused

SHAPE = ObjectShape(label="ward", salt=bytes(32), size=50, chunk_bytes=32, chunks=2)
KEY = bytes(range(32))

NEIGHBOURS = [
    replace(SHAPE, label="ware"),
    replace(SHAPE, label=""),
    replace(SHAPE, salt=bytes(31) + b"\1"),
    replace(SHAPE, size=51),
    replace(SHAPE, chunk_bytes=33),
    replace(SHAPE, chunks=3),
]


def test_a_chunk_opens_where_it_was_sealed() -> None:
    sealed = ObjectCipher(KEY, SHAPE).seal(1, b"text")
    assert ObjectCipher(KEY, SHAPE).open(1, sealed) == b"text"


@pytest.mark.parametrize("shape", NEIGHBOURS)
def test_a_chunk_opens_in_no_other_object(shape: ObjectShape) -> None:
    sealed = ObjectCipher(KEY, SHAPE).seal(1, b"text")
    with pytest.raises(Refused):
        ObjectCipher(KEY, shape).open(1, sealed)


@pytest.mark.parametrize("index", [0, 2, 2**32])
def test_a_chunk_opens_at_no_other_index(index: int) -> None:
    sealed = ObjectCipher(KEY, SHAPE).seal(1, b"text")
    with pytest.raises(Refused):
        ObjectCipher(KEY, SHAPE).open(index, sealed)


def test_a_chunk_opens_under_no_other_key_and_the_key_check_tells() -> None:
    ours, theirs = ObjectCipher(KEY, SHAPE), ObjectCipher(bytes(32), SHAPE)
    with pytest.raises(Refused):
        theirs.open(1, ours.seal(1, b"text"))
    assert ours.matches(ours.key_check)
    assert not theirs.matches(ours.key_check)


def test_salts_give_independent_keys_and_checks() -> None:
    first, second = ObjectCipher(KEY, SHAPE), ObjectCipher(KEY, NEIGHBOURS[2])
    assert first.key_check != second.key_check
    assert first.seal(0, bytes(16))[:16] != second.seal(0, bytes(16))[:16]


def test_nonces_of_one_object_are_all_different(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[bytes] = []
    original = AESGCM.encrypt

    class Recorder:
        def __init__(self, key: bytes) -> None:
            self.inner = AESGCM(key)

        def encrypt(self, nonce: bytes, data: bytes, associated: bytes) -> bytes:
            used.append(nonce)
            return original(self.inner, nonce, data, associated)

    monkeypatch.setattr("belmont.vault.ciphers.AESGCM", Recorder)
    cipher = ObjectCipher(KEY, SHAPE)
    for index in (0, 1, 2, 255, 256, 2**16, 2**32 - 1):
        cipher.seal(index, b"")
    assert len(set(used)) == 7
    assert all(len(nonce) == 12 for nonce in used)


@given(st.integers(0, 59), st.integers(0, 7))
def test_no_flipped_bit_of_a_wrapped_key_unwraps(position: int, bit: int) -> None:
    wrapper = KeyWrapper(KEY, bytes(16))
    wrapped = bytearray(wrapper.wrap("ward", bytes(32)))
    wrapped[position] ^= 1 << bit
    with pytest.raises(Refused):
        wrapper.unwrap("ward", bytes(wrapped))


def test_a_wrapped_key_unwraps_for_its_label_vault_and_wrapping_key_only() -> None:
    wrapped = KeyWrapper(KEY, bytes(16)).wrap("ward", b"d" * 32)
    assert KeyWrapper(KEY, bytes(16)).unwrap("ward", wrapped) == b"d" * 32
    for key, vault_id, label in (
        (KEY, bytes(16), "ware"),
        (KEY, bytes(15) + b"\1", "ward"),
        (bytes(32), bytes(16), "ward"),
    ):
        with pytest.raises(Refused):
            KeyWrapper(key, vault_id).unwrap(label, wrapped)


@pytest.mark.parametrize("length", [0, 12, 28, 59, 61])
def test_a_wrapped_key_of_another_length_is_refused(length: int) -> None:
    wrapper = KeyWrapper(KEY, bytes(16))
    with pytest.raises(Refused):
        wrapper.unwrap("ward", (wrapper.wrap("ward", bytes(32)) + b"\0")[:length])


def test_wrapping_twice_gives_different_bytes() -> None:
    wrapper = KeyWrapper(KEY, bytes(16))
    assert wrapper.wrap("ward", bytes(32)) != wrapper.wrap("ward", bytes(32))
