"""Where a Vyper contract keeps its variables, and what the words there mean.

The compiler says which slot each variable begins at; the rest follows from Vyper's rules:
  L1. Every value takes whole slots of 32 bytes, in the order of declaration; nothing is packed.
  L2. An entry of a HashMap begins at keccak256(slot of the map ‖ key), the key as the 32 bytes of its value; keys of
      type String or Bytes count as keccak256 of their content.
  L3. Members of a struct and elements of an array follow one another. A DynArray, String or Bytes begins with its
      length; what it held beyond its length may still be there and means nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from eth_utils.address import to_checksum_address

from belmont.light.encoding import keccak
from belmont.light.errors import PathUnknown, ProofRefused

if TYPE_CHECKING:
    from vyper.semantics.types.base import VyperType

Key: TypeAlias = "int | bool | str | bytes"
Slots: TypeAlias = Callable[[int], int]
SLOTS_MAX: Final = 4096
"""A value of more slots than this is not read in one piece: name a part of it."""


@dataclass(frozen=True)
class Word:
    """One slot. ``kind``: uint, int, bool, address, flag (``size`` in bits) or bytes (``size`` in bytes)."""

    kind: str
    size: int
    slots: int = 1


@dataclass(frozen=True)
class Text:
    """String (``is_text``) or Bytes of at most ``length`` bytes."""

    is_text: bool
    length: int

    @property
    def slots(self) -> int:
        return 1 + (self.length + 31) // 32


@dataclass(frozen=True)
class Array:
    """A static array, or a DynArray of at most ``length``."""

    item: Shape
    length: int
    is_dynamic: bool

    @property
    def slots(self) -> int:
        return self.is_dynamic + self.length * self.item.slots


@dataclass(frozen=True)
class Struct:
    members: Mapping[str, Shape]

    @property
    def slots(self) -> int:
        return sum(member.slots for member in self.members.values())


@dataclass(frozen=True)
class HashMap:
    key: Word | Text
    value: Shape
    slots: int = 1


Shape: TypeAlias = "Word | Text | Array | Struct | HashMap"


@dataclass(frozen=True)
class Place:
    """A value in storage: where it begins, and what it is."""

    slot: int
    shape: Shape

    def inner(self, key: Key) -> Place:
        """An entry of a map, an element, or a struct's member. Raises ``PathUnknown``."""
        shape = self.shape
        if isinstance(shape, HashMap):
            place = keccak(self.slot.to_bytes(32, "big") + _key_word(shape.key, key))
            return Place(int.from_bytes(place, "big"), shape.value)
        if isinstance(shape, Struct):
            if not isinstance(key, str) or key not in shape.members:
                raise PathUnknown(f"no member {key!r}; there are {', '.join(shape.members)}")
            before = list(shape.members).index(key)
            offset = sum(member.slots for member in list(shape.members.values())[:before])
            return Place((self.slot + offset) % 2**256, shape.members[key])
        if isinstance(shape, Array):
            if not isinstance(key, int) or isinstance(key, bool) or not 0 <= key < shape.length:
                raise PathUnknown(f"no element {key!r}: there are at most {shape.length}")
            return Place((self.slot + shape.is_dynamic + key * shape.item.slots) % 2**256, shape.item)
        raise PathUnknown(f"nothing is inside a value of one kind, so not {key!r}")

    def read(self, word: Slots) -> Any:
        """The value, from a function that gives slots. Structs are dictionaries, arrays lists, addresses checksummed.

        Asks for the slots it needs and no others. Raises ``ProofRefused`` for words that are no such value,
        ``PathUnknown`` for a whole HashMap and for what is too large to be read in one piece.
        """
        shape = self.shape
        if isinstance(shape, HashMap):
            raise PathUnknown("a HashMap has no list of its keys: name one")
        if shape.slots > SLOTS_MAX:
            raise PathUnknown(f"the value takes {shape.slots} slots, at most {SLOTS_MAX} are read: name a part of it")
        if isinstance(shape, Word):
            return _value(shape, word(self.slot))
        if isinstance(shape, Text):
            length = _length(word(self.slot), shape.length)
            words = (word((self.slot + 1 + i) % 2**256) for i in range((length + 31) // 32))
            data = b"".join(each.to_bytes(32, "big") for each in words)[:length]
            return data.decode("utf-8", errors="replace") if shape.is_text else data
        if isinstance(shape, Struct):
            return {name: self.inner(name).read(word) for name in shape.members}
        length = _length(word(self.slot), shape.length) if shape.is_dynamic else shape.length
        return [self.inner(position).read(word) for position in range(length)]


@dataclass(frozen=True)
class Layout:
    """All variables of one contract that are in storage."""

    name: str
    variables: Mapping[str, Place]

    def place(self, *path: Key) -> Place:
        """``place("_permits", 3, "status")``. Raises ``PathUnknown``."""
        variable, *inside = path or ("",)
        if not isinstance(variable, str) or variable not in self.variables:
            raise PathUnknown(f"{self.name} keeps no {variable!r}; it keeps {', '.join(self.variables)}")
        place = self.variables[variable]
        for key in inside:
            place = place.inner(key)
        return place

    def slot(self, *path: Key) -> int:
        return self.place(*path).slot


@lru_cache(maxsize=64)
def layout_of(name: str, source_directory: Path | None = None) -> Layout:
    """The layout of a contract of this release, or of another folder's, from its Vyper source.

    Raises ``belmont.chain.errors.CompilationError``.
    """
    from vyper.compiler.input_bundle import FilesystemInputBundle
    from vyper.compiler.phases import CompilerData
    from vyper.compiler.settings import Settings, anchor_settings
    from vyper.exceptions import VyperException

    from belmont.chain.compiler import EVM_VERSION, contracts_directory
    from belmont.chain.errors import CompilationError

    directory = contracts_directory() if source_directory is None else source_directory
    bundle = FilesystemInputBundle([directory])
    fixed = directory / f"{name}.layout.json"
    try:
        data = CompilerData(
            bundle.load_file(Path(f"{name}.vy")),
            bundle,
            settings=Settings(evm_version=EVM_VERSION),
            storage_layout=bundle.load_json_file(fixed) if fixed.is_file() else None,
        )
        with anchor_settings(data.settings):
            slots = data.storage_layout.get("storage_layout", {})
            module = data.compilation_target._metadata["type"]
    except (VyperException, OSError) as error:
        raise CompilationError(f"{directory / name}.vy does not compile: {error}") from error
    return Layout(name, dict(_variables(slots, module)))


def slot(contract: str, *path: Key) -> int:
    """``slot("Permits", "_permits", 3, "status")``, for a contract of this release."""
    return layout_of(contract).slot(*path)


PATH: Final = re.compile(r"([A-Za-z_][\w.]*)|\.([A-Za-z_]\w*)|\[([^\[\]]*)\]")
PATH_MAX: Final = 512


def read_path(text: str) -> tuple[Key, ...]:
    """``_versions[0xab..][2].rows`` as a path. In brackets: a number, true or false, 0x.. or "text".

    Raises ``PathUnknown``.
    """
    path: list[Key] = []
    position = 0
    while position < len(text) <= PATH_MAX:
        found = PATH.match(text, position)
        if found is None or (found[1] is not None) != (position == 0):
            break
        path.append(found[1] or found[2] or _bracketed(found[3]))
        position = found.end()
    if not path or position != len(text):
        raise PathUnknown(f"{text[:80]!r} is no path: write it as _versions[0xab..][2].rows")
    return tuple(path)


def _bracketed(text: str) -> Key:
    if re.fullmatch(r"-?[0-9]{1,78}", text):
        return int(text)
    if text in ("true", "false"):
        return text == "true"
    if re.fullmatch(r"0x(?:[0-9a-fA-F]{2})*", text):
        return bytes.fromhex(text[2:])
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return text[1:-1]
    raise PathUnknown(f"[{text[:80]}] holds no number, true, false, 0x.. or text in quotation marks")


def _variables(slots: Mapping[str, Any], module: Any) -> Iterator[tuple[str, Place]]:
    """Variables by name; those of imported modules as ``module.variable``."""
    for name, entry in slots.items():
        if "slot" in entry:
            if name in module.variables:
                yield name, Place(int(entry["slot"]), _shape(module.variables[name].typ))
            continue
        inner = module.imported_modules[name].module_t
        for variable, place in _variables(entry, inner):
            yield f"{name}.{variable}", place


def _shape(kind: VyperType) -> Shape:
    """What the compiler calls it, as a shape."""
    from vyper.semantics import types

    if isinstance(kind, types.HashMapT):
        key = _shape(kind.key_type)
        if not isinstance(key, Word | Text):
            raise TypeError(f"a HashMap with a key of type {kind.key_type}")
        return HashMap(key, _shape(kind.value_type))
    if isinstance(kind, types.DArrayT | types.SArrayT):
        return Array(_shape(kind.value_type), kind.length, isinstance(kind, types.DArrayT))
    if isinstance(kind, types.StructT):
        return Struct({name: _shape(member) for name, member in kind.members.items()})
    if isinstance(kind, types.StringT | types.BytesT):
        return Text(isinstance(kind, types.StringT), kind.length)
    if isinstance(kind, types.BytesM_T):
        return Word("bytes", kind.m)
    if isinstance(kind, types.BoolT):
        return Word("bool", 1)
    if isinstance(kind, types.IntegerT):
        return Word("int" if kind.is_signed else "uint", kind.bits)
    if isinstance(kind, types.AddressT | types.InterfaceT):
        return Word("address", 160)
    if isinstance(kind, types.FlagT):
        return Word("flag", 256)
    raise TypeError(f"variables of type {kind} are not read")


def _key_word(shape: Word | Text, key: Key) -> bytes:
    """A key as its 32 bytes (L2). Raises ``PathUnknown`` for one of another type."""
    if isinstance(shape, Text):
        content = key.encode() if isinstance(key, str) else key
        if not isinstance(content, bytes) or isinstance(key, str) != shape.is_text or len(content) > shape.length:
            raise PathUnknown(
                f"the key {key!r} is not {'text' if shape.is_text else 'bytes'} up to {shape.length} bytes"
            )
        return keccak(content)
    if shape.kind == "bytes" and isinstance(key, bytes) and len(key) == shape.size:
        return key.ljust(32, b"\0")
    if shape.kind == "address":
        raw = bytes.fromhex(key.removeprefix("0x")) if isinstance(key, str) and _is_address(key) else key
        if isinstance(raw, bytes) and len(raw) == 20:
            return raw.rjust(32, b"\0")
    if shape.kind == "bool" and isinstance(key, bool):
        return int(key).to_bytes(32, "big")
    if shape.kind in ("uint", "int", "flag") and isinstance(key, int) and not isinstance(key, bool):
        low, high = (-(2 ** (shape.size - 1)), 2 ** (shape.size - 1)) if shape.kind == "int" else (0, 2**shape.size)
        if low <= key < high:
            return (key % 2**256).to_bytes(32, "big")
    raise PathUnknown(f"the key {key!r} is no {shape.kind} of size {shape.size}")


def _is_address(text: str) -> bool:
    digits = text.removeprefix("0x")
    return len(digits) == 40 and all(digit in "0123456789abcdefABCDEF" for digit in digits)


def _length(word: int, length_max: int) -> int:
    if word > length_max:
        raise ProofRefused("L3", f"a length of {word} where at most {length_max} fit")
    return word


def _value(shape: Word, word: int) -> Any:
    """One word's value. Raises ``ProofRefused`` for bits that no such value has."""
    value: Any = word
    fits = word < 2**shape.size
    if shape.kind == "int":
        value = word - 2**256 if word >= 2**255 else word
        fits = -(2 ** (shape.size - 1)) <= value < 2 ** (shape.size - 1)
    elif shape.kind == "bytes":
        raw = word.to_bytes(32, "big")
        value, fits = raw[: shape.size], not any(raw[shape.size :])
    elif shape.kind == "bool":
        value = word == 1
    elif shape.kind == "address" and fits:
        value = to_checksum_address(word.to_bytes(20, "big"))
    if not fits:
        raise ProofRefused("L1", f"a word that is no {shape.kind} of size {shape.size}")
    return value
