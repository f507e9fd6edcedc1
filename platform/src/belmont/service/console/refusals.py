"""Why something was refused, in words and in the visitor's language, and what to do.

1. A contract's word has its words and its remedy in the registry (``belmont.service.words.names``).
2. What this service refuses is said here by its code. For a code that is not here, what the error itself says is shown,
   which is English; errors about what somebody wrote have their particulars beside the words.
"""

from __future__ import annotations

from dataclasses import dataclass

from belmont.service.errors import problem_of
from belmont.service.words import Sentence
from belmont.service.words import names as named

_MESSAGE = Sentence("This is no signed message as belmont writes it, or it was changed.")
_AGAIN = Sentence("Load the page again, and try once more.")
SAID: dict[str, tuple[Sentence, Sentence | None]] = {
    "NOT_SIGNED_IN": (Sentence("This is for members and patients who are signed in."), Sentence("Sign in first.")),
    "NOT_ALLOWED": (Sentence("This is for members in another role than yours."), None),
    "OTHER_ORIGIN": (Sentence("This request did not come from a page of this service."), _AGAIN),
    "CSRF_TOKEN_INVALID": (Sentence("The page is from an older sign-in, or its form was incomplete."), _AGAIN),
    "NOT_FOUND": (Sentence("The consortium has no such record, or this service no such page."), None),
    "METHOD_NOT_ALLOWED": (Sentence("The consortium has no such record, or this service no such page."), None),
    "TOO_LARGE": (Sentence("More was sent than is taken."), None),
    "TOO_MANY_REQUESTS": (Sentence("You ask more often than this service allows."), Sentence("Wait a minute.")),
    "STARTING": (
        Sentence("This service has just started, and has not read the chain yet."),
        Sentence("Wait a minute."),
    ),
    "CHAIN_UNREACHABLE": (Sentence("The chain does not answer; nothing was done."), Sentence("Try again later.")),
    "DATABASE_UNREACHABLE": (
        Sentence("This service's database does not answer; nothing was done."),
        Sentence("Try again later."),
    ),
    "TRAIL_FULL": (
        Sentence("Accesses cannot be written down; nothing is answered before they can."),
        Sentence("Try again later."),
    ),
    "SIGNATURE_MISSING": (
        Sentence("Nothing was signed yet."),
        Sentence("Sign with a wallet, or hand in the signed file."),
    ),
    "MESSAGE_MALFORMED": (_MESSAGE, Sentence("Take the file as it was written.")),
    "OTHER_CONSORTIUM": (Sentence("This message is for another consortium."), None),
    "NOT_YOURS": (Sentence("Only members hand in what somebody else signed."), None),
    "NOT_RELAYED": (Sentence("Messages of this kind are not handed in here."), Sentence("Use belmont relay.")),
    "STEP_UP_REQUIRED": (
        Sentence("Your hardware key has to be touched for this very message first."),
        Sentence("Sign again on this page, and touch the key when you are asked."),
    ),
    "INTERNAL": (Sentence("Something is wrong here. It was logged for the operator."), None),
}
"""By code (2)."""
PARTICULAR = ("MALFORMED", "MESSAGE_MALFORMED")
"""Codes whose errors say what is wrong with what was written."""


@dataclass(frozen=True)
class Refused:
    """Why something was not taken, in words, and what to do about it."""

    status: int
    code: str
    says: Sentence
    remedy: Sentence | None
    particulars: str = ""
    """What is wrong with what was written, in English."""


def refusal(error: Exception, status: int | None = None) -> Refused | None:
    """What an error says to a person; None for one that is nobody's business but the operator's."""
    problem = problem_of(error)
    if problem is None:
        return None
    status, code = status or int(problem.status), problem.code
    known = named.refusal(code)
    if known is not None:  # 1
        says = Sentence("The contract refuses: {word}.", word=named.of(known))
        return Refused(status, code, says, named.remedy(known))
    if code in SAID:  # 2
        said, remedy = SAID[code]
        return Refused(status, code, said, remedy, problem.detail if code in PARTICULAR else "")
    remedy = Sentence("{text}", text=problem.remedy) if problem.remedy else None
    return Refused(status, code, Sentence("{text}", text=problem.detail), remedy)
