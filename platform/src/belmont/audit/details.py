"""An event's details as text: exactly, and as what people search for.

1. JSON holds every value exactly: numbers of any size, bytes (as ``{"0x": hex}``), tuples (as lists), addresses (as
   text), fields of a struct (as ``{"fields": {...}}``), surrogates, of which JSON would make other characters (as
   ``{"text": hex}``). Only ASCII: no database sees what a stranger wrote.
2. Text to search in is folded (Unicode NFKC and case folding), without NUL and surrogates, which PostgreSQL refuses.
   Bytes are ``0x`` and hex. Words are apart by one space, with one before the first and after the last.
3. A number of up to five digits is searched as a whole number: part of a hash, it would be found everywhere. It is one
   where it stands beside an ellipsis.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from typing import Any, Final

from belmont.audit.errors import QueryError
from belmont.identity.strict_json import loads

SEARCH_TEXT_MAX: Final = 16_384
QUERY_TEXT_MAX: Final = 200
QUERY_WORDS_MAX: Final = 12
WHOLE_NUMBER_DIGITS: Final = 5
_NO_TEXT: Final = re.compile("[\x00\ud800-\udfff]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_DIGITS: Final = re.compile(r"[0-9]+")
_LEFT_OUT: Final = re.compile(r"…|\.\.\.+")


def to_json(details: dict[str, Any]) -> str:
    """Rule 1."""
    return json.dumps({name: _jsonable(value) for name, value in details.items()}, separators=(",", ":"))


def from_json(text: str) -> dict[str, Any]:
    """What ``to_json`` was given. Raises ``ValueError``."""
    found = loads(text)
    if not isinstance(found, dict):
        raise ValueError("details are not an object")
    return {name: _value(value) for name, value in found.items()}


def _jsonable(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"0x": value.hex()}
    if isinstance(value, tuple | list):
        return [_jsonable(each) for each in value]
    if isinstance(value, dict):
        return {"fields": {name: _jsonable(each) for name, each in value.items()}}
    if isinstance(value, str) and _SURROGATE.search(value):
        return {"text": value.encode("utf-8", "surrogatepass").hex()}
    return value


def _value(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_value(each) for each in value)
    if isinstance(value, dict):
        ((kind, content),) = value.items()
        if kind == "fields":
            return {name: _value(each) for name, each in content.items()}
        data = bytes.fromhex(content)
        return data if kind == "0x" else data.decode("utf-8", "surrogatepass")
    return value


def folded(text: str) -> str:
    """Text as it is compared: rule 2."""
    return unicodedata.normalize("NFKC", _NO_TEXT.sub("\ufffd", text)).casefold()


def search_text(*values: Any) -> str:
    """The words of some values: rule 2."""
    words = " ".join(word for value in values for word in _words(value))
    return f" {words[:SEARCH_TEXT_MAX]} "


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, bytes):
        yield f"0x{value.hex()}"
    elif isinstance(value, int):
        yield str(value)
    elif isinstance(value, str):
        words = folded(value).split()
        yield from words
        if not value.startswith("0x"):
            # rule 3 finds the 19 of COVID-19
            yield from (digits for word in words if not word.isdigit() for digits in _DIGITS.findall(word))
    else:
        for each in value.values() if isinstance(value, dict) else value:
            yield from _words(each)


def asked_words(text: str) -> list[str]:
    """What a search text asks for: parts of a ``search_text`` that all have to be there.

    Hashes may be shortened as people paste them: ``0x12ab…89ef``. Raises ``QueryError``.
    """
    if len(text) > QUERY_TEXT_MAX:
        raise QueryError(f"a search text has at most {QUERY_TEXT_MAX} characters")
    words: list[str] = []
    for word in folded(text).split():
        whole, *others = _LEFT_OUT.split(word)
        if not others and whole.isdigit() and len(whole) <= WHOLE_NUMBER_DIGITS:
            words.append(f" {whole} ")
        else:
            words += [part for part in (whole, *others) if part]
    words = list(dict.fromkeys(words))
    if len(words) > QUERY_WORDS_MAX:
        raise QueryError(f"a search text has at most {QUERY_WORDS_MAX} words")
    return words
