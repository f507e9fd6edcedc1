"""JSON of strangers: not deeper than asked for.

Python's decoder raises RecursionError for lists and objects too deep in one another, unless something raised the
interpreter's recursion limit, as py-evm and py_ecc do when they are imported: then it runs out of stack, and ends the
process. So brackets are counted before anything is parsed; those within text count too, which refuses at worst a text
of brackets.
"""

import json
import re
from typing import Any, Final

MOST_DEPTH: Final = 32
_BRACKETS: Final = re.compile(rb"[\[\]{}]")


def loads(data: bytes | str, *, most_depth: int = MOST_DEPTH, **hooks: Any) -> Any:
    """What the text says, as ``json.loads`` reads it. Raises ValueError for what is no JSON, or nested too deeply."""
    text = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else bytes(data)
    depth = 0
    for found in _BRACKETS.finditer(text):
        depth += 1 if found[0] in b"[{" else -1
        if depth > most_depth:
            raise ValueError(f"lists or objects more than {most_depth} deep in one another")
    return json.loads(text, **hooks)
