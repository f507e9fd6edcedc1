"""Temporary directories that hold keys: removed when closed, and swept up later if their owner was killed."""

import contextlib
import os
import re
import shutil
import tempfile
from pathlib import Path

_NAME = re.compile(r"belmont-(\d+)-\w+")


def temporary_directory() -> tempfile.TemporaryDirectory[str]:
    """A new directory that only this account can open; those of killed processes of this account go first."""
    sweep(Path(tempfile.gettempdir()))
    return tempfile.TemporaryDirectory(prefix=f"belmont-{os.getpid()}-")


def sweep(place: Path) -> None:
    """Removes the directories in ``place`` whose owner no longer runs."""
    for path in place.glob("belmont-*"):
        named = _NAME.fullmatch(path.name)
        with contextlib.suppress(OSError):
            facts = path.lstat()
            mine = facts.st_uid == os.getuid() and path.is_dir() and not path.is_symlink()
            if named and mine and not _runs(int(named[1])):
                shutil.rmtree(path, ignore_errors=True)


def _runs(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
