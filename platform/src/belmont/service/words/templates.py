"""Words in Jinja templates.

1. An environment speaks one language: macros that are imported without a context would otherwise not know which. Make
   one environment a language; they can share a loader.
2. ``_("... %(name)s", name=value)``, ``gettext``, ``ngettext`` and ``{% trans %}`` are jinja2.ext.i18n's, newstyle:
   parameters are escaped, the message is not, since it is ours. A literal percent sign is ``%%``.
3. Filters say values: ``{{ study.status|say }}``, ``{{ sentence|say }}``, ``{{ seconds|moment }}``.
"""

from collections.abc import Callable
from typing import Any

from jinja2 import Environment

from belmont.service.words.speaking import Words

EXTENSION = "jinja2.ext.i18n"


def install(environment: Environment, words: Words) -> None:
    """Has an environment speak (1): ``words``, ``lang``, the functions of 2 and the filters of 3."""
    if EXTENSION not in environment.extensions and not any(
        getattr(each, "identifier", "") == EXTENSION for each in environment.extensions.values()
    ):
        environment.add_extension(EXTENSION)
    installed: Any = environment
    installed.install_gettext_callables(words.gettext, words.ngettext, newstyle=True)
    environment.globals |= {"words": words, "lang": words.language}
    filters: dict[str, Callable[..., object]] = {
        "say": words.say,
        "parts": words.parts,
        "moment": words.moment,
        "day": words.day,
        "ago": words.ago,
        "span": words.span,
        "number": words.number,
        "percent": words.percent,
        "size": words.size,
        "listed": words.listed,
    }
    environment.filters |= filters
