"""Errors of ``service/words``: all are faults of ours or of a translation, never of who reads.

WordsError
|- UnknownLanguage     a language that there is no catalogue for
|- CatalogueBroken     a ``.po`` file that cannot be read
`- Unspeakable         a value, or a placeholder, that nothing says
"""

from belmont.service.errors import ServiceError


class WordsError(ServiceError):
    """Any of them."""


class UnknownLanguage(WordsError):
    """Languages are ``en`` and ``zh-Hans``; ``negotiate`` finds the one to speak."""


class CatalogueBroken(WordsError):
    """A ``.po`` file that cannot be read: the service does not start with half a language."""


class Unspeakable(WordsError):
    """A message whose placeholder nobody gave, or a value that has no words."""
