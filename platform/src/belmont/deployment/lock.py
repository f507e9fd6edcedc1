"""One ``belmont up`` or ``down`` at a time for a directory: the others wait.

The lock is the kernel's (flock(2)) and on the directory itself, so that it leaves no file behind, and ends with the
process that holds it, however that ends.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from belmont.deployment.errors import DeploymentError

LOCK_SECONDS = 600.0
"""As long as ``belmont up`` takes with everything new."""
_LOOK_SECONDS = 0.1


@contextmanager
def locked(home: Path, told: Callable[[str], None], seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold a directory, which is made if there is none. ``told`` hears that somebody else does.

    Raises DeploymentError where that takes longer than ``seconds``.
    """
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _take(handle, home, told, seconds)
        yield
    finally:
        os.close(handle)


def _take(handle: int, home: Path, told: Callable[[str], None], seconds: float) -> None:
    deadline, waits = time.monotonic() + seconds, False
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if not waits:
                told(f"another belmont up or down is at work on {home}: waiting for it")
                waits = True
            if time.monotonic() > deadline:
                raise DeploymentError(f"another belmont up or down holds {home} for {seconds:.0f} s: end it") from None
            time.sleep(_LOOK_SECONDS)
