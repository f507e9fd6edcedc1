"""Vyper sources to ABI and bytecode, for EVM version `prague`, kept in a cache on disk.

The cache key is SHA-256 over the compiler's version, the EVM version, and the contract's source with every file of the
folder that it imports, directly or through another. A file in the cache is written under another name and then
renamed, and one that cannot be read is compiled again.

Where `NAME.layout.json` stands beside a source, it says in which storage slots the contract keeps its variables.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata, resources
from pathlib import Path
from typing import Any, Final

from belmont.chain.errors import CompilationError

EVM_VERSION: Final = "prague"
CACHE_FORMAT: Final = "2"
IMPORT = re.compile(r"^import (\w+)", re.MULTILINE)
CONTRACT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


@dataclass(frozen=True)
class Compiled:
    """A contract's ABI, creation code, and the code it leaves on chain (followed there by its immutables)."""

    name: str
    abi: tuple[Mapping[str, Any], ...]
    bytecode: bytes
    runtime: bytes
    immutable_bytes: int

    def matches(self, deployed: bytes) -> bool:
        """Whether code read from the chain is this contract, whatever its immutables are."""
        return len(deployed) == len(self.runtime) + self.immutable_bytes and deployed.startswith(self.runtime)


def compile_contract(name: str, source_directory: Path | None = None) -> Compiled:
    """Compile `NAME.vy` of `belmont/contracts` (or of `source_directory`), or take it from the cache.

    Raises `CompilationError`.
    """
    if not CONTRACT_NAME.fullmatch(name):
        raise CompilationError(f"{name!r} is not a contract's name: letters, digits and _ only")
    directory = contracts_directory() if source_directory is None else Path(source_directory)
    source = directory / f"{name}.vy"
    if not source.is_file():
        raise CompilationError(f"{source} does not exist: is belmont installed with its contracts?")
    key = _cache_key(name, directory)
    return _compiled(name, directory, key)


def contracts_directory() -> Path:
    """Where the Vyper sources of this installation are."""
    try:
        return Path(str(resources.files("belmont.contracts")))
    except ModuleNotFoundError as error:
        raise CompilationError("belmont.contracts is not installed: install belmont with its contracts") from error


@lru_cache(maxsize=64)
def _compiled(name: str, directory: Path, key: str) -> Compiled:
    cached = _cache_directory() / f"{name}-{key}.json"
    document = _read_cache(cached)
    if document is None:
        document = _compile(name, directory)
        _write_cache(cached, document)
    return _from_document(name, document)


def _from_document(name: str, document: dict[str, Any]) -> Compiled:
    return Compiled(
        name=name,
        abi=tuple(document["abi"]),
        bytecode=bytes.fromhex(document["bytecode"].removeprefix("0x")),
        runtime=bytes.fromhex(document["runtime"].removeprefix("0x")),
        immutable_bytes=int(document["immutable_bytes"]),
    )


def _cache_key(name: str, directory: Path) -> str:
    digest = hashlib.sha256()
    for part in (CACHE_FORMAT, metadata.version("vyper"), EVM_VERSION, name):
        digest.update(len(part).to_bytes(4, "big") + part.encode())
    layout = _layout_override(name, directory)
    for path in [*_imported(directory / f"{name}.vy"), *([layout] if layout else [])]:
        relative, content = path.relative_to(directory).as_posix().encode(), path.read_bytes()
        digest.update(len(relative).to_bytes(4, "big") + relative + len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()


def _layout_override(name: str, directory: Path) -> Path | None:
    path = directory / f"{name}.layout.json"
    return path if path.is_file() else None


def _imported(source: Path) -> list[Path]:
    """A source and all that it imports from its folder."""
    found, waiting = set(), [source]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        for line in IMPORT.finditer(path.read_text(encoding="utf-8")):
            # What is neither a file here nor part of the language does not compile.
            waiting += [file for suffix in ("vy", "vyi") if (file := source.parent / f"{line[1]}.{suffix}").is_file()]
    return sorted(found)


def _cache_directory() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "belmont" / "contracts"


def _read_cache(path: Path) -> dict[str, Any] | None:
    try:
        document = json.loads(path.read_bytes())
        _from_document("", document)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return dict(document)


def _write_cache(path: Path, document: dict[str, Any]) -> None:
    """Keep the result; a cache that cannot be written costs time only."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    except OSError:
        return
    try:
        with os.fdopen(descriptor, "w") as file:
            json.dump(document, file)
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)


def _compile(name: str, directory: Path) -> dict[str, Any]:
    from vyper.compiler import compile_from_file_input
    from vyper.compiler.input_bundle import FilesystemInputBundle
    from vyper.compiler.settings import Settings
    from vyper.exceptions import VyperException

    bundle = FilesystemInputBundle([directory])
    layout = _layout_override(name, directory)
    try:
        output = compile_from_file_input(
            bundle.load_file(Path(f"{name}.vy")),
            input_bundle=bundle,
            output_formats=["abi", "bytecode", "bytecode_runtime", "layout"],
            settings=Settings(evm_version=EVM_VERSION),
            storage_layout_override=bundle.load_json_file(layout) if layout else None,
        )
    except (VyperException, OSError, ValueError) as error:
        raise CompilationError(f"{directory / name}.vy does not compile: {error}") from error
    immutables = output["layout"].get("code_layout", {})
    return {
        "abi": output["abi"],
        "bytecode": output["bytecode"],
        "runtime": output["bytecode_runtime"],
        "immutable_bytes": max((v["offset"] + v["length"] for v in _leaves(immutables)), default=0),
    }


def _leaves(layout: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Entries of a code layout; imported modules nest theirs."""
    found: list[Mapping[str, Any]] = []
    for entry in layout.values():
        if isinstance(entry, Mapping):
            found += [entry] if "offset" in entry else _leaves(entry)
    return found
