"""Where things have their page, and how bytes and times are written for programs."""

import re
from datetime import UTC, datetime

from belmont.service import words

_PAGES = {
    "study": "/studies/{}",
    "permit": "/permits/{}",
    "dataset": "/datasets/{}",
    "member": "/members#{}",
    "model": "/releases/{}",
    "proposal": "/proposals#members-{}",
    "rule_proposal": "/proposals#rules-{}",
}
_LOCAL = re.compile(r"/(?![/\\])[^\x00-\x20\x7f\\]*", re.ASCII)


def address_of(kind: str, key: object) -> str | None:
    """The page of a thing (``belmont.service.words.Thing``); None where it has none."""
    page = _PAGES.get(kind)
    return page.format(key) if page else None


def hexed(content: bytes) -> str:
    """``0x`` and every digit."""
    return f"0x{content.hex()}"


def shortened(content: bytes) -> str:
    """``0x12345678…abcd``."""
    return words.shortened(content, 4)


def rfc3339(seconds: int) -> str:
    """A Unix second as RFC 3339 in UTC; the number itself for one that no calendar has."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return str(seconds)


def local(path: str | None, otherwise: str = "/") -> str:
    """A path of this service to lead back to; ``otherwise`` for whatever leads elsewhere."""
    return path if path and len(path) <= 2_000 and _LOCAL.fullmatch(path) else otherwise
