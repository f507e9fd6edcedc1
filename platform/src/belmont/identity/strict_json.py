"""JSON of strangers: not deeper than asked for.

Python's decoder raises RecursionError for lists and objects too deep in one another, unless something raised the
interpreter's recursion limit, as py-evm and py_ecc do when they are imported: then it runs out of stack, and ends the
process. So brackets are counted before anything is parsed. Those within text do not count: a ``]`` there would hide a
``[`` outside. Where the first value ends they need not be counted further: nothing behind it is parsed. For the same
reason as before bytes are UTF-8, which ``json.loads`` alone would not insist on.
"""

import json
import re
from typing import Any, Final

MOST_DEPTH: Final = 32
_TEXT_OR_BRACKET: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)


def loads(data: bytes | str, *, most_depth: int = MOST_DEPTH, **hooks: Any) -> Any:
    """What the text says, as ``json.loads`` reads it. Raises ValueError for what is no JSON, or nested too deeply."""
    text = data if isinstance(data, str) else str(data, "utf-8")
    depth = 0
    for found in _TEXT_OR_BRACKET.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found[0], 0)
        if depth > most_depth:
            raise ValueError(f"lists or objects more than {most_depth} deep in one another")
        if depth <= 0:
            break
    return json.loads(text, **hooks)


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object that names no field twice: an ``object_pairs_hook``. Raises ValueError."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a field is given twice")
    return found
