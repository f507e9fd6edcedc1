"""Where profiles lie in a consortium's directory: one file a dataset, whole or not at all. They are public."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from belmont.federated.errors import ProfileRefused
from belmont.federated.profile.document import MAX_BYTES
from belmont.lab.home import Home
from belmont.registry.types import DatasetId

FILE_MODE = 0o644


def keep(home: Home, dataset_id: DatasetId, content: bytes) -> Path:
    """Puts a profile in the place of the dataset's former one."""
    path = home.profile(dataset_id)
    path.parent.mkdir(mode=0o755, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with draft.open("xb") as file:
            os.fchmod(file.fileno(), FILE_MODE)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return path


def discard(home: Home, dataset_id: DatasetId) -> None:
    """Removes the profile of a dataset, where there is one."""
    home.profile(dataset_id).unlink(missing_ok=True)


def kept(home: Home | None) -> list[Path]:
    """The files that are there."""
    return sorted(home.profiles.glob("*.json")) if home is not None and home.profiles.is_dir() else []


def read(path: Path) -> bytes:
    """A profile's bytes, no more than one can have. Raises ProfileRefused for a file that is none."""
    with suppress(OSError), path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
        if len(content) <= MAX_BYTES:
            return content
        raise ProfileRefused(f"{path} is larger than any profile: ask the hospital for its own file")
    raise ProfileRefused(f"{path} cannot be read as a file: give the one that the hospital published")
