"""Templates to pages: escaped, in the visitor's language, with what every page shows.

1. Everything is escaped unless a template of ours says that it is HTML.
2. A name that a template does not find is an error, not an empty text.
3. What a stranger wrote is shown as it is, but for characters that nobody sees or that turn text around: each of those
   is shown as one replacement character. So a title cannot pose as another.
4. One environment for each language (``belmont.service.words.templates``, rule 1); language and theme are what the
   visitor chose, kept in cookies that hold nothing else.
"""

import unicodedata
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from belmont.registry.types import Role
from belmont.service import words
from belmont.service.access.visitor import ACTING, Visitor, Who
from belmont.service.config import ServiceConfig
from belmont.service.console import addresses
from belmont.service.console.navigation import sections_for
from belmont.service.console.offline import Offline

AREA = Path(__file__).resolve().parent.parent
TEMPLATE_FOLDERS = (AREA / "console/templates", AREA / "patient/templates", AREA / "sign_in/templates")
STATIC = AREA / "console/static"
LANGUAGE_COOKIE, THEME_COOKIE = "belmont-language", "belmont-theme"
THEMES = ("auto", "light", "dark")
_SEEN_AS_NOTHING = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
_KEPT = {"\n", "\t", "\u200c", "\u200d"}
"""Line ends; and the joiners that some scripts are written with, which turn nothing around."""
_BLANK = {"\u034f", "\u115f", "\u1160", "\u17b4", "\u17b5", "\u2800", "\u3164", "\uffa0"}
"""Letters and signs that show as nothing, or as a space (Unicode, Default_Ignorable_Code_Point; Braille's blank)."""


class Pages:
    """Renders the templates of the service."""

    def __init__(self, config: ServiceConfig) -> None:
        self._config = config
        self._environments = {code: _environment(code, config) for code in words.LANGUAGES}  # 4

    def language(self, request: Request) -> str:
        """The language that a visitor chose, or whose browser asks for; always one of those that are configured."""
        found = words.negotiate(
            cookie=request.cookies.get(LANGUAGE_COOKIE), accept=request.headers.get("accept-language")
        )
        return found if found in self._config.languages else self._config.languages[0]

    def words(self, request: Request) -> words.Words:
        """The same, to say things in outside a template."""
        return words.of(self.language(request))

    def page(self, request: Request, template: str, status: int = 200, /, **context: Any) -> HTMLResponse:
        """A page, with the visitor, the service's name and the way back to where the visitor is."""
        return HTMLResponse(self.rendered(request, template, **context), status)

    def rendered(self, request: Request, template: str, **context: Any) -> str:
        """The same as text: for a fragment of a page as well."""
        visitor: Visitor = getattr(request.state, "visitor", None) or Visitor()
        language = self.language(request)
        theme = request.cookies.get(THEME_COOKIE, "")
        query = f"?{request.url.query}" if request.url.query else ""
        return (
            self._environments[language]
            .get_template(template)
            .render(
                request=request,
                visitor=visitor,
                service_name=self._config.name,
                language=language,
                languages=[(code, words.LANGUAGES[code].own_name) for code in self._config.languages],
                theme=theme if theme in THEMES else THEMES[0],
                themes=THEMES,
                here=f"{request.url.path}{query}" if request.method in ("GET", "HEAD") else "/",
                navigation=sections_for(visitor),
                acting=visitor.is_one_of(ACTING),
                on_board=visitor.is_one_of((Who.BOARD,)),
                only_auditing=visitor.roles == Role.AUDITOR,
                **context,
            )
        )


def shown(value: object) -> object:
    """What a template is about to write: a stranger's text without what nobody sees (3)."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    if value.isascii() and value.isprintable():
        return value
    return "".join(
        "\ufffd"
        if letter in _BLANK or (unicodedata.category(letter) in _SEEN_AS_NOTHING and letter not in _KEPT)
        else letter
        for letter in value
    )


def _environment(code: str, config: ServiceConfig) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE_FOLDERS),
        autoescape=True,  # 1
        undefined=StrictUndefined,  # 2
        finalize=shown,  # 3
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    spoken = words.of(code)
    words.install(environment, spoken)

    def linked(value: words.Value, link: bool = True) -> Markup:
        """A sentence as HTML, in which whatever has a page is a link to it."""
        parts = spoken.parts(value) if isinstance(value, words.Sentence) else (value,)
        return Markup("").join(_part(spoken, each, link) for each in parts)

    environment.filters["linked"] = linked
    environment.filters["rfc3339"] = addresses.rfc3339
    environment.filters["hexed"] = addresses.hexed
    environment.filters["is_some"] = any
    environment.filters["shortened"] = addresses.shortened
    environment.globals["offline"] = Offline(config.chain)
    return environment


def _part(spoken: words.Words, part: words.Value, link: bool) -> Markup:
    text = Markup("<bdi>{}</bdi>").format(shown(spoken.say(part))) if isinstance(part, words.Thing) else None
    if text is None or not isinstance(part, words.Thing):
        return escape(shown(spoken.say(part)))
    where = addresses.address_of(part.kind, part.key) if link else None
    return Markup('<a href="{}">{}</a>').format(where, text) if where else text
