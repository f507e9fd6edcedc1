"""How values of the chain stand in JSON: one rule for each kind, for answers and, where it says so, for requests.

1. A whole number is a JSON integer up to 2^53 - 1, which every reader of JSON holds exactly (RFC 8259, section 6);
   beyond, it is its decimal text. In requests both are taken, up to 2^64 - 1.
2. Bytes are ``0x`` and lower-case hexadecimal; a hash is 32 of them.
3. An account is its EIP-55 checksummed address.
4. A time is RFC 3339 in UTC, to the second; null where there is none. What lies beyond year 9999 is its last second.
5. Objects of requests have no fields but those declared.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from typing import Annotated, Any, Final

from eth_utils.address import is_checksum_address
from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, StringConstraints, WithJsonSchema

EXACT_MOST: Final = 2**53 - 1
UINT64_MOST: Final = 2**64 - 1
_LAST_SECOND: Final = 253_402_300_799
_DECIMAL: Final = r"^(0|[1-9][0-9]{0,19})$"


class Answer(BaseModel):
    """What an endpoint says."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


class Asked(BaseModel):
    """What an endpoint is asked (5)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def whole(value: int) -> int | str:
    """A whole number for JSON (1)."""
    return value if -EXACT_MOST <= value <= EXACT_MOST else str(value)


def lower_name(value: Enum) -> Any:
    """The name of a value of an enumeration, as schemas list it."""
    return str(value.name).lower()


def moment(seconds: int) -> str:
    """A Unix second for JSON (4)."""
    return datetime.fromtimestamp(min(max(seconds, 0), _LAST_SECOND), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment_or_none(seconds: int | None) -> str | None:
    """The same, where 0 stands for none."""
    return moment(seconds) if seconds else None


def hexadecimal(value: bytes) -> str:
    """Bytes for JSON (2)."""
    return "0x" + value.hex()


def jsonable(value: Any) -> Any:
    """What an event holds, for JSON: numbers, texts and bytes, and lists and objects of them."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return whole(int(value))
    if isinstance(value, bytes | bytearray | memoryview):
        return hexadecimal(bytes(value))
    if isinstance(value, Mapping):
        return {str(name): jsonable(each) for name, each in value.items()}
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        return [jsonable(each) for each in value]
    raise TypeError(f"an event holds a {type(value).__name__}")


def read_hash(value: object) -> bytes:
    """32 bytes from their text."""
    if isinstance(value, bytes) and len(value) == 32:
        return value
    if isinstance(value, str) and len(value) == 66 and value.startswith("0x"):
        digits = value[2:]
        if digits.isascii() and all(each in "0123456789abcdef" for each in digits):
            return bytes.fromhex(digits)
    raise ValueError("is 0x and 64 lower-case hexadecimal digits")


_is_checksummed = lru_cache(maxsize=4096)(is_checksum_address)


def read_account(value: object) -> str:
    """An account from its text."""
    if isinstance(value, str) and len(value) == 42 and value.isascii() and _is_checksummed(value):
        return value
    raise ValueError("is an EIP-55 checksummed address: 0x and 40 hexadecimal digits")


def read_uint64(value: object) -> int:
    """A whole number from a JSON integer or decimal text (1)."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 20 and str(int(value)) == value:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= UINT64_MOST:
        return value
    raise ValueError("is a whole number from 0 to 2^64 - 1, as an integer or as decimal text")


_NUMBER_SCHEMA: Final = {
    "anyOf": [
        {"type": "integer", "minimum": 0, "maximum": EXACT_MOST},
        {"type": "string", "pattern": _DECIMAL, "maxLength": 20},
    ],
    "description": "A JSON integer up to 2^53 - 1, decimal text beyond.",
}
_HASH_SCHEMA: Final = {"type": "string", "pattern": "^0x[0-9a-f]{64}$", "examples": ["0x" + "2a" * 32]}
_ACCOUNT_SCHEMA: Final = {
    "type": "string",
    "pattern": "^0x[0-9a-fA-F]{40}$",
    "description": "An EIP-55 checksummed address.",
    "examples": ["0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"],
}
_TIME_SCHEMA: Final = {"type": "string", "format": "date-time", "examples": ["2026-03-01T12:00:00Z"]}

Whole = Annotated[int, PlainSerializer(whole), WithJsonSchema(_NUMBER_SCHEMA)]
Moment = Annotated[int, PlainSerializer(moment), WithJsonSchema(_TIME_SCHEMA)]
MomentOrNone = Annotated[
    int | None, PlainSerializer(moment_or_none), WithJsonSchema({"anyOf": [_TIME_SCHEMA, {"type": "null"}]})
]
Bytes = Annotated[
    bytes,
    PlainSerializer(hexadecimal),
    WithJsonSchema({"type": "string", "pattern": "^0x([0-9a-f]{2})*$", "examples": ["0x0155"]}),
]
Hash = Annotated[bytes, BeforeValidator(read_hash), PlainSerializer(hexadecimal), WithJsonSchema(_HASH_SCHEMA)]
"""Also in requests."""
AccountText = Annotated[str, BeforeValidator(read_account), WithJsonSchema(_ACCOUNT_SCHEMA)]
"""Also in requests."""
Uint64 = Annotated[int, BeforeValidator(read_uint64), PlainSerializer(whole), WithJsonSchema(_NUMBER_SCHEMA)]
"""Of requests."""
Word = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z]+$")]
"""Of requests: a name that the contracts use."""
