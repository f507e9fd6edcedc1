"""Files that hold a secret: created once, never overwritten, never read through a link.

1. A file appears whole or not at all: it is written and synced under a temporary name, then linked to its own.
2. It never replaces another: linking fails where the name is taken.
3. Its mode is 0600 from the first byte, whatever the umask.
4. Reading opens without following a link, then checks what was opened: a regular file, no larger than allowed,
   and closed to group and others unless the caller says that its content is encrypted.

Protects against other accounts of the machine and against accidents; not against root, nor against the disk's
own copies (snapshots, swap, worn-out flash cells). ``identity`` and ``vault`` import nothing of ours, so each has
this file; a test holds the two equal.
"""

import contextlib
import errno
import os
import secrets
import stat
from pathlib import Path

from belmont.identity.errors import (
    KeyFileExists,
    KeyFileMalformed,
    KeyFileMissing,
    KeyFileUnsafe,
    KeyFileUnwritable,
)

_NO_HARD_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)


def create_secret_file(path: Path, content: bytes) -> None:
    """Writes ``content`` to a new file of mode 0600 and syncs it and its folder to disk."""
    temporary = path.parent / f".{path.name[:200]}.{secrets.token_hex(8)}.new"
    try:
        _write_new(temporary, content)
        try:
            os.link(temporary, path, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
            _write_new(path, content)
        _sync_folder(path.parent)
    except FileExistsError as error:
        raise KeyFileExists(f"{path} exists: choose another name, or move that file away first") from error
    except OSError as error:
        raise KeyFileUnwritable(f"cannot write {path}: {error.strerror}; choose a folder you may write to") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def read_secret_file(path: Path, max_bytes: int, *, encrypted: bool = False) -> bytes:
    """The content of a secret file.

    ``encrypted=True`` leaves out the check that others cannot read it; they may never write it.
    """
    content, mode = open_secret_file(path, max_bytes)
    require_private(path, mode, encrypted=encrypted)
    return content


def open_secret_file(path: Path, max_bytes: int) -> tuple[bytes, int]:
    """Content and permission bits, for a caller that learns from the content whether it is encrypted."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise KeyFileMissing(f"no key at {path}: create one, or correct the path") from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise KeyFileUnsafe(f"{path} is a symbolic link: give the path of the key file itself") from error
        raise KeyFileUnsafe(f"cannot open {path}: {error.strerror}") from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise KeyFileUnsafe(f"{path} is not a regular file: give the path of a key file")
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise KeyFileMalformed(f"{path} is larger than {max_bytes} bytes: this is no key file of ours")
    return content, stat.S_IMODE(status.st_mode)


def require_private(path: Path, mode: int, *, encrypted: bool) -> None:
    forbidden = 0o022 if encrypted else 0o077
    if mode & forbidden:
        raise KeyFileUnsafe(f"{path} has mode {mode:04o}, open to others: run chmod 600 on it, and consider it known")


def _write_new(path: Path, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
