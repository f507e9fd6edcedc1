"""What a hospital's own log may say of an exception: its built-in kind and its place, never its text.

The text, and the name of a class that a study defined, can hold records.
"""

import builtins
import traceback

_BUILT_IN = [value for value in vars(builtins).values() if isinstance(value, type)]


def place_of(error: BaseException) -> str:
    """The nearest built-in class of an exception, and the file and line of the last five calls that led to it."""
    kind = next(base for base in type.mro(type(error)) if any(base is known for known in _BUILT_IN))
    calls = traceback.extract_tb(error.__traceback__)[-5:]
    return " < ".join([kind.__name__, *(f"{call.filename}:{call.lineno}" for call in reversed(calls))])
