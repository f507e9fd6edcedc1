"""The DID document of an identity, from its ERC-1056 events (W3C DID Core 1.0; did:ethr, "CRUD Operation Definitions").

As the resolver of did:ethr does it (https://github.com/decentralized-identity/ethr-did-resolver):

1. The owner is ``#controller``: it authenticates and asserts.
2. Delegates of type ``veriKey`` assert, those of type ``sigAuth`` authenticate as well. Other types have no place.
3. Attributes ``did/pub/<algorithm>/<purpose>`` are public keys, ``did/svc/<type>`` services. Other names have none.
4. Every event about a delegate or a key counts one further for ``#delegate-n``, also one that revokes, so that a name
   is never another's. Services likewise.
5. An identity that belongs to the zero address is deactivated, and its document is empty. (``Identities.vy`` refuses
   that; a document may be of another registry.)

One thing differs: what is valid up to a second is no longer valid in it, as the contract has it.
"""

import base64
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from coincurve import PublicKey

from belmont.identity.did import parse_did
from belmont.identity.messages import short_text
from belmont.identity.strict_json import loads

NOBODY = "0x" + "0" * 40
CONTEXT = ("https://www.w3.org/ns/did/v1", "https://w3id.org/security/suites/secp256k1recovery-2020/v2")
_RECOVERY = "EcdsaSecp256k1RecoveryMethod2020"
_ATTRIBUTE = re.compile(r"did/(pub|svc)/(\w+)(?:/(\w+))?(?:/(\w+))?", re.ASCII)
_MULTICODEC = {
    "Ed25519": ("Ed25519VerificationKey2020", b"\xed\x01", "https://w3id.org/security/suites/ed25519-2020/v1"),
    "X25519": ("X25519KeyAgreementKey2020", b"\xec\x01", "https://w3id.org/security/suites/x25519-2020/v1"),
}
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


@dataclass(frozen=True)
class IdentityEvent:
    """One change of an identity, as its events tell it."""

    block: int
    at: int
    """Unix seconds."""
    owner: str | None = None
    """The new owner, where it is about that."""
    kind: bytes = b""
    """Type of the delegate or name of the attribute, 32 bytes."""
    subject: str | bytes = b""
    """The delegate's address, or the attribute's value."""
    valid_to: int = 0


@dataclass
class _Parts:
    """What a document is made of, by the event that brought it in."""

    keys: dict[tuple[bytes, str | bytes], dict[str, Any]]
    authentication: dict[tuple[bytes, str | bytes], str]
    assertion: dict[tuple[bytes, str | bytes], str]
    agreement: dict[tuple[bytes, str | bytes], str]
    services: dict[tuple[bytes, str | bytes], dict[str, Any]]

    def drop(self, key: tuple[bytes, str | bytes]) -> None:
        for each in (self.keys, self.authentication, self.assertion, self.agreement, self.services):
            each.pop(key, None)


def resolve(did: str, events: Sequence[IdentityEvent], now: int) -> dict[str, Any]:
    """A DID resolution result: document and metadata. ``events`` are the identity's own, in order of the chain."""
    chain_id, owner = parse_did(did)
    parts = _Parts({}, {}, {}, {}, {})
    keys = services = 0
    for event in events:
        if event.owner is not None:
            owner = event.owner
            continue
        name = short_text(event.kind)
        attribute = _ATTRIBUTE.fullmatch(name) if isinstance(event.subject, bytes) else None
        index = (event.kind, event.subject)
        keys += isinstance(event.subject, str) or name.startswith("did/pub/")  # 4
        services += isinstance(event.subject, bytes) and name.startswith("did/svc/")  # 4
        if event.valid_to <= now:
            parts.drop(index)
        elif isinstance(event.subject, str):
            _add_delegate(parts, index, did, f"{did}#delegate-{keys}", name, f"eip155:{chain_id}:{event.subject}")
        elif attribute and attribute[1] == "pub":
            _add_key(parts, index, did, f"{did}#delegate-{keys}", attribute, event.subject)
        elif attribute:
            _add_service(parts, index, f"{did}#service-{services}", attribute[2], event.subject)
    deactivated = owner == NOBODY
    document = _empty(did) if deactivated else _document(did, f"eip155:{chain_id}:{owner}", parts)
    metadata: dict[str, Any] = {"deactivated": True} if deactivated else {}
    if events:
        updated = datetime.fromtimestamp(events[-1].at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        metadata |= {"versionId": str(events[-1].block), "updated": updated}
    return {
        "didDocument": document,
        "didResolutionMetadata": {"contentType": "application/did+ld+json"},
        "didDocumentMetadata": metadata,
    }


def _add_delegate(parts: _Parts, index: tuple[bytes, str | bytes], did: str, id_: str, kind: str, account: str) -> None:
    if kind not in ("veriKey", "sigAuth"):
        return  # 2
    parts.keys[index] = {"id": id_, "type": _RECOVERY, "controller": did, "blockchainAccountId": account}
    parts.assertion[index] = id_
    if kind == "sigAuth":
        parts.authentication[index] = id_


def _add_key(
    parts: _Parts, index: tuple[bytes, str | bytes], did: str, id_: str, attribute: re.Match[str], value: bytes
) -> None:
    algorithm, purpose = attribute[2], attribute[3]
    parts.keys[index] = {"id": id_, "type": algorithm, "controller": did, **_public_key(algorithm, value)}
    if purpose == "enc":
        parts.agreement[index] = id_
        return
    parts.assertion[index] = id_
    if purpose == "sigAuth":
        parts.authentication[index] = id_


def _public_key(algorithm: str, value: bytes) -> dict[str, Any]:
    if algorithm in _MULTICODEC:
        kind, prefix, _ = _MULTICODEC[algorithm]
        return {"type": kind, "publicKeyMultibase": "z" + _base58(prefix + value)}
    if algorithm == "Secp256k1":
        try:
            x, y = PublicKey(value).point()
        except Exception:  # coincurve raises several kinds for what is no point
            return {"publicKeyHex": value.hex()}
        jwk = {"kty": "EC", "crv": "secp256k1", "x": _base64url(x), "y": _base64url(y)}
        return {"type": "EcdsaSecp256k1VerificationKey2019", "publicKeyJwk": jwk}
    return {"publicKeyHex": value.hex()}


def _add_service(parts: _Parts, index: tuple[bytes, str | bytes], id_: str, kind: str, value: bytes) -> None:
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        return
    try:
        endpoint = loads(text)
    except (ValueError, RecursionError):
        endpoint = text
    parts.services[index] = {"id": id_, "type": kind, "serviceEndpoint": endpoint}


def _document(did: str, owner: str, parts: _Parts) -> dict[str, Any]:
    controller = f"{did}#controller"
    method = {"id": controller, "type": _RECOVERY, "controller": did, "blockchainAccountId": owner}  # 1
    document = _empty(did) | {
        "@context": _context(parts.keys.values()),
        "verificationMethod": [method, *parts.keys.values()],
        "authentication": [controller, *parts.authentication.values()],
        "assertionMethod": [controller, *parts.assertion.values()],
    }
    if parts.agreement:
        document["keyAgreement"] = list(parts.agreement.values())
    if parts.services:
        document["service"] = list(parts.services.values())
    return document


def _empty(did: str) -> dict[str, Any]:
    return {"@context": list(CONTEXT), "id": did, "verificationMethod": [], "authentication": [], "assertionMethod": []}


def _context(keys: Iterable[dict[str, Any]]) -> list[Any]:
    """JSON-LD contexts of the kinds of keys that occur."""
    kinds = {key["type"] for key in keys}
    named = {name for key in keys for name in key}
    found: list[Any] = [*CONTEXT]
    if "EcdsaSecp256k1VerificationKey2019" in kinds:
        found.append("https://w3id.org/security/v2")
    found += [context for kind, _, context in _MULTICODEC.values() if kind in kinds]
    inline: dict[str, Any] = {}
    if "publicKeyHex" in named:
        inline["publicKeyHex"] = "https://w3id.org/security#publicKeyHex"
    if "publicKeyJwk" in named:
        inline["publicKeyJwk"] = {"@id": "https://w3id.org/security#publicKeyJwk", "@type": "@json"}
    return found + ([inline] if inline else [])


def _base58(data: bytes) -> str:
    """The alphabet of Bitcoin, as multibase "z" has it."""
    number, digits = int.from_bytes(data), ""
    while number:
        number, digit = divmod(number, 58)
        digits = _BASE58[digit] + digits
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + digits


def _base64url(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(32)).rstrip(b"=").decode()
