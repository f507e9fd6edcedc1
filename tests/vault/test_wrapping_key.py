import copy
import json
import pickle
import stat
from pathlib import Path

import pytest

from belmont.vault.errors import KeyFileExists, KeyFileMalformed, KeyFileMissing, KeyFileUnsafe, WrappingKeyWrong
from belmont.vault.wrapping_key import WrappingKey


def test_a_created_key_is_in_a_private_file_and_reads_back(tmp_path: Path) -> None:
    key = WrappingKey.create(tmp_path / "key")
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    loaded = WrappingKey.load(tmp_path / "key")
    assert (loaded.secret, loaded.id) == (key.secret, key.id)


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    key = WrappingKey.create(tmp_path / "key")
    with pytest.raises(KeyFileExists):
        WrappingKey.create(tmp_path / "key")
    assert WrappingKey.load(tmp_path / "key").id == key.id


def test_a_key_shows_its_id_only_and_is_not_pickled_or_copied() -> None:
    key = WrappingKey.generate()
    assert key.id in repr(key)
    assert key.secret.hex() not in f"{key!r}{key}"
    assert key.id not in key.secret.hex()
    for duplicate in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            duplicate(key)


def test_links_missing_files_and_files_open_to_others_are_refused(tmp_path: Path) -> None:
    WrappingKey.create(tmp_path / "key")
    (tmp_path / "link").symlink_to(tmp_path / "key")
    with pytest.raises(KeyFileUnsafe):
        WrappingKey.load(tmp_path / "link")
    (tmp_path / "key").chmod(0o604)
    with pytest.raises(KeyFileUnsafe):
        WrappingKey.load(tmp_path / "key")
    with pytest.raises(KeyFileMissing):
        WrappingKey.load(tmp_path / "nowhere")


def test_a_flipped_bit_in_any_byte_of_the_file_is_refused_or_only_white_space(tmp_path: Path) -> None:
    secret = WrappingKey.create(tmp_path / "key").secret
    content = (tmp_path / "key").read_bytes()
    refused = 0
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 1 << position % 8
        (tmp_path / "key").write_bytes(changed)
        try:
            assert WrappingKey.load(tmp_path / "key").secret == secret
        except KeyFileMalformed:
            refused += 1
    assert refused > len(content) - 20


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"{}", b'{"key": 1}', b"\xff", b"[" * 4000, b" " * 5000])
def test_foreign_and_oversized_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_bytes(content)
    with pytest.raises(KeyFileMalformed):
        WrappingKey.load(path)


@pytest.mark.parametrize("change", [{"version": 2}, {"version": True}, {"format": "x"}, {"id": "00"}, {"surplus": 1}])
def test_a_file_with_another_version_or_field_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    WrappingKey.create(tmp_path / "key")
    (tmp_path / "key").write_text(json.dumps(json.loads((tmp_path / "key").read_text()) | change))
    with pytest.raises(KeyFileMalformed):
        WrappingKey.load(tmp_path / "key")


@pytest.mark.parametrize("secret", [b"", bytes(16), bytes(33), "0" * 32])
def test_a_key_has_32_bytes(secret: bytes) -> None:
    with pytest.raises(WrappingKeyWrong):
        WrappingKey(secret)
