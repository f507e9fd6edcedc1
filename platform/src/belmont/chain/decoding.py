"""ABI decoding of what a call returned, to the values web3.py would give.

web3.py's own `call` asks for the chain id twice per call and runs five layers of middleware; this takes a tenth of a
millisecond and asks nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.abi import collapse_if_tuple
from eth_utils.address import to_checksum_address

from belmont.chain.errors import BadChainData

Component = Mapping[str, Any]


def decode_output(outputs: Sequence[Component], data: bytes, what: str) -> Any:
    """The decoded return data: one value, a list of several, None for a function that returns nothing.

    Structs are tuples, addresses are checksummed. Raises `BadChainData`.
    """
    if not outputs:
        return None
    if not data:
        raise BadChainData(f"{what} returned nothing: no contract there, or another one")
    try:
        values = decode([collapse_if_tuple(dict(output)) for output in outputs], data)
    except (DecodingError, OverflowError, UnicodeDecodeError) as error:
        raise BadChainData(f"{what} returned data that its ABI does not describe: {error}") from error
    normal = [_normal(output["type"], output, value) for output, value in zip(outputs, values, strict=True)]
    return normal[0] if len(normal) == 1 else normal


def _normal(kind: str, component: Component, value: Any) -> Any:
    if kind.endswith("]"):
        inner = kind[: kind.rindex("[")]
        return [_normal(inner, component, entry) for entry in value]
    if kind == "tuple":
        parts = component["components"]
        return tuple(_normal(part["type"], part, entry) for part, entry in zip(parts, value, strict=True))
    return to_checksum_address(value) if kind == "address" else value
