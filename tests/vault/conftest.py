import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from belmont.vault.dag import Layout
from belmont.vault.vault import Vault
from belmont.vault.wrapping_key import WrappingKey

NOBODY = 65534


@pytest.fixture
def wrapping_key() -> WrappingKey:
    return WrappingKey.generate()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vault.db"


@pytest.fixture
def small() -> Layout:
    """Few bytes per block, so that an object of some hundred bytes has leaves, nodes and a root."""
    return Layout(chunk_bytes=32, fan_out=2)


@pytest.fixture
def vault(path: Path, wrapping_key: WrappingKey, small: Layout) -> Iterator[Vault]:
    with Vault.open(path, wrapping_key, layout=small, lock_timeout_seconds=0.2) as opened:
        yield opened


@pytest.fixture
def raw(path: Path, vault: Vault) -> Iterator[sqlite3.Connection]:
    """The vault's database as anyone who has the file can write it."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")
    yield connection
    connection.close()


@pytest.fixture
def files_contain(tmp_path: Path) -> Callable[[bytes], bool]:
    """Whether any file beside the vault holds these bytes, or any 16 in a row of them."""

    def contain(needle: bytes) -> bool:
        everything = b"".join(file.read_bytes() for file in tmp_path.iterdir() if file.is_file())
        return any(needle[i : i + 16] in everything for i in range(len(needle) - 15))

    return contain


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that another account can reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="belmont-vault-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.fixture
def unprivileged() -> Callable[[], object]:
    """For a while, file permissions apply even where the tests run as root."""

    @contextmanager
    def as_nobody() -> Iterator[None]:
        if os.geteuid() != 0:
            yield
            return
        os.seteuid(NOBODY)
        try:
            yield
        finally:
            os.seteuid(0)

    return as_nobody
