import errno
import os
import stat
from pathlib import Path

import pytest

from belmont.identity.errors import KeyFileExists, KeyFileMalformed, KeyFileMissing, KeyFileUnsafe, KeyFileUnwritable
from belmont.identity.secret_file import create_secret_file, read_secret_file


def test_a_secret_file_is_private_whatever_the_umask(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        create_secret_file(tmp_path / "key", b"secret")
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert read_secret_file(tmp_path / "key", 6) == b"secret"
    assert [p.name for p in tmp_path.iterdir()] == ["key"]


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    create_secret_file(tmp_path / "key", b"first")
    with pytest.raises(KeyFileExists):
        create_secret_file(tmp_path / "key", b"second")
    assert read_secret_file(tmp_path / "key", 100) == b"first"
    assert [p.name for p in tmp_path.iterdir()] == ["key"]


@pytest.mark.parametrize("dangling", [True, False])
def test_nothing_is_written_through_a_link(tmp_path: Path, dangling: bool) -> None:
    target = tmp_path / "target"
    if not dangling:
        target.write_bytes(b"theirs")
    (tmp_path / "key").symlink_to(target)
    with pytest.raises(KeyFileExists):
        create_secret_file(tmp_path / "key", b"secret")
    assert target.exists() is not dangling
    assert dangling or target.read_bytes() == b"theirs"


def test_a_file_system_without_hard_links_still_creates_and_never_overwrites(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*args: object, **kwargs: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    create_secret_file(tmp_path / "key", b"first")
    with pytest.raises(KeyFileExists):
        create_secret_file(tmp_path / "key", b"second")
    assert read_secret_file(tmp_path / "key", 100) == b"first"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o777])
def test_a_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    create_secret_file(tmp_path / "key", b"secret")
    (tmp_path / "key").chmod(mode)
    with pytest.raises(KeyFileUnsafe, match="chmod 600"):
        read_secret_file(tmp_path / "key", 100)


@pytest.mark.parametrize(("mode", "should_accept"), [(0o644, True), (0o664, False), (0o602, False)])
def test_an_encrypted_file_may_be_read_by_others_and_not_written(
    tmp_path: Path, mode: int, should_accept: bool
) -> None:
    create_secret_file(tmp_path / "key", b"sealed")
    (tmp_path / "key").chmod(mode)
    if should_accept:
        assert read_secret_file(tmp_path / "key", 100, encrypted=True) == b"sealed"
    else:
        with pytest.raises(KeyFileUnsafe):
            read_secret_file(tmp_path / "key", 100, encrypted=True)


def test_links_folders_and_pipes_are_not_read(tmp_path: Path) -> None:
    create_secret_file(tmp_path / "key", b"secret")
    (tmp_path / "link").symlink_to(tmp_path / "key")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("link", "folder", "pipe"):
        with pytest.raises(KeyFileUnsafe):
            read_secret_file(tmp_path / name, 100)


def test_a_file_larger_than_allowed_is_refused(tmp_path: Path) -> None:
    create_secret_file(tmp_path / "key", bytes(101))
    with pytest.raises(KeyFileMalformed, match="100"):
        read_secret_file(tmp_path / "key", 100)


def test_a_missing_file_or_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFileMissing, match="nowhere"):
        read_secret_file(tmp_path / "nowhere", 100)
    with pytest.raises(KeyFileUnwritable, match="nowhere"):
        create_secret_file(tmp_path / "nowhere" / "key", b"secret")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(KeyFileUnwritable):
        create_secret_file(tmp_path / "file" / "key", b"secret")
    with pytest.raises(KeyFileUnsafe):
        read_secret_file(tmp_path / "file" / "key", 100)
