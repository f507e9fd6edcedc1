import copy
import json
import pickle

import pytest

from belmont.vault.errors import KeyFileMalformed, WrappingKeyWrong
from belmont.vault.wrapping_key import WrappingKey


def test_a_key_reads_back_from_its_file_form() -> None:
    key = WrappingKey.generate()
    read = WrappingKey.from_bytes(key.to_bytes())
    assert (read.secret, read.id) == (key.secret, key.id)


def test_a_key_shows_its_id_only_and_is_not_pickled_or_copied() -> None:
    key = WrappingKey.generate()
    assert key.id in repr(key)
    assert key.secret.hex() not in f"{key!r}{key}"
    assert key.id not in key.secret.hex()
    for duplicate in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            duplicate(key)


def test_a_flipped_bit_in_any_byte_is_refused_or_only_white_space() -> None:
    key = WrappingKey.generate()
    content = key.to_bytes()
    refused = 0
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 1 << position % 8
        try:
            assert WrappingKey.from_bytes(bytes(changed)).secret == key.secret
        except KeyFileMalformed:
            refused += 1
    assert refused > len(content) - 20


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"{}", b'{"key": 1}', b"\xff", b"[" * 4000, b" " * 5000])
def test_foreign_and_oversized_content_is_refused(content: bytes) -> None:
    with pytest.raises(KeyFileMalformed):
        WrappingKey.from_bytes(content)


def test_a_key_behind_more_white_space_than_a_file_may_hold_is_refused() -> None:
    with pytest.raises(KeyFileMalformed):
        WrappingKey.from_bytes(WrappingKey.generate().to_bytes() + b" " * 4096)


@pytest.mark.parametrize("change", [{"version": 2}, {"version": True}, {"format": "x"}, {"id": "00"}, {"surplus": 1}])
def test_a_file_with_another_version_or_field_is_refused(change: dict[str, object]) -> None:
    fields = json.loads(WrappingKey.generate().to_bytes())
    with pytest.raises(KeyFileMalformed):
        WrappingKey.from_bytes(json.dumps(fields | change).encode())


@pytest.mark.parametrize("secret", [b"", bytes(16), bytes(33), "0" * 32])
def test_a_key_has_32_bytes(secret: bytes) -> None:
    with pytest.raises(WrappingKeyWrong):
        WrappingKey(secret)
