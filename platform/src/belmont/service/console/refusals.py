"""Why something was refused, in words and in the visitor's language, and what to do.

1. A contract's word has its words and its remedy in the registry (``belmont.service.words.names``).
2. What this service refuses is said here by its code. For a code that is not here, what the error itself says is shown,
   which is English; errors about what somebody wrote have their particulars beside the words.
"""

from __future__ import annotations

from dataclasses import dataclass

from belmont.service.errors import Problem, problem_of
from belmont.service.words import Sentence
from belmont.service.words import names as named

_MESSAGE = Sentence("This is no signed message as belmont writes it, or it was changed.")
_AGAIN = Sentence("Load the page again, and try once more.")
_SIGN_IN_AGAIN = Sentence("Begin the sign-in again, in one browser and within five minutes.")
_NOT_SIGNED = (Sentence("Nothing was signed yet."), Sentence("Sign with a wallet, or hand in the signed file."))
_NO_SUCH = (Sentence("The consortium has no such record, or this service no such page."), None)
_NO_DATABASE = (
    Sentence("This service's database does not answer; nothing was done."),
    Sentence("Try again later."),
)
SAID: dict[str, tuple[Sentence, Sentence | None]] = {
    "NOT_SIGNED_IN": (Sentence("This is for members and patients who are signed in."), Sentence("Sign in first.")),
    "NOT_ALLOWED": (Sentence("This is for members in another role than yours."), None),
    "OTHER_ORIGIN": (Sentence("This request did not come from a page of this service."), _AGAIN),
    "CSRF_TOKEN_INVALID": (Sentence("The page is from an older sign-in, or its form was incomplete."), _AGAIN),
    "NOT_FOUND": _NO_SUCH,
    "METHOD_NOT_ALLOWED": _NO_SUCH,
    "TOO_LARGE": (Sentence("More was sent than is taken."), None),
    "TOO_MANY_REQUESTS": (Sentence("You ask more often than this service allows."), Sentence("Wait a minute.")),
    "STARTING": (
        Sentence("This service has just started, and has not read the chain yet."),
        Sentence("Wait a minute."),
    ),
    "CHAIN_UNREACHABLE": (Sentence("The chain does not answer; nothing was done."), Sentence("Try again later.")),
    "DATABASE_UNREACHABLE": _NO_DATABASE,
    "INDEX_UNAVAILABLE": _NO_DATABASE,
    "TRAIL_FULL": (
        Sentence("Accesses cannot be written down; nothing is answered before they can."),
        Sentence("Try again later."),
    ),
    "SIGNATURE_MISSING": _NOT_SIGNED,
    "MESSAGE_MALFORMED": (_MESSAGE, Sentence("Take the file as it was written.")),
    "OTHER_CONSORTIUM": (Sentence("This message is for another consortium."), None),
    "NOT_YOURS": (Sentence("Only members hand in what somebody else signed."), None),
    "NOT_RELAYED": (Sentence("Messages of this kind are not handed in here."), Sentence("Use belmont relay.")),
    "STEP_UP_REQUIRED": (
        Sentence("Your hardware key has to be touched for this very message first."),
        Sentence("Sign again on this page, and touch the key when you are asked."),
    ),
    "MALFORMED": (
        Sentence("Something in this address or form is not as this service takes it."),
        Sentence("Go back and correct it; where you followed a link, tell whoever wrote it."),
    ),
    "NONCE_INVALID": (
        Sentence("This text was signed in with already, is too old, or was shown in another browser."),
        _SIGN_IN_AGAIN,
    ),
    "SIGNATURE_INVALID": (
        Sentence("The signature is not one of this account under this text."),
        Sentence("Sign the text as it was downloaded, with the key of the account that you entered."),
    ),
    "NOT_THE_OWNER": (
        Sentence("This key does not speak for this identity now: it was replaced, or is a delegate's."),
        Sentence("Sign in with the key that owns the identity."),
    ),
    "STATE_INVALID": (
        Sentence("Your institution's answer was used already, came too late, or was for another browser."),
        _SIGN_IN_AGAIN,
    ),
    "PROVIDER_REFUSED": (Sentence("Your institution's sign-in did not let you in."), _SIGN_IN_AGAIN),
    "PROVIDER_UNAVAILABLE": (
        Sentence("Your institution's sign-in does not answer."),
        Sentence("Try again later, or sign in with your key."),
    ),
    "NOT_MAPPED": (
        Sentence("Your institution knows you, but this service was not told which member you are."),
        Sentence("Ask the operator of this service to name you, or sign in with your key."),
    ),
    "NOT_A_PATIENT": (
        Sentence("Nobody with this account is a patient at a hospital of this service."),
        Sentence("Show the address of your account to your hospital; it enrols it."),
    ),
    "FILES_UNUSABLE": (
        Sentence("The hospital's files cannot be read just now. Nothing is lost."),
        Sentence("Try again later; tell the hospital if it stays so."),
    ),
    "NOT_SIGNED": _NOT_SIGNED,
    "SIGNATURE_MALFORMED": (
        Sentence("This is no signature: it is 0x and hex digits."),
        Sentence("Take all that the wallet or belmont sign gave, from 0x on."),
    ),
    "NOT_A_CONSENT": (Sentence("This is no consent and no revocation."), Sentence("Hand in the file that you signed.")),
    "OTHER_ACTOR": (Sentence("This was signed for another account than yours."), None),
    "OTHER_DATASET": (Sentence("This is about another hospital's data."), None),
    "QUERY_MALFORMED": (Sentence("The filter is not as this service takes it."), Sentence("Go back and correct it.")),
    "INTERNAL": (Sentence("Something is wrong here. It was logged for the operator."), None),
}
"""By code (2)."""
PARTICULAR = ("MALFORMED", "MESSAGE_MALFORMED", "QUERY_MALFORMED")
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


def refusal(error: Exception) -> Refused | None:
    """What an error says to a person; None for one that is nobody's business but the operator's."""
    problem = problem_of(error)
    return None if problem is None else told(problem, int(problem.status))


def told(problem: Problem, status: int) -> Refused:
    """The same of what is answered, with the status that it is answered with."""
    code = problem.code
    known = named.refusal(code)
    if known is not None:  # 1
        says = Sentence("The contract refuses: {word}.", word=named.of(known))
        return Refused(status, code, says, named.remedy(known))
    if code in SAID:  # 2
        said, remedy = SAID[code]
        particulars = f"{problem.detail} {problem.remedy}".strip() if code in PARTICULAR else ""
        return Refused(status, code, said, remedy, particulars)
    remedy = Sentence("{text}", text=problem.remedy) if problem.remedy else None
    return Refused(status, code, Sentence("{text}", text=problem.detail), remedy)
