"""Temporary directories that hold keys: removed when closed, and swept up later if their owner was killed.

The owner holds a lock on a file inside for as long as it lives; the kernel lets go of it however the owner ends, so a
directory whose lock is free has no owner. Process numbers would not do: another container may share the place.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType

PREFIX = "belmont-"
_LOCK = ".owner"


class TemporaryDirectory:
    """A directory that only this account can open, until ``cleanup``; a context manager that gives its path."""

    def __init__(self) -> None:
        sweep(Path(tempfile.gettempdir()))
        self._directory = tempfile.TemporaryDirectory(prefix=PREFIX)
        self.path = Path(self._directory.name)
        draft = self.path / f"{_LOCK}.new"
        self._lock = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        draft.rename(self.path / _LOCK)

    def cleanup(self) -> None:
        """Removes the directory and everything in it. Harmless the second time."""
        self._directory.cleanup()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Path:
        return self.path

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cleanup()


def sweep(place: Path) -> None:
    """Removes the directories of this account in ``place`` whose owner has ended."""
    for path in place.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if path.is_symlink() or path.lstat().st_uid != os.getuid():
                continue
            lock = os.open(path / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)
