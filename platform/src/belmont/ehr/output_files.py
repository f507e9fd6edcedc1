"""Files that a command writes: refused before any work is done, and there whole or not at all."""

from pathlib import Path

from belmont.ehr.errors import OutputRefused


def check_free(path: Path, force: bool) -> None:
    """Raises OutputRefused where a file cannot be written, or would replace another without ``force``."""
    if not path.parent.is_dir():
        raise OutputRefused(f"{path}: there is no folder {path.parent}; make it first")
    if path.is_dir():
        raise OutputRefused(f"{path} is a folder; give the name of a file")
    if path.exists() and not force:
        raise OutputRefused(f"{path} is already there; give another name, or --force to replace it")


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file for its owner's eyes that is either there whole or not at all."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600, exist_ok=False)
    unfinished.write_bytes(data)
    unfinished.replace(path)
