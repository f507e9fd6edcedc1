"""Conditions that a member of an ethics board sets with a vote for a study: one text form, one hash.

Not to be confused with the conditions of a dataset's data use (``belmont.registry.duo``). The text stays off chain; a
vote holds its hash (docs/registry.md, "Approval with conditions"). Rules:

1. 1 to 20 conditions, each of 1 to 1,000 printable characters (Unicode code points), none twice.
2. One form: Unicode NFC (UAX 15), no white space but single spaces between words.
3. The bytes are canonical JSON (RFC 8785) in UTF-8 of an object with its format and version, and the conditions in
   order. ``parse`` takes these bytes and no others, also if they only mean the same.
4. The hash is SHA-256 of these bytes.
"""

import hashlib
import json
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from belmont.identity.errors import ApprovalConditionsMalformed, Why
from belmont.identity.strict_json import loads

FORMAT: Final = "belmont-approval-conditions"
VERSION: Final = 1
CONDITIONS_MAX: Final = 20
CONDITION_CHARACTERS_MAX: Final = 1_000
CANONICAL_BYTES_MAX: Final = 96 * 1024
"""More than the longest there can be: a character takes at most four bytes."""


@dataclass(frozen=True)
class ApprovalConditions:
    """Conditions in their one form; ``of`` makes them from what a person wrote. Raises ApprovalConditionsMalformed."""

    texts: tuple[str, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.texts, tuple) or not 1 <= len(self.texts) <= CONDITIONS_MAX:
            raise ApprovalConditionsMalformed(
                f"give 1 to {CONDITIONS_MAX} conditions; join some, or give none",
                Why.CONDITIONS_COUNT,
                most=CONDITIONS_MAX,
            )  # 1
        for number, text in enumerate(self.texts, start=1):
            _check(number, text)
        if len(set(self.texts)) != len(self.texts):
            raise ApprovalConditionsMalformed("a condition is there twice: leave one out", Why.CONDITION_TWICE)  # 1

    @classmethod
    def of(cls, texts: Iterable[str]) -> Self:
        """From texts as a person wrote them: in NFC, with every run of white space as one space."""
        given = tuple(texts) if not isinstance(texts, str | bytes) else ()
        if not all(isinstance(text, str) for text in given):
            raise ApprovalConditionsMalformed("conditions are a list of texts")
        return cls(tuple(_tidy(text) for text in given))

    def canonical(self) -> bytes:
        """The bytes that are hashed (3)."""
        content = {"conditions": list(self.texts), "format": FORMAT, "version": VERSION}
        return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()

    @property
    def hash(self) -> bytes:
        """32 bytes: what the vote says (4)."""
        return hashlib.sha256(self.canonical()).digest()

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Reads canonical bytes, and nothing else (3)."""
        if len(data) > CANONICAL_BYTES_MAX:
            raise ApprovalConditionsMalformed(f"longer than {CANONICAL_BYTES_MAX} bytes: no conditions of ours")
        try:
            content = loads(data)
            found = cls(tuple(content["conditions"]))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ApprovalConditionsMalformed("no conditions of a board; take them as they were written") from error
        if found.canonical() != data:
            raise ApprovalConditionsMalformed("the conditions are not in their canonical form; take them as written")
        return found


def _tidy(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def _check(number: int, text: object) -> None:
    if not isinstance(text, str) or not 1 <= len(text) <= CONDITION_CHARACTERS_MAX:
        raise ApprovalConditionsMalformed(
            f"condition {number} has not 1 to {CONDITION_CHARACTERS_MAX} characters",
            Why.CONDITION_LENGTH,
            number=number,
            most=CONDITION_CHARACTERS_MAX,
        )
    hidden = next((letter for letter in text if not letter.isprintable()), None)
    if hidden is not None:
        raise ApprovalConditionsMalformed(
            f"condition {number} has a character that nobody sees (U+{ord(hidden):04X}): take it out",
            Why.CONDITION_HIDDEN,
            number=number,
            character=f"U+{ord(hidden):04X}",
        )
    if text != _tidy(text):
        raise ApprovalConditionsMalformed(
            f"condition {number} is not in its one form (NFC, single spaces)", Why.CONDITION_FORM, number=number
        )  # 2
