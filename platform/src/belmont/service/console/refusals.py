"""Why something was refused, in words and in the visitor's language, and what to do.

1. A contract's word has its words and its remedy in the registry (``belmont.service.words.names``).
2. What this service refuses is said by its code (``refusal_words``). Errors about what somebody wrote have their
   particulars beside the words, from the values of the error (``particulars``). Where there are only texts of libraries
   these are shown, in English and marked as that; so are those of a code without words, which a test keeps from being.
"""

from __future__ import annotations

from dataclasses import dataclass

from belmont.service.console.particulars import particulars
from belmont.service.console.refusal_words import PARTICULAR, SAID, UNKNOWN
from belmont.service.errors import Problem, problem_of
from belmont.service.words import Sentence, Words
from belmont.service.words import names as named


@dataclass(frozen=True)
class Refused:
    """Why something was not taken, in words, and what to do about it."""

    status: int
    code: str
    says: Sentence
    remedy: Sentence | None
    particulars: tuple[Sentence, ...] = ()
    """What is wrong with what was written."""
    english: str = ""
    """The same as a library says it, where nobody else does."""

    def text(self, words: Words) -> str:
        """All of it but what is in English, in a language."""
        every = (self.says, *self.particulars, *([self.remedy] if self.remedy else ()))
        return " ".join(words.say(each) for each in every)


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
        found = particulars(problem)
        english = problem.detail if code in PARTICULAR and not found else ""
        return Refused(status, code, said, remedy, found, english)
    return Refused(status, code, UNKNOWN, None, (), f"{problem.detail} {problem.remedy}".strip())
