"""Kinds of documents: how large each may be, how it is served, and by what the chain knows it.

1. The media type follows from the kind, whatever whoever hands it in says. None is one that a browser runs.
2. The chain knows most by the SHA-256 of their bytes. A configuration has a hash of its own, of what it says, and is
   kept in one form, canonical JSON; so that both are the same for the same configuration.
3. A round's record has no hash on chain. It is known by permit and round, and taken if it proves itself (``records``).
4. Why an amendment is asked for has no hash on chain either. It is known by its study, and taken from the applicant.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from belmont.federated.errors import FederatedError
from belmont.federated.hashes import MAX_CONFIG_BYTES, canonical_json, code_hash, config_hash
from belmont.identity.strict_json import loads
from belmont.service.errors import Malformed, TooLarge

KIB: Final = 1024
MIB: Final = 1024 * KIB
TEXT, JSON, BYTES = "text/plain; charset=utf-8", "application/json", "application/octet-stream"


class Kind(StrEnum):
    """What a document is; the value is its name in addresses."""

    PROTOCOL = "protocol"
    CONFIGURATION = "configuration"
    CODE = "code"
    """A Flower App Bundle."""
    REASON = "reason"
    """Of a vote, a recusal, a freeze, a revocation, an objection, a pause."""
    CONDITIONS = "conditions"
    """Of an approval, as ``belmont.identity.approval_conditions`` writes them."""
    AMENDMENT = "amendment"
    """Why an amendment is asked for."""
    MODEL_CARD = "model-card"
    EVIDENCE = "evidence"
    """Of a release: the record of its evaluation round."""
    ROUND = "round"
    """The record of a secure round, for ``belmont verify-round``."""


@dataclass(frozen=True)
class Form:
    """How a kind is kept and served."""

    most_bytes: int
    media_type: str
    suffix: str


FORMS: Final = {
    Kind.PROTOCOL: Form(MIB, TEXT, ".txt"),
    Kind.CONFIGURATION: Form(MAX_CONFIG_BYTES, JSON, ".json"),
    Kind.CODE: Form(10 * MIB, BYTES, ".fab"),
    Kind.REASON: Form(64 * KIB, TEXT, ".txt"),
    Kind.CONDITIONS: Form(96 * KIB, JSON, ".json"),
    Kind.AMENDMENT: Form(64 * KIB, TEXT, ".txt"),
    Kind.MODEL_CARD: Form(MIB, JSON, ".json"),
    Kind.EVIDENCE: Form(16 * MIB, JSON, ".json"),
    Kind.ROUND: Form(16 * MIB, JSON, ".json"),
}
MOST_BYTES: Final = max(form.most_bytes for form in FORMS.values())


def refuse_large(kind: Kind, size: int) -> None:
    """Raises TooLarge."""
    most = FORMS[kind].most_bytes
    if size > most:
        raise TooLarge(f"A document of the kind {kind} has at most {most} bytes.")


def read_as(kind: Kind, content: bytes) -> tuple[bytes, bytes]:
    """What the chain knows these bytes by, as a document of a kind that it knows by a hash, and the bytes to keep.

    Raises Malformed for what is no such document, TooLarge.
    """
    refuse_large(kind, len(content))
    if kind is Kind.CODE:
        return code_hash(content), content
    if kind is Kind.CONFIGURATION:
        return _configuration(content)  # 2
    text_of(content)
    return hashlib.sha256(content).digest(), content


def text_of(content: bytes) -> str:
    """The text of bytes in UTF-8. Raises Malformed."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed("This is no text in UTF-8.", code="NOT_TEXT") from error
    if not text or "\0" in text:
        raise Malformed("This is no text: it is empty, or has a character that ends texts.", code="NOT_TEXT")
    return text


def _configuration(content: bytes) -> tuple[bytes, bytes]:
    try:
        config = loads(content)
        if not isinstance(config, dict):
            raise ValueError
        return config_hash(config), canonical_json(config)
    except (ValueError, RecursionError, FederatedError) as error:
        raise Malformed(
            "This is no run configuration: one JSON object of texts, numbers and truth values.",
            code="NOT_A_CONFIGURATION",
        ) from error
