"""Sign-In with Ethereum (ERC-4361): the text that a person signs to show a service who she is.

Rules of reading (``parse``); what they cite is ERC-4361 unless it says otherwise:

1. A text is read by "ABNF Message Format" and by nothing laxer: fields in their order, one line feed between two lines,
   none at the end, only the characters of the grammar, at most 4096 of them. Version is 1.
2. The address is written with its checksum (ERC-55), also where it is a contract's: the ERC's SHOULD is our MUST.
3. A chain id has no leading zero. So, with 1 and 2, a text has one reading and a reading one text:
   ``parse(text).text == text``.
4. Times are those of a calendar (RFC 3339, section 5.6), and are kept as they were written.
5. What is signed is the text under ERC-191, version 0x45 ("Signing and Verifying Messages with Ethereum Accounts").

Whether the text says what a service asked for is not decided here (``belmont.service.sign_in.challenges``).

Whom a key signs in as: the account of ``address``, or the identity that ``resources`` names, as its only entry, by a
DID (``belmont.identity.did``). It is in the text, so that who signs reads it, and nobody changes it afterwards.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from eth_utils.address import is_checksum_address
from eth_utils.crypto import keccak

from belmont.identity.did import did_of, parse_did
from belmont.identity.errors import DidMalformed, MessageMalformed

TEXT_BYTES_MAX: Final = 4096
VERSION: Final = "1"
CHAIN_ID_MAX: Final = (1 << 64) - 1

# RFC 3986, appendix A
_UNRESERVED = r"A-Za-z0-9\-._~"
_SUB_DELIMS = r"!$&'()*+,;="
_PERCENT = "%[0-9A-Fa-f]{2}"
_PCHAR = rf"(?:[{_UNRESERVED}{_SUB_DELIMS}:@]|{_PERCENT})"
_IP_LITERAL = rf"\[(?:v[0-9A-Fa-f]+\.[{_UNRESERVED}{_SUB_DELIMS}:]+|[0-9A-Fa-f:.]+)\]"
_REG_NAME = rf"(?:[{_UNRESERVED}{_SUB_DELIMS}]|{_PERCENT})*"
_USERINFO = rf"(?:[{_UNRESERVED}{_SUB_DELIMS}:]|{_PERCENT})*"
_AUTHORITY = rf"(?:{_USERINFO}@)?(?:{_IP_LITERAL}|{_REG_NAME})(?::[0-9]*)?"
_SCHEME = r"[A-Za-z][A-Za-z0-9+\-.]*"
_PATH = rf"(?://{_AUTHORITY}(?:/{_PCHAR}*)*|/(?:{_PCHAR}+(?:/{_PCHAR}*)*)?|{_PCHAR}+(?:/{_PCHAR}*)*|)"
_URI = rf"{_SCHEME}:{_PATH}(?:\?(?:{_PCHAR}|[/?])*)?(?:#(?:{_PCHAR}|[/?])*)?"
_DATE_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:[Zz]|[+\-][0-9]{2}:[0-9]{2})"
_STATEMENT = rf"[{_UNRESERVED}:/?#\[\]@{_SUB_DELIMS} ]*"
_TEXT = re.compile(
    rf"(?:(?P<scheme>{_SCHEME})://)?(?P<domain>{_AUTHORITY}) wants you to sign in with your Ethereum account:\n"
    r"(?P<address>0x[0-9A-Fa-f]{40})\n"
    r"\n"
    rf"(?:(?P<statement>{_STATEMENT})\n)?"
    r"\n"
    rf"URI: (?P<uri>{_URI})\n"
    r"Version: 1\n"
    r"Chain ID: (?P<chain_id>0|[1-9][0-9]*)\n"
    r"Nonce: (?P<nonce>[A-Za-z0-9]{8,})\n"
    rf"Issued At: (?P<issued_at>{_DATE_TIME})"
    rf"(?:\nExpiration Time: (?P<expiration_time>{_DATE_TIME}))?"
    rf"(?:\nNot Before: (?P<not_before>{_DATE_TIME}))?"
    rf"(?:\nRequest ID: (?P<request_id>{_PCHAR}*))?"
    rf"(?:\nResources:(?P<resources>(?:\n- {_URI})*))?",
    re.ASCII,
)
_DATE = re.compile(r"(.{10})[Tt](.{8})(?:\.([0-9]+))?(?:[Zz]|([+\-][0-9]{2}:[0-9]{2}))", re.ASCII)


@dataclass(frozen=True)
class SignInMessage:
    """The fields of "Message Fields", each as it is written; None is a field that is left out."""

    domain: str
    """An authority of RFC 3986: ``board.example``, ``127.0.0.1:8600``."""
    address: str
    """EIP-55."""
    uri: str
    chain_id: int
    nonce: str
    issued_at: str
    """RFC 3339, as the other times."""
    statement: str | None = None
    expiration_time: str | None = None
    not_before: str | None = None
    request_id: str | None = None
    resources: tuple[str, ...] | None = None
    scheme: str | None = None

    def __post_init__(self) -> None:
        """What is built is what could be read, so that nothing is slipped in through a field."""
        if _read(self.text) != tuple(getattr(self, name) for name in _NAMES):
            raise MessageMalformed("a field of this sign-in message holds what ERC-4361 does not allow there")

    @property
    def text(self) -> str:
        """What is shown and signed."""
        scheme = "" if self.scheme is None else f"{self.scheme}://"
        head = f"{scheme}{self.domain} wants you to sign in with your Ethereum account:\n{self.address}\n\n"
        statement = "" if self.statement is None else f"{self.statement}\n"
        lines = [f"URI: {self.uri}", f"Version: {VERSION}", f"Chain ID: {self.chain_id}", f"Nonce: {self.nonce}"]
        lines += [f"Issued At: {self.issued_at}"]
        for label, value in (
            ("Expiration Time", self.expiration_time),
            ("Not Before", self.not_before),
            ("Request ID", self.request_id),
        ):
            lines += [] if value is None else [f"{label}: {value}"]
        if self.resources is not None:
            lines += ["Resources:", *(f"- {each}" for each in self.resources)]
        return f"{head}{statement}\n" + "\n".join(lines)

    @property
    def digest(self) -> bytes:
        """The 32 bytes that are signed: ERC-191, version 0x45 (``personal_sign``)."""
        return personal_digest(self.text)

    @property
    def identity(self) -> str:
        """Whom it is to sign in as: EIP-55. Raises ``MessageMalformed`` for resources that name nobody."""
        if self.resources is None:
            return self.address
        try:
            [did] = self.resources
            chain_id, identity = parse_did(did)
        except (ValueError, DidMalformed) as error:
            raise MessageMalformed("the resources of a sign-in message name one identity, by its did:ethr") from error
        if chain_id != self.chain_id:
            raise MessageMalformed(f"{did} is an identity of another chain than {self.chain_id}")
        return identity


_NAMES = tuple(SignInMessage.__dataclass_fields__)


def resources_of(address: str, identity: str, chain_id: int) -> tuple[str, ...] | None:
    """How a text names whom ``address`` signs in as; nothing where it is itself."""
    return None if identity == address else (did_of(identity, chain_id),)


def parse(text: str) -> SignInMessage:
    """Raises ``MessageMalformed``."""
    return SignInMessage(**dict(zip(_NAMES, _read(text), strict=True)))  # type: ignore[arg-type]


def instant(text: str) -> float:
    """Unix seconds of an RFC 3339 date-time. Raises ``MessageMalformed`` for one that no calendar has."""
    match = _DATE.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        day, clock, fraction, offset = match.groups()
        moment = datetime.fromisoformat(f"{day}T{clock}{offset or '+00:00'}").astimezone(UTC)
        return moment.timestamp() + (float(f"0.{fraction}") if fraction else 0.0)
    except (ValueError, OverflowError) as error:
        raise MessageMalformed(f"no moment of RFC 3339: {text[:40]!r}") from error  # 4


def written(seconds: int) -> str:
    """Unix seconds as we write them: ``2026-10-07T09:30:00Z``."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def personal_digest(text: str) -> bytes:
    """ERC-191, version 0x45 (``personal_sign``) of a text."""
    content = text.encode("utf-8")
    return bytes(keccak(b"\x19Ethereum Signed Message:\n" + str(len(content)).encode() + content))  # 5


def _read(text: str) -> tuple[object, ...]:
    """The fields, in the order of ``SignInMessage``."""
    if not isinstance(text, str) or len(text) > TEXT_BYTES_MAX:
        raise MessageMalformed(f"a sign-in message is text of at most {TEXT_BYTES_MAX} characters")
    match = _TEXT.fullmatch(text)
    if match is None:
        raise MessageMalformed("not a sign-in message (ERC-4361): take the text as the service wrote it, whole")  # 1
    fields: dict[str, object] = dict(match.groupdict())
    address, chain_id = match["address"], int(match["chain_id"]) if len(match["chain_id"]) <= 20 else -1
    if not is_checksum_address(address):
        raise MessageMalformed(f"{address} has not the checksum of ERC-55: one of its characters is another")  # 2
    if not 0 <= chain_id <= CHAIN_ID_MAX:
        raise MessageMalformed("a chain id has at most 64 bits")
    resources = match["resources"]
    fields |= {
        "chain_id": chain_id,
        "resources": None if resources is None else tuple(resources.split("\n- ")[1:]),
    }
    for name in ("issued_at", "expiration_time", "not_before"):
        if match[name] is not None:
            instant(match[name])  # 4
    for each in (match["domain"], match["uri"], *(fields["resources"] or ())):  # type: ignore[misc]
        _check_ip_literals(each)
    return tuple(fields[name] for name in _NAMES)


def _check_ip_literals(text: str) -> None:
    """RFC 3986's IPv6address: the expression above only says which characters it has."""
    for literal in re.findall(r"(?:^|@|//)\[([0-9A-Fa-f:.]+)\]", text):
        try:
            ipaddress.IPv6Address(literal)
        except ValueError as error:
            raise MessageMalformed(f"[{literal[:60]}] is no IPv6 address") from error
