"""Reading of JSON-RPC parameters: strict, and every refusal is an `RpcError` with the standard's code."""

from __future__ import annotations

import re
from typing import Any, Final

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
SERVER_ERROR: Final = -32000
LIMIT_EXCEEDED: Final = -32005
EXECUTION_REVERTED: Final = 3

LATEST_TAGS: Final = ("latest", "pending", "safe", "finalized")
HEX = re.compile(r"0x([0-9a-fA-F]{2})*")
QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}")


class RpcError(Exception):
    """A JSON-RPC error object."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    def document(self) -> dict[str, Any]:
        """As it goes over the wire."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.data is not None:
            error["data"] = self.data
        return error


def invalid(message: str) -> RpcError:
    """Invalid parameters."""
    return RpcError(INVALID_PARAMS, message)


def data(value: Any, name: str, length: int | None = None) -> bytes:
    """0x-prefixed bytes, of exactly `length` bytes when given."""
    if not isinstance(value, str) or not HEX.fullmatch(value):
        raise invalid(f"invalid {name}: expected 0x-prefixed hexadecimal bytes")
    decoded = bytes.fromhex(value[2:])
    if length is not None and len(decoded) != length:
        raise invalid(f"invalid {name}: expected {length} bytes, got {len(decoded)}")
    return decoded


def address(value: Any, name: str = "address") -> bytes:
    """A 20-byte address; the checksum is not asked for."""
    return data(value, name, 20)


def quantity(value: Any, name: str) -> int:
    """A 0x-prefixed number of at most 256 bits; a JSON integer is taken too."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**256:
        return value
    if not isinstance(value, str) or not QUANTITY.fullmatch(value):
        raise invalid(f"invalid {name}: expected a 0x-prefixed number of at most 256 bits")
    return int(value, 16)


def item(parameters: list[Any], position: int, default: Any = None) -> Any:
    """The parameter at `position`, or `default` when it is missing or null."""
    if len(parameters) <= position or parameters[position] is None:
        return default
    return parameters[position]


def needed(parameters: list[Any], position: int, name: str) -> Any:
    """The parameter at `position`; invalid when missing."""
    value = item(parameters, position)
    if value is None:
        raise invalid(f"missing value for required argument {position}: {name}")
    return value
