"""Strict reading of JSON that strangers send: known fields only, each of its type and size, none twice.

Byte strings are 0x and lower-case hexadecimal; numbers are JSON integers of at most 64 bits, larger ones decimal text.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from belmont.identity.strict_json import loads, unique
from belmont.light.errors import BundleMalformed

NUMBER_MAX: Final = 2**64 - 1
DIGITS_MAX: Final = 20
DEPTH_MAX: Final = 16
HEX: Final = re.compile(r"0x(?:[0-9a-f]{2})*")


def hexadecimal(data: bytes) -> str:
    return "0x" + data.hex()


def write_json(document: object) -> bytes:
    """One document in one way."""
    return json.dumps(document, separators=(",", ":"), sort_keys=True, allow_nan=False).encode() + b"\n"


def read_json(data: bytes, size_max: int) -> object:
    """A JSON document of at most ``size_max`` bytes, without floats and doubled names. Raises ``BundleMalformed``."""
    if len(data) > size_max:
        raise BundleMalformed(f"the file has more than {size_max} bytes, which no file of this kind has")
    try:
        return loads(
            data,
            most_depth=DEPTH_MAX,
            object_pairs_hook=unique,
            parse_int=_integer,
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
        )
    except ValueError as error:
        raise BundleMalformed(f"the file is not JSON of this format: {_short(error)}") from error


class Fields:
    """An object's fields; each is taken once, and ``end`` refuses those that nobody asked for."""

    def __init__(self, document: object, what: str) -> None:
        if not isinstance(document, dict):
            raise BundleMalformed(f"{what} is no object")
        self._left = dict(document)
        self._what = what

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def take(self, name: str) -> Any:
        if name not in self._left:
            raise BundleMalformed(f"{self._what} has no {name!r}")
        return self._left.pop(name)

    def constant(self, name: str, expected: object) -> None:
        found = self.take(name)
        if type(found) is not type(expected) or found != expected:
            raise BundleMalformed(f"{self._what} has {name} {_short(found)}; this release reads {expected!r}")

    def number(self, name: str) -> int:
        return self._number(self.take(name), name)

    def text(self, name: str, length_max: int) -> str:
        found = self.take(name)
        if not isinstance(found, str) or len(found) > length_max:
            raise self._wrong(name, f"text of at most {length_max} characters")
        return found

    def fixed(self, name: str, size: int) -> bytes:
        found = _hex(self.take(name))
        if found is None or len(found) != size:
            raise self._wrong(name, f"{size} bytes")
        return found

    def byte_strings(self, name: str, count_max: int, size: int | None = None) -> list[bytes]:
        """A list of byte strings, of ``size`` bytes where that is given."""
        found = [_hex(each) for each in self.items(name, count_max)]
        if any(each is None or size not in (None, len(each)) for each in found):
            raise self._wrong(name, f"byte strings{f' of {size} bytes' if size else ''}")
        return [each for each in found if each is not None]

    def items(self, name: str, count_max: int) -> list[Any]:
        found = self.take(name)
        if not isinstance(found, list) or len(found) > count_max:
            raise self._wrong(name, f"a list of at most {count_max}")
        return found

    def mapping(self, name: str, count_max: int) -> Mapping[str, Any]:
        found = self.take(name)
        if not isinstance(found, dict) or len(found) > count_max:
            raise self._wrong(name, f"an object of at most {count_max} fields")
        return found

    def end(self) -> None:
        if self._left:
            raise BundleMalformed(
                f"{self._what} has a field that this release does not know: {_short(min(self._left))}"
            )

    def _number(self, found: object, name: str) -> int:
        if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found <= NUMBER_MAX:
            raise self._wrong(name, "a number of at most 64 bits")
        return found

    def _wrong(self, name: str, expected: str) -> BundleMalformed:
        return BundleMalformed(f"{self._what}: {name} is not {expected}")


def _hex(value: object) -> bytes | None:
    return bytes.fromhex(value[2:]) if isinstance(value, str) and HEX.fullmatch(value) else None


def _integer(digits: str) -> int:
    if len(digits) > DIGITS_MAX:
        raise ValueError("a number of more than 20 digits")
    return int(digits)


def _refuse_number(text: str) -> int:
    raise ValueError("a number that is no integer")


def _short(value: object) -> str:
    return str(value)[:80]
