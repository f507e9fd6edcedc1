"""Flower App Bundles (FAB): from a folder to bytes, and from bytes to a ClientApp.

``build_bundle`` is Flower's own build, which writes files in sorted order with one fixed date, so the same folder gives
the same bytes with the same zlib; the code hash is the hash of the bytes, whoever built them.

``load_client_app`` imports from exactly these bytes and nothing else of the study's:

1. the archive has few, small, plain files, and its own table of contents agrees with them;
2. every module gets a namespace of its own, under a name that holds the full SHA-256 and a number used once, so that
   neither the disk nor an earlier or other bundle with equal module names can stand in for it;
3. ``import`` inside the bundle finds the bundle's own modules first, then what is installed at the hospital.

The bundle's code then runs in the process that loaded it. It was approved by its hash; what confines it, if anything,
is the runner that made the process (`belmont.federated.executor`).
"""

import builtins
import hashlib
import importlib.util
import io
import itertools
import stat
import sys
import tomllib
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from flwr.cli.build import build_fab_from_disk
from flwr.clientapp import ClientApp

from belmont.federated.errors import BundleError

MAX_BUNDLE_BYTES = 10 * 1024 * 1024
"""Flower's own limit."""
MAX_BUNDLE_FILES = 1_000
MAX_UNPACKED_BYTES = 50 * 1024 * 1024
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Others let whoever packs decide how much memory unpacking takes (LZMA's dictionary: up to 4 GiB)."""

_load_numbers = itertools.count(1)


def build_bundle(folder: Path) -> bytes:
    """The Flower App Bundle of an app folder. Raises BundleError with what is wrong with the folder."""
    try:
        return build_fab_from_disk(folder)
    except Exception as error:  # Flower raises ValueError, OSError, click's errors and its own
        raise BundleError(f"{folder} is not a Flower app: {error}") from error


@dataclass(frozen=True)
class _Opened:
    """What never changes about a bundle. Each load gives every module a new namespace, and runs its code anew."""

    digest: str
    files: Mapping[str, bytes]
    client_app: tuple[str, str]
    code: dict[str, CodeType]
    """Of each file that was loaded, compiled."""


@lru_cache(maxsize=4)
def _opened(bundle: bytes) -> _Opened:
    files = read_bundle(bundle)
    return _Opened(hashlib.sha256(bundle).hexdigest(), files, _client_app_reference(files), {})


class LoadedApp:
    """A ClientApp in a namespace of its own; use as a context manager, so that its modules go away afterwards."""

    def __init__(self, bundle: bytes) -> None:
        opened = _opened(bundle)
        module_name, attribute = opened.client_app
        self._modules = _BundleModules(opened)
        try:
            app = getattr(self._modules.load(module_name), attribute, None)
        except BaseException:
            self._modules.forget()
            raise
        if not isinstance(app, ClientApp):
            self._modules.forget()
            raise BundleError(f"{module_name}:{attribute} is not a flwr.clientapp.ClientApp")
        self.app: ClientApp = app

    def __enter__(self) -> ClientApp:
        return self.app

    def __exit__(self, *_: object) -> None:
        self._modules.forget()


def read_bundle(bundle: bytes) -> dict[str, bytes]:
    """The files of a bundle. Raises BundleError if it is too large, malformed, or disagrees with its own contents."""
    if len(bundle) > MAX_BUNDLE_BYTES:
        raise BundleError(f"the bundle is larger than {MAX_BUNDLE_BYTES} bytes")
    try:
        with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
            entries = archive.infolist()
            names = [entry.filename for entry in entries]
            if len(entries) > MAX_BUNDLE_FILES or sum(entry.file_size for entry in entries) > MAX_UNPACKED_BYTES:
                raise BundleError("the bundle unpacks to more than a node accepts")
            if len(set(names)) != len(names):
                raise BundleError("the bundle holds one name twice")
            if not all(map(_is_plain_file, entries)):
                raise BundleError("the bundle holds a link, or a name that leads out of its folder")
            if any(entry.compress_type not in COMPRESSIONS for entry in entries):
                raise BundleError("the bundle is packed by other means than flwr build's")
            files = {name: archive.read(name) for name in names}
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, OSError, ValueError) as error:
        raise BundleError("the bundle is not a readable archive") from error
    contents = files.pop(".info/CONTENT", None)
    if contents is None:
        raise BundleError("the bundle has no .info/CONTENT: build it with flwr build")
    listed = {f"{name},{hashlib.sha256(data).hexdigest()},{len(data) * 8}" for name, data in files.items()}
    if listed != set(contents.decode("utf-8", "replace").split("\n")):
        raise BundleError("the bundle's files are not those that its .info/CONTENT lists")
    return files


def _is_plain_file(entry: zipfile.ZipInfo) -> bool:
    """Whether an entry would unpack to a file within its folder; of what Unix says of it, only the kind counts."""
    name, kind = entry.filename, stat.S_IFMT(entry.external_attr >> 16)
    parts = name.split("/")
    plain = all(part not in ("", ".", "..") for part in parts) and "\\" not in name and ":" not in parts[0]
    return plain and kind in (0, stat.S_IFREG)


def client_app_of(bundle: bytes) -> tuple[str, str]:
    """Module and name of the ClientApp, as pyproject.toml has them. Raises BundleError."""
    return _opened(bundle).client_app


def module_of(bundle: bytes, name: str) -> ModuleType | None:
    """A module of the bundle by its dotted name, its code run here in a namespace of its own; None where the bundle has
    none of that name. Raises BundleError, and whatever its code raises."""
    opened = _opened(bundle)
    path = name.replace(".", "/")
    if f"{path}.py" not in opened.files and f"{path}/__init__.py" not in opened.files:
        return None
    return _BundleModules(opened).load(name)


def run_config_of(bundle: bytes) -> dict[str, str | int | float | bool]:
    """The run configuration that the bundle's pyproject.toml declares: ``[tool.flwr.app.config]``, flattened."""
    from flwr.common.config import flatten_dict

    config = _pyproject(read_bundle(bundle)).get("tool", {}).get("flwr", {}).get("app", {}).get("config", {})
    return dict(flatten_dict(config))


def _pyproject(files: Mapping[str, bytes]) -> dict[str, Any]:
    try:
        return tomllib.loads(files["pyproject.toml"].decode())
    except (KeyError, ValueError) as error:
        raise BundleError("the bundle has no readable pyproject.toml") from error


def _client_app_reference(files: Mapping[str, bytes]) -> tuple[str, str]:
    try:
        reference = _pyproject(files)["tool"]["flwr"]["app"]["components"]["clientapp"]
        module_name, attribute = reference.split(":")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleError("pyproject.toml names no clientapp as module:attribute") from error
    return module_name, attribute


class _BundleModules:
    """The modules of one bundle, loaded once, each from the bundle's bytes."""

    def __init__(self, opened: _Opened) -> None:
        files = opened.files
        self._prefix = f"belmont_bundle_{opened.digest}_{next(_load_numbers)}"
        self._files, self._compiled = files, opened.code
        self._loaded: dict[str, ModuleType] = {}
        self._own = {name.split("/")[0].removesuffix(".py") for name in files if name.endswith(".py")}
        self._builtins = dict(vars(builtins)) | {"__import__": self._import}

    def load(self, name: str) -> ModuleType:
        """The module of that dotted name, its packages first."""
        if name in self._loaded:
            return self._loaded[name]
        parent, _, last = name.rpartition(".")
        package = self.load(parent) if parent else None
        if name in self._loaded:  # the package's own code imported it
            return self._loaded[name]
        code, is_package = self._code(name)
        module = ModuleType(f"{self._prefix}.{name}")
        vars(module).update(
            __builtins__=self._builtins,
            __package__=f"{self._prefix}.{name if is_package else parent}".rstrip("."),
            __file__=f"<bundle>/{name.replace('.', '/')}",
        )
        if is_package:
            module.__path__ = []
        self._loaded[name] = sys.modules[module.__name__] = module
        try:
            if code is not None:
                exec(code, vars(module))  # noqa: S102 - running the approved bundle is what this is for
        except BaseException:
            del self._loaded[name]
            sys.modules.pop(module.__name__, None)
            raise
        if package is not None:
            setattr(package, last, module)
        return module

    def forget(self) -> None:
        """Take the modules out of the interpreter's table."""
        for module in self._loaded.values():
            sys.modules.pop(module.__name__, None)

    def _code(self, name: str) -> tuple[CodeType | None, bool]:
        path = name.replace(".", "/")
        for file, is_package in ((f"{path}/__init__.py", True), (f"{path}.py", False)):
            if file in self._files:
                if file not in self._compiled:
                    try:
                        self._compiled[file] = compile(self._files[file], f"<bundle>/{file}", "exec", dont_inherit=True)
                    except (SyntaxError, ValueError) as error:
                        raise BundleError(f"{file} of the bundle does not compile") from error
                return self._compiled[file], is_package
        if any(file.startswith(f"{path}/") for file in self._files):
            return None, True
        raise ModuleNotFoundError(f"the bundle has no module {name!r}", name=name)

    def _import(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        if level:
            package = str((globals or {}).get("__package__", ""))
            name = importlib.util.resolve_name("." * level + name, package).removeprefix(f"{self._prefix}.")
        elif name.split(".")[0] not in self._own:
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        module = self.load(name)
        if not fromlist:
            return self._loaded[name.split(".")[0]]
        for attribute in fromlist:
            if attribute != "*" and not hasattr(module, attribute) and hasattr(module, "__path__"):
                try:
                    self.load(f"{name}.{attribute}")
                except ModuleNotFoundError as error:
                    if error.name != f"{name}.{attribute}":
                        raise
        return module
