"""A message with the signatures of those who signed it: made with no network, kept in a file, relayed by anybody.

The file is JSON for people: the typed data exactly as a browser wallet signs it (``eth_signTypedData_v4``), the
signatures, the text of a reason where its signer wants it read, and that of the conditions that a vote sets. Rules of
reading:

1. One object of at most 128 KiB, no field missing, unknown or given twice, of a version that this software knows.
2. The typed data are those of a message that we know, byte for byte as we would write them: types, domain and message.
3. The text of a reason or of conditions is the one whose hash the message holds.

A signature of a key is 65 bytes, as the contracts take it: r, s, v; s in the lower half (EIP-2), v 27 or 28. Several
make one signature of a wallet: in ascending order of the signers. Whether a signer may speak for the actor only the
chain can say.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any, Protocol

from coincurve import PublicKey
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from belmont.identity import words
from belmont.identity.approval_conditions import ApprovalConditions
from belmont.identity.errors import (
    ApprovalConditionsMalformed,
    MessageFileError,
    MessageMalformed,
    SignatureRefused,
    Why,
)
from belmont.identity.keys import Identity
from belmont.identity.messages import MESSAGES, reason_hash
from belmont.identity.strict_json import loads, unique
from belmont.identity.typed_data import Domain, Message

FORMAT = "belmont-signed-message"
VERSION = 1
FILE_BYTES_MAX = 128 * 1024
SIGNATURE_BYTES_MAX = 2048
SIGNATURES_MAX = 16
KEY_SIGNATURE_BYTES = 65
_UNREADABLE = (
    KeyError, TypeError, AttributeError, UnicodeEncodeError, RecursionError, ApprovalConditionsMalformed
)  # fmt: skip
_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


class Signer(Protocol):
    """An account of eth-account, or whatever signs 32 bytes as it does."""

    @property
    def address(self) -> str: ...

    def unsafe_sign_hash(self, message_hash: Any) -> Any: ...


@dataclass(frozen=True)
class SignedMessage:
    message: Message
    domain: Domain
    signatures: tuple[bytes, ...] = ()
    """One of a key or of a wallet, or several of keys; none yet, where a browser wallet is to sign."""
    reason: str | None = None
    conditions: ApprovalConditions | None = None
    """What a vote for a study sets, where its text is known."""

    def __post_init__(self) -> None:
        if self.reason is not None and getattr(self.message, "reason_hash", None) != reason_hash(self.reason):
            raise MessageMalformed("the text of the reason is not the one that was signed", Why.OTHER_REASON)  # 3
        if self.conditions is not None and getattr(self.message, "conditions_hash", None) != self.conditions.hash:
            raise MessageMalformed(
                "the text of the conditions is not the one that was signed", Why.OTHER_CONDITIONS
            )  # 3
        if len(self.signatures) > SIGNATURES_MAX or len(set(self.signatures)) != len(self.signatures):
            raise MessageMalformed(
                f"at most {SIGNATURES_MAX} signatures, each once", Why.SIGNATURES, most=SIGNATURES_MAX
            )
        most = KEY_SIGNATURE_BYTES if len(self.signatures) > 1 else SIGNATURE_BYTES_MAX
        if any(not 1 <= len(each) <= most for each in self.signatures):
            raise MessageMalformed(
                f"a signature has 65 bytes; one alone, of a wallet, at most {SIGNATURE_BYTES_MAX}",
                Why.SIGNATURE_BYTES,
                most=SIGNATURE_BYTES_MAX,
            )

    @property
    def digest(self) -> bytes:
        """The 32 bytes that were signed."""
        return self.message.digest(self.domain)

    @property
    def signers(self) -> tuple[str, ...]:
        """Who signed, of those signatures that are of keys."""
        found = (recover(self.digest, each) for each in self.signatures if len(each) == KEY_SIGNATURE_BYTES)
        return tuple(each for each in found if each)

    @property
    def signature(self) -> bytes:
        """What the contract gets: the signature, or those of several people as a wallet takes them."""
        if not self.signatures:
            raise SignatureRefused(
                "nobody has signed this yet: sign it, or add the signature of a browser wallet", Why.UNSIGNED
            )
        if len(self.signatures) == 1:
            return self.signatures[0]
        return joined(self.digest, self.signatures)

    def signature_of(self, account: str) -> bytes:
        """The signature of this key."""
        found = [each for each in self.signatures if recover(self.digest, each) == account]
        if not found:
            raise SignatureRefused(f"{account} has not signed this: add its signature")
        return found[0]

    def verify(self, owner: str) -> None:
        """Raises ``SignatureRefused`` unless the key of ``owner`` signed. Only the chain knows about wallets."""
        self.signature_of(owner)

    def signed_by(self, signer: Identity | Signer) -> "SignedMessage":
        """The same with one more signature; signing twice changes nothing."""
        account: Signer = signer.account if isinstance(signer, Identity) else signer
        return self.with_signature(bytes(account.unsafe_sign_hash(self.digest).signature))

    def with_signature(self, signature: bytes) -> "SignedMessage":
        if signature in self.signatures:
            return self
        return replace(self, signatures=(*self.signatures, signature))

    # --- files ---

    def to_json(self) -> str:
        content: dict[str, Any] = {
            "format": FORMAT,
            "version": VERSION,
            "says": self.message.sentence(),
            "typed_data": self.message.typed_data(self.domain),
            "signatures": ["0x" + each.hex() for each in self.signatures],
        }
        if self.reason is not None:
            content["reason"] = self.reason
        if self.conditions is not None:
            content["conditions"] = list(self.conditions.texts)
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, content: bytes) -> "SignedMessage":
        """Raises ``MessageMalformed``."""
        document = _parse(content)
        try:
            message, domain = _typed_data(document["typed_data"])
            conditions = ApprovalConditions(tuple(document["conditions"])) if "conditions" in document else None
            signed = cls(message, domain, _signatures(document["signatures"]), document.get("reason"), conditions)
            same = document == loads(signed.to_json())
        except _UNREADABLE as error:
            raise MessageMalformed(
                "not a signed message of ours; take the file as it was written", Why.NOT_OURS
            ) from error
        if not same:
            raise MessageMalformed(
                "the file does not say what its message says; take it as it was written", Why.ALTERED
            )  # 2
        return signed

    def save(self, path: Path | str) -> None:
        """Writes a new file; never overwrites. Raises ``MessageFileError``."""
        try:
            with Path(path).open("x", encoding="utf-8") as file:
                file.write(self.to_json())
        except FileExistsError as error:
            raise MessageFileError(f"{path} exists: choose another name, or move that file away first") from error
        except OSError as error:
            raise MessageFileError(
                f"cannot write {path}: {error.strerror}; choose a folder you may write to"
            ) from error

    @classmethod
    def load(cls, path: Path | str) -> "SignedMessage":
        """Raises ``MessageFileError`` and ``MessageMalformed``."""
        return cls.from_json(read_file(path, FILE_BYTES_MAX + 1))

    # --- in a notebook ---

    def rows(self) -> list[tuple[str, str]]:
        """What a person should read before signing or relaying: label and text."""
        content = self.message.typed_data(self.domain)["message"]
        found = [
            ("says", self.message.sentence()),
            *((name, _readable(name, value)) for name, value in content.items()),
        ]
        found += [("chain", str(self.domain.chain_id)), (self.message.CONTRACT, self.domain.contract)]
        found += [("signed by", ", ".join(self.signers) or ("a wallet" if self.signatures else "nobody yet"))]
        if self.conditions is not None:
            found += [(f"condition {number}", text) for number, text in enumerate(self.conditions.texts, start=1)]
        return found + ([("reason", self.reason)] if self.reason is not None else [])

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in self.rows())
        return f"<table><caption>{type(self.message).__name__}</caption>{rows}</table>"


def read_file(path: Path | str, most: int) -> bytes:
    """A file's first bytes. Raises ``MessageFileError``."""
    try:
        with Path(path).open("rb") as file:
            return file.read(most)
    except FileNotFoundError as error:
        raise MessageFileError(f"no file at {path}: correct the path") from error
    except OSError as error:
        raise MessageFileError(f"cannot read {path}: {error.strerror}") from error


_IN_WORDS: dict[str, Callable[[int], str]] = {
    "deadline": words.moment,
    "validFrom": words.moment,
    "validUntil": words.moment,
    "purposes": words.purposes,
    "categories": words.categories,
}


def _readable(name: str, value: Any) -> str:
    """A value for a person: numbers that stand for something also in words, points in time also as a date."""
    if name in _IN_WORDS:
        return f"{value} ({_IN_WORDS[name](int(value))})"
    return ", ".join(value) if isinstance(value, list) else str(value)


def recover(digest: bytes, signature: bytes) -> str | None:
    """The account whose key signed, by the rules of the contracts; None where they would find none."""
    if len(signature) != KEY_SIGNATURE_BYTES or signature[64] not in (27, 28):
        return None
    if int.from_bytes(signature[32:64]) > _HALF_ORDER:
        return None
    compact = signature[:64] + bytes([signature[64] - 27])
    try:
        public = PublicKey.from_signature_and_message(compact, digest, hasher=None)
    except Exception:  # coincurve raises plain Exception and ValueError for what is no signature
        return None
    return str(to_checksum_address(keccak(public.format(compressed=False)[1:])[12:]))


def joined(digest: bytes, signatures: Sequence[bytes]) -> bytes:
    """Signatures of several people as ``Wallet.vy`` takes them."""
    by_signer = {recover(digest, each): each for each in signatures}
    if None in by_signer or len(by_signer) != len(signatures):
        raise SignatureRefused("several signatures have to be those of keys, one of each person", Why.SIGNED_TWICE)
    return b"".join(by_signer[each] for each in sorted(by_signer, key=lambda account: int(str(account), 16)))


def _parse(content: bytes) -> dict[str, Any]:
    if len(content) > FILE_BYTES_MAX:
        raise MessageMalformed(
            f"larger than {FILE_BYTES_MAX} bytes: this is no signed message", Why.TOO_LARGE, most=FILE_BYTES_MAX
        )  # 1
    try:
        document = loads(content.decode("utf-8"), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise MessageMalformed("not the JSON of a signed message", Why.NOT_JSON) from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise MessageMalformed("not a signed message of ours", Why.NOT_OURS)
    if document.get("version") != VERSION or type(document["version"]) is not int:
        raise MessageMalformed(
            f"version {str(document.get('version'))[:20]}, and this software reads {VERSION}",
            Why.VERSION,
            known=VERSION,
        )
    return document


def _typed_data(data: dict[str, Any]) -> tuple[Message, Domain]:
    kind = MESSAGES.get(data["primaryType"])
    if kind is None:
        raise MessageMalformed(
            f"a message that we do not know: {str(data['primaryType'])[:40]!r}",
            Why.KIND,
            kind=str(data["primaryType"])[:40],
        )
    domain = Domain(data["domain"]["chainId"], data["domain"]["verifyingContract"])
    return kind.from_json(data["message"]), domain


def _signatures(values: list[str]) -> tuple[bytes, ...]:
    if not isinstance(values, list) or not all(
        isinstance(each, str) and re.fullmatch(r"0x([0-9a-f]{2})+", each, re.ASCII) for each in values
    ):
        raise MessageMalformed("a signature is 0x and lower-case hex", Why.SIGNATURE_HEX)
    return tuple(bytes.fromhex(each[2:]) for each in values)
