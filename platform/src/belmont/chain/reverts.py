"""Reading the reason out of revert data, as Solidity and Vyper encode it."""

from __future__ import annotations

from typing import Final

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

ERROR_SELECTOR: Final = bytes.fromhex("08c379a0")
PANIC_SELECTOR: Final = bytes.fromhex("4e487b71")
PANICS: Final = {
    0x00: "generic panic",
    0x01: "assert(false)",
    0x11: "arithmetic underflow or overflow",
    0x12: "division or modulo by zero",
    0x21: "enum overflow",
    0x22: "invalid encoded storage byte array accessed",
    0x31: "out-of-bounds array access; popping on an empty array",
    0x32: "out-of-bounds access of an array or bytesN",
    0x41: "out of memory",
    0x51: "uninitialized function",
}


def revert_message(output: bytes) -> str:
    """The reason in revert data; "" for none or a custom error."""
    try:
        if output.startswith(ERROR_SELECTOR):
            return str(decode(["string"], output[4:])[0])
        if output.startswith(PANIC_SELECTOR):
            code = int(decode(["uint256"], output[4:])[0])
            return f"{PANICS.get(code, 'unknown panic code')} ({code:#x})"
    except (DecodingError, UnicodeDecodeError, OverflowError):
        return ""
    return ""
