"""A stranger's text so that a person sees all of it: what has no shape of its own is written out.

Characters that turn the direction of a line, take no space or control a terminal make code read other than it runs
(Boucher and Anderson, Trojan Source, USENIX Security 2023).
"""

import unicodedata

_HIDDEN = frozenset(("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"))
_KEPT = frozenset("\t\n")
_BLANK = frozenset("\u00a0\u115f\u1160\u2800\u3164\uffa0")
"""Look like a space, or like nothing, and are letters or signs."""


def is_hidden(character: str) -> bool:
    """Whether a reader would not see this character as what it is."""
    if character.isascii():
        return character not in _KEPT and unicodedata.category(character) == "Cc"
    return character in _BLANK or unicodedata.category(character) in _HIDDEN


def visible(text: str) -> str:
    """The text with each hidden character as its number, such as ``[U+202E]``."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(f"[U+{ord(each):04X}]" if is_hidden(each) else each for each in text)
