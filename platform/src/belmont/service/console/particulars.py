"""What exactly is wrong with what somebody wrote or handed in, said from the values of the error and never its text.

1. What this service finds wrong itself says so with the problem (``Problem.particular``).
2. What is wrong with a message, its signatures or conditions is a word with values (``belmont.identity.errors``).
3. What a schema refuses is its kind, its field and its bounds, as pydantic tells them.
4. Where there are none of these, there is the error's own text, in English, and marked as that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi.exceptions import RequestValidationError

from belmont.identity.errors import IdentityError, Why
from belmont.service.errors import Problem
from belmont.service.words import Plain, Sentence, Size, Value

QUOTED_MOST: Final = 100
MOST: Final = 5
"""Fields of one form that are told of at once."""
_FIELDS: Final[Mapping[str, Sentence]] = {
    "account": Sentence("Account that signs"),
    "choice": Sentence("Your vote"),
    "conditions": Sentence("Conditions"),
    "duration": Sentence("Duration"),
    "file": Sentence("File"),
    "first_day": Sentence("First day"),
    "identity": Sentence("Identity"),
    "kinds": Sentence("Kinds of notices"),
    "last_day": Sentence("Last day"),
    "message": Sentence("Message"),
    "nonce": Sentence("Text to sign"),
    "reason": Sentence("Reason"),
    "signature": Sentence("Signature"),
    "target": Sentence("Where notices go"),
}
"""What people call the fields of forms; any other is called as the address or the form has it."""


def particulars(problem: Problem) -> tuple[Sentence, ...]:
    """What is wrong, in sentences; none where only the error's text says it (4)."""
    cause = problem.__cause__
    if problem.particular is not None:
        return (problem.particular,)
    if isinstance(cause, IdentityError):
        found = of_identity(cause)
        return () if found is None else (found,)
    if isinstance(cause, RequestValidationError):
        return tuple(dict.fromkeys(_of_field(each) for each in cause.errors()[:MOST]))
    return ()


def of_identity(error: IdentityError) -> Sentence | None:
    """What is wrong with a message, a signature or conditions (2)."""
    given = error.values
    match error.why:
        case None:
            return None
        case Why.TOO_LARGE:
            return Sentence("The file is larger than {most}.", most=Size(int(given["most"])))
        case Why.NOT_JSON:
            return Sentence("The file is no JSON, or was cut off.")
        case Why.NOT_OURS:
            return Sentence("The file is none that belmont wrote.")
        case Why.VERSION:
            return Sentence(
                "The file is of another version; this service reads {known}.", known=Plain(_number("known", given))
            )
        case Why.KIND:
            return Sentence("This service knows no message of the kind “{kind}”.", kind=_quoted(given["kind"]))
        case Why.ALTERED:
            return Sentence("The file does not say what its message says.")
        case Why.FIELDS:
            return Sentence("The message has not exactly the fields of a “{kind}”.", kind=_quoted(given["kind"]))
        case Why.VALUE:
            return Sentence(
                "“{name}” of the message has to be {expected}.", name=_quoted(given["name"]), expected=_kind(given)
            )
        case Why.NOTATION:
            return Sentence("“{name}” of the message is not written as belmont writes it.", name=_quoted(given["name"]))
        case Why.OTHER_REASON:
            return Sentence("The text of the reason is not the one that was signed.")
        case Why.OTHER_CONDITIONS:
            return Sentence("The text of the conditions is not the one that was signed.")
        case Why.SIGNATURES:
            return Sentence("There are at most {most} signatures, each once.", most=given["most"])
        case Why.SIGNATURE_BYTES:
            return Sentence(
                "A signature of a key has 65 bytes; one alone, of a wallet, has at most {most}.", most=given["most"]
            )
        case Why.SIGNATURE_HEX:
            return Sentence("A signature is 0x and hex digits in lower case.")
        case Why.UNSIGNED:
            return Sentence("Nobody has signed it.")
        case Why.SIGNED_TWICE:
            return Sentence("Several signatures have to be of keys, one of each person.")
        case _:
            return of_conditions(error)


def of_conditions(error: IdentityError) -> Sentence:
    """What is wrong with conditions of a board."""
    given = error.values
    match error.why:
        case Why.CONDITIONS_COUNT:
            return Sentence("Write 1 to {most} conditions; join some.", most=given["most"])
        case Why.CONDITION_TWICE:
            return Sentence("One condition is there twice: leave one out.")
        case Why.CONDITION_LENGTH:
            return Sentence(
                "Condition {number} has not 1 to {most} characters.", number=_plain(given), most=given["most"]
            )
        case Why.CONDITION_HIDDEN:
            return Sentence(
                "Condition {number} has a character that nobody sees ({character}): take it out.",
                number=_plain(given),
                character=str(given["character"]),
            )
        case Why.CONDITION_FORM:
            return Sentence("Condition {number} has superfluous space, or letters in parts.", number=_plain(given))
        case _:
            return Sentence("The conditions are not as they were written.")


def _plain(given: Mapping[str, str | int]) -> Plain:
    return Plain(_number("number", given))


def _number(name: str, given: Mapping[str, str | int]) -> int:
    return int(given[name])


def _quoted(given: object) -> str:
    """The beginning of what a stranger wrote, as every answer can carry it."""
    return str(given)[:QUOTED_MOST].encode("utf-8", "replace").decode()


def _kind(given: Mapping[str, str | int]) -> Sentence:
    """What a field of a message has to be, by its type of EIP-712."""
    kind = str(given["kind"])
    match kind:
        case "address":
            return Sentence("an account with its checksum")
        case "address[]":
            return Sentence("at most {most} accounts with their checksums", most=given["most"])
        case "bytes32":
            return Sentence("32 bytes")
        case "bytes":
            return Sentence("at most {most}", most=Size(_number("most", given)))
        case "bool":
            return Sentence("true or false")
        case _:
            return Sentence("a whole number of at most {bits} bits", bits=Plain(int(kind.removeprefix("uint"))))


def _of_field(found: Mapping[str, Any]) -> Sentence:
    """What a schema refuses (3)."""
    name = str(found["loc"][-1]) if found["loc"] else ""
    field: Value = _FIELDS.get(name, _quoted(name))
    bounds = found.get("ctx", {})
    match found["type"]:
        case "missing":
            return Sentence("“{field}” is missing.", field=field)
        case "string_too_long":
            return Sentence("“{field}” has at most {most} characters.", field=field, most=bounds["max_length"])
        case "too_long":
            return Sentence("“{field}” names at most {most}.", field=field, most=bounds["max_length"])
        case "greater_than_equal":
            return Sentence("“{field}” is at least {least}.", field=field, least=bounds["ge"])
        case "less_than_equal":
            return Sentence("“{field}” is at most {most}.", field=field, most=bounds["le"])
        case "less_than":
            return Sentence("“{field}” is less than {most}.", field=field, most=bounds["lt"])
        case "int_parsing" | "int_type" | "int_parsing_size":
            return Sentence("“{field}” is a whole number.", field=field)
        case "literal_error" | "enum":
            return Sentence("“{field}” is none of those that can be chosen.", field=field)
        case _:
            return Sentence("“{field}” is not written as it is taken here.", field=field)
