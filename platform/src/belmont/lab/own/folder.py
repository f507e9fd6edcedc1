"""From the folder of a Flower app to the bundle whose hash a permit names, without a race and without surprises.

1. Files are read once, and the bundle is built by Flower from those very bytes: the same files are the same bundle, by
   the SHA-256 that ``flwr build`` gives, but for 4.
2. A bundle is cached by its files' contents, never by their times.
3. Links are not followed: what they lead to is not in the folder, and hospitals do not get it.
4. Environments are not read, nor are caches and copies of notebooks, of which ``flwr build`` would take some.
"""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from belmont.federated.errors import BundleError
from belmont.federated.node.bundle import MAX_BUNDLE_BYTES, MAX_BUNDLE_FILES, MAX_UNPACKED_BYTES, read_bundle
from belmont.lab.errors import LabError

SKIPPED = frozenset(
    ("__pycache__", ".ipynb_checkpoints", ".git", ".mypy_cache", ".ruff_cache", ".pytest_cache", "node_modules")
)
"""Folders whose files are in no bundle, wherever they are: others' copies of code, and caches."""
SKIPPED_AT_TOP = frozenset(
    (".flwr", ".venv", "venv", "venv.bak", "env", "env.bak", "ENV", "build", "eggs", ".eggs", "parts", "lib", "lib64")
)
"""Those that Flower leaves out at the top of a folder (FAB_EXCLUDE_PATTERNS)."""
SUFFIXES = (".py", ".toml", ".md", ".yaml", ".yml", ".json", ".jsonl")
"""Of files that a bundle can hold (Flower's FAB_INCLUDE_PATTERNS)."""
_ALSO = frozenset(("LICENSE", ".gitignore"))
_MOST_SEEN = 20_000


@dataclass(frozen=True)
class Folder:
    """A folder as it was when it was read. ``bundled`` are the bundle's files, without Flower's list of them."""

    path: Path
    bundle: bytes = field(repr=False)
    bundled: Mapping[str, bytes] = field(repr=False)
    left_out: tuple[str, ...]
    """Files that are in the folder and not in the bundle."""
    links: tuple[str, ...]
    """Of these, links."""


def bundle_of(folder: Path | str) -> bytes:
    """The Flower App Bundle of a folder. Raises LabError with what is wrong with it."""
    return read_folder(folder).bundle


def read_folder(folder: Path | str) -> Folder:
    """The folder as it is now. Raises LabError for what is no Flower app, or too large for a bundle."""
    path = Path(folder).expanduser()
    if not path.is_dir():
        raise LabError(f"{path} is no folder: belmont model new {path.name or 'my_model'} writes one to begin with")
    contents, others, links = _read(path)
    bundle = _built(path.name, tuple(sorted(contents.items())))
    bundled = read_bundle(bundle)
    left_out = sorted({*others, *links, *(name for name in contents if name not in bundled)} - {".gitignore"})
    return Folder(path, bundle, bundled, tuple(left_out), tuple(sorted(links)))


def changed_files(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> list[str]:
    """What differs between two bundles' files, each in words: ``model.py (changed)``."""
    words = []
    for name in sorted({*before, *after}):
        if name not in after:
            words.append(f"{name} (gone)")
        elif name not in before:
            words.append(f"{name} (new)")
        elif before[name] != after[name]:
            words.append(f"{name} (changed)")
    return words


def files_of(bundle: bytes) -> dict[str, bytes]:
    """The files of a bundle. Raises LabError for what no node would open."""
    try:
        return read_bundle(bundle)
    except BundleError as error:
        raise LabError(str(error)) from error


def _read(root: Path) -> tuple[dict[str, bytes], list[str], list[str]]:
    """Contents of what a bundle can hold, names of what it cannot, and of links."""
    contents: dict[str, bytes] = {}
    others: list[str] = []
    links: list[str] = []
    size = seen = 0
    for place, folders, names in os.walk(root, followlinks=False):
        links += [_name(root, Path(place) / each) for each in folders if (Path(place) / each).is_symlink()]
        skipped = SKIPPED | SKIPPED_AT_TOP if Path(place) == root else SKIPPED
        folders[:] = sorted(each for each in folders if each not in skipped and not (Path(place) / each).is_symlink())
        for name in sorted(names):
            path, seen = Path(place) / name, seen + 1
            if seen > _MOST_SEEN:
                raise LabError(f"{root} holds more than {_MOST_SEEN:,} files: give the folder of the app alone")
            if path.is_symlink():
                links.append(_name(root, path))
                continue
            if not (name.endswith(SUFFIXES) or name in _ALSO) or not stat.S_ISREG(path.lstat().st_mode):
                others.append(_name(root, path))
                continue
            content = _content(path, MAX_UNPACKED_BYTES - size)
            if content is None:
                raise LabError(f"{path} makes the app larger than the {MAX_UNPACKED_BYTES >> 20} MiB that nodes unpack")
            size += len(content)
            contents[_name(root, path)] = content
    return contents, others, links


def _content(path: Path, most: int) -> bytes | None:
    """A regular file's bytes, None where they are more. What became a link meanwhile is not followed (3)."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise LabError(f"{path} cannot be read: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(most + 1)
    return content if len(content) <= most else None


def _name(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()


@lru_cache(maxsize=32)
def _built(name: str, contents: tuple[tuple[str, bytes], ...]) -> bytes:
    from flwr.cli.build import build_fab_from_files

    if "pyproject.toml" not in dict(contents):
        raise LabError(f"{name} is not a Flower app: it has no pyproject.toml; belmont model new writes one")
    try:
        bundle: bytes = build_fab_from_files(dict(contents))[0]
    except Exception as error:  # Flower raises ValueError, TOMLDecodeError, click's errors and its own
        raise LabError(f"{name} is not a Flower app: {error}") from error
    if len(bundle) > MAX_BUNDLE_BYTES:
        raise LabError(f"the bundle has {len(bundle):,} bytes, and a node takes {MAX_BUNDLE_BYTES:,} at most")
    try:
        files = read_bundle(bundle)
    except BundleError as error:
        raise LabError(f"{name}: {error}: a node takes at most {MAX_BUNDLE_FILES:,} files") from error
    if not files:
        raise LabError(f"{name} has nothing to run")
    return bundle
