"""The file system that tasks see: what the interpreter and its packages need, read-only, and nothing else.

1. The list is the interpreter's libraries, the folders that hold belmont, Flower and NumPy, the system's shared
   libraries, and what the hospital's own configuration adds. No program to run, no ``/proc``, no ``/sys``, no
   ``/etc`` but the loader's cache, and no folder of the hospital's.
2. Everything of it is mounted read-only, and so is the root itself. What else the machine has is not hidden but
   unmounted: the old root is detached (pivot_root(2)).
3. ``/task-home`` is where each task mounts its own home; ``/tmp`` leads there, unless packages lie below it.
"""

import os
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from belmont.federated.errors import NotIsolated
from belmont.federated.executor import kernel

HOME = "/task-home"
_SYSTEM_FOLDERS = ("/usr/lib", "/usr/lib64", "/usr/share/zoneinfo")
_SYSTEM_LINKS = ("/lib", "/lib64")
_SYSTEM_FILES = ("/etc/ld.so.cache", "/dev/null", "/dev/zero", "/dev/urandom")
_PUT_TOGETHER_AT, _OLD = "/tmp", ".old-root"  # noqa: S108 - the mount there is this process's own
_ROOT_OPTIONS = "size=1m,nr_inodes=4096,mode=0755"


@dataclass(frozen=True)
class View:
    """What of the file system tasks see, every path absolute: ``packages`` is where Python's modules are found."""

    packages: tuple[str, ...]
    folders: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    files: tuple[str, ...]

    @classmethod
    def from_lists(cls, packages: list[str], folders: list[str], links: list[list[str]], files: list[str]) -> "View":
        """From what JSON makes of one."""
        pairs = tuple((link, target) for link, target in links)
        return cls(tuple(packages), tuple(folders), pairs, tuple(files))


def needed_view(more_packages: Iterable[Path] = ()) -> View:
    """What this interpreter and its packages need. Raises NotIsolated for a folder that would show everything."""
    import flwr
    import numpy

    import belmont

    packages = [str(Path(folder).resolve().parent) for folder in belmont.__path__]
    packages += [str(Path(str(module.__file__)).resolve().parents[1]) for module in (flwr, numpy)]
    packages += [str(folder.resolve()) for folder in more_packages]
    libraries = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib")]
    libraries += [f"{prefix}/{name}" for prefix in (sys.base_prefix, sys.base_exec_prefix) for name in ("lib", "lib64")]
    folders = _outermost(str(Path(each).resolve()) for each in (*packages, *libraries, *_SYSTEM_FOLDERS))
    if any(len(Path(each).parts) < 3 and each not in _SYSTEM_LINKS for each in folders):
        raise NotIsolated(f"tasks would see too much of the file system: {', '.join(folders)}")
    links = [(each, str(Path(each).readlink())) for each in _SYSTEM_LINKS if Path(each).is_symlink()]
    folders += [each for each in _SYSTEM_LINKS if Path(each).is_dir() and not Path(each).is_symlink()]
    files = [each for each in _SYSTEM_FILES if Path(each).exists()]
    return View(tuple(dict.fromkeys(packages)), tuple(dict.fromkeys(folders)), tuple(links), tuple(files))


def enter(view: View) -> None:
    """Make the view this process's root. It has a mount namespace of its own, and capabilities over it."""
    kernel.mount("none", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
    flags = kernel.MS_NOSUID | kernel.MS_NODEV
    kernel.mount("tmpfs", _PUT_TOGETHER_AT, "tmpfs", flags, _ROOT_OPTIONS)
    os.chdir(_PUT_TOGETHER_AT)
    Path(_OLD).mkdir()
    kernel.call("pivot_root", b".", _OLD.encode())
    os.chdir("/")
    for folder in view.folders:
        Path(folder).mkdir(parents=True)
        _bind(folder)
    for file in view.files:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).touch()
        _bind(file)
    for link, target in view.links:
        Path(link).symlink_to(target)
    Path(HOME).mkdir()
    if not Path("/tmp").exists():  # noqa: S108
        Path("/tmp").symlink_to(HOME)  # noqa: S108
    kernel.unmount(f"/{_OLD}")
    Path(f"/{_OLD}").rmdir()
    kernel.mount("none", "/", "", flags | kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY)


def _bind(path: str) -> None:
    kernel.mount(f"/{_OLD}{path}", path, "", kernel.MS_BIND | kernel.MS_REC)
    kernel.make_read_only(path)


def _outermost(folders: Iterable[str]) -> list[str]:
    """The folders that exist and lie in no other one of them, shortest first."""
    out: list[str] = []
    for each in sorted({each for each in folders if Path(each).is_dir()}, key=lambda each: (len(each), each)):
        if not any(Path(each).is_relative_to(other) for other in out):
            out.append(each)
    return out
