"""EIP-712: what a signed message is, and the 32 bytes that are signed.

A message is a frozen dataclass. Its EIP-712 name is that of the class; its fields are those of the class in camelCase,
between those that every message begins and ends with. A domain names the chain and the contract that the message is
for, so that it counts nowhere else. ``Message.typed_data`` is the JSON that a browser wallet takes for
``eth_signTypedData_v4``; numbers of a message are decimal text there, since JavaScript cannot hold 64 bits.
"""

import re
import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, get_type_hints

from eth_utils.address import is_checksum_address
from eth_utils.crypto import keccak

from belmont.identity.errors import MessageMalformed, Why

if TYPE_CHECKING:
    from belmont.identity.approval_conditions import ApprovalConditions
    from belmont.identity.keys import Identity
    from belmont.identity.signed_message import SignedMessage, Signer

NAME, VERSION = "Belmont", "1"
DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
DATA_BYTES_MAX = 16 * 1024
RECIPIENTS_MAX = 8
_MOST = {"address[]": RECIPIENTS_MAX, "bytes": DATA_BYTES_MAX}

Account = Annotated[str, "address"]
"""EIP-55 checksummed address."""
Accounts = Annotated[tuple[str, ...], "address[]"]
Uint64 = Annotated[int, "uint64"]
Uint256 = Annotated[int, "uint256"]
Flag = Annotated[bool, "bool"]
Hash = Annotated[bytes, "bytes32"]
Data = Annotated[bytes, "bytes"]


@dataclass(frozen=True)
class Domain:
    """Where a message counts: one contract on one chain."""

    chain_id: int
    """EIP-155."""
    contract: str
    """EIP-55 checksummed address."""

    def __post_init__(self) -> None:
        _check("chainId", "uint256", self.chain_id)
        _check("verifyingContract", "address", self.contract)

    @property
    def separator(self) -> bytes:
        """EIP-712's hash of a domain."""
        named = keccak(text=DOMAIN_TYPE) + keccak(text=NAME) + keccak(text=VERSION)
        return bytes(keccak(named + _word("uint256", self.chain_id) + _word("address", self.contract)))

    def to_json(self) -> dict[str, Any]:
        return {"name": NAME, "version": VERSION, "chainId": self.chain_id, "verifyingContract": self.contract}


@dataclass(frozen=True, kw_only=True)
class Message(ABC):
    """What somebody signs; the classes are in ``belmont.identity.messages``."""

    FIRST: ClassVar[tuple[str, ...]] = ()
    LAST: ClassVar[tuple[str, ...]] = ("nonce", "deadline")
    CONTRACT: ClassVar[str]
    """Which of the contracts takes it."""
    FUNCTION: ClassVar[str]
    """The contract's function that takes it."""

    nonce: Uint256
    """Any number that was not used before, by whoever speaks here; drawn at random."""
    deadline: Uint64
    """The last Unix second at which it counts."""

    def __post_init__(self) -> None:
        for name, kind, value in self._values():
            _check(name, kind, value)

    @classmethod
    def members(cls) -> tuple[tuple[str, str, str], ...]:
        """The fields in the order of EIP-712: attribute, name and type."""
        hints = get_type_hints(cls, include_extras=True).items()
        kinds = {name: hint.__metadata__[0] for name, hint in hints if hasattr(hint, "__metadata__")}
        own = [each.name for each in fields(cls) if each.name not in cls.FIRST + cls.LAST]
        return tuple((name, _camel_case(name), kinds[name]) for name in (*cls.FIRST, *own, *cls.LAST))

    @classmethod
    def encoded_type(cls) -> str:
        return f"{cls.__name__}({','.join(f'{kind} {name}' for _, name, kind in cls.members())})"

    def digest(self, domain: Domain) -> bytes:
        """The 32 bytes that are signed."""
        words = b"".join(_word(kind, value) for _, kind, value in self._values())
        struct = keccak(keccak(text=self.encoded_type()) + words)
        return bytes(keccak(b"\x19\x01" + domain.separator + struct))

    def typed_data(self, domain: Domain) -> dict[str, Any]:
        """The argument of ``eth_signTypedData_v4``."""
        domain_type = [
            dict(zip(("type", "name"), part.split(" "), strict=True)) for part in DOMAIN_TYPE[13:-1].split(",")
        ]
        return {
            "types": {
                "EIP712Domain": domain_type,
                type(self).__name__: [{"type": kind, "name": name} for _, name, kind in self.members()],
            },
            "primaryType": type(self).__name__,
            "domain": domain.to_json(),
            "message": {name: _to_json(kind, value) for name, kind, value in self._values()},
        }

    @classmethod
    def from_json(cls, message: object) -> Self:
        """Reads the ``message`` of typed data, strictly."""
        if not isinstance(message, dict) or message.keys() != {name for _, name, _ in cls.members()}:
            raise MessageMalformed(
                f"not the fields of {cls.__name__}; take the file as it was signed", Why.FIELDS, kind=cls.__name__
            )
        return cls(**{attribute: _from_json(name, kind, message[name]) for attribute, name, kind in cls.members()})

    def sign(
        self,
        signer: "Identity | Signer",
        domain: Domain,
        reason: str | None = None,
        conditions: "ApprovalConditions | None" = None,
    ) -> "SignedMessage":
        """Sign with one key, with no network. ``reason`` and ``conditions`` put their text into what is handed on."""
        from belmont.identity.signed_message import SignedMessage  # it builds on this module

        return SignedMessage(self, domain, (), reason, conditions).signed_by(signer)

    def arguments(self) -> tuple[Any, ...]:
        """The values in the order of the contract's function, which takes the signature after them."""
        return tuple(list(value) if kind == "address[]" else value for _, kind, value in self._values())

    @abstractmethod
    def sentence(self) -> str:
        """What it says, for a person who is about to sign."""

    def _values(self) -> Iterator[tuple[str, str, Any]]:
        for attribute, name, kind in self.members():
            yield name, kind, getattr(self, attribute)


def random_nonce() -> int:
    """A number that nobody has used: an offline signer cannot know the last one."""
    return secrets.randbits(256)


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(each.capitalize() for each in others)


def _word(kind: str, value: Any) -> bytes:
    """EIP-712's encoding of a value: one word."""
    match kind:
        case "address":
            return bytes.fromhex(value[2:]).rjust(32, b"\0")
        case "address[]":
            return bytes(keccak(b"".join(_word("address", each) for each in value)))
        case "bytes32":
            return bytes(value)
        case "bytes":
            return bytes(keccak(value))
        case _:
            return int(value).to_bytes(32)


def _check(name: str, kind: str, value: Any) -> None:
    match kind:
        case "address":
            valid, expected = isinstance(value, str) and is_checksum_address(value), "a checksummed address"
        case "address[]":
            valid = isinstance(value, tuple) and len(value) <= RECIPIENTS_MAX
            valid = valid and all(isinstance(each, str) and is_checksum_address(each) for each in value)
            expected = f"at most {RECIPIENTS_MAX} checksummed addresses"
        case "bytes32":
            valid, expected = isinstance(value, bytes) and len(value) == 32, "32 bytes"
        case "bytes":
            valid = isinstance(value, bytes) and len(value) <= DATA_BYTES_MAX
            expected = f"at most {DATA_BYTES_MAX} bytes"
        case "bool":
            valid, expected = isinstance(value, bool), "true or false"
        case _:
            bits = int(kind.removeprefix("uint"))
            valid = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << bits
            expected = f"a whole number from 0 to 2^{bits} - 1"
    if not valid:
        raise MessageMalformed(
            f"{name} must be {expected}; it is {str(value)[:80]!r}",
            Why.VALUE,
            name=name,
            kind=kind,
            most=_MOST.get(kind, 0),
        )


def _to_json(kind: str, value: Any) -> Any:
    if kind.startswith("uint"):
        return str(value)
    if kind.startswith("bytes"):
        return "0x" + value.hex()
    return list(value) if kind == "address[]" else value


def _from_json(name: str, kind: str, value: Any) -> Any:
    if kind.startswith("uint") and isinstance(value, str) and re.fullmatch(r"0|[1-9][0-9]{0,77}", value, re.ASCII):
        return int(value)
    if kind.startswith("bytes") and isinstance(value, str) and re.fullmatch(r"0x([0-9a-f]{2})*", value, re.ASCII):
        return bytes.fromhex(value[2:])
    if kind == "address[]" and isinstance(value, list):
        return tuple(value)
    if kind in ("address", "bool"):
        return value
    raise MessageMalformed(
        f"{name} is not written as a {kind}: numbers are decimal text, bytes are 0x and lower-case hex",
        Why.NOTATION,
        name=name,
    )
