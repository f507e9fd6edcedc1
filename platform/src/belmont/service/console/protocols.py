"""A study's protocol as HTML: Markdown of a stranger, of which nothing is run, fetched or followed by itself.

1. HTML in it is text. Images are not shown: their description is.
2. Links lead to http, https and mailto only, in words that end with where they lead; their ``rel`` passes nothing on.
3. Headings are put under the page's own, one level after the other.
4. What is longer than ``MOST_LETTERS`` is not rendered, but to be read as the file.
"""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from markupsafe import Markup, escape

from belmont.service.console.rendering import shown

MOST_LETTERS: Final = 200_000
_SCHEMES: Final = ("http", "https", "mailto")
_UNDER: Final = 2
"""The level of the page's heading above a protocol."""
_DEEPEST: Final = 6


class _Renderer(RendererHTML):
    """Without what would fetch (1), with links that say where they lead (2)."""

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Any) -> str:
        return f"[{escape(tokens[idx].content)}]"

    def link_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Any) -> str:
        where = str(tokens[idx].attrGet("href") or "")
        env.setdefault("links", []).append(where)
        return f'<a href="{escape(where)}" rel="noopener noreferrer nofollow">'

    def link_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Any) -> str:
        where = env["links"].pop()
        text = tokens[idx - 1].content if idx else ""
        return "</a>" if text == where else f"</a> <small>({escape(where)})</small>"


def rendered(text: str) -> Markup | None:
    """A protocol as HTML; None for one that is too long (4)."""
    if len(text) > MOST_LETTERS:
        return None
    parser = MarkdownIt("commonmark", {"html": False, "linkify": False}, renderer_cls=_Renderer).enable("table")
    parser.validateLink = _is_plain  # type: ignore[method-assign]
    env: dict[str, Any] = {}
    tokens = parser.parse(str(shown(text)), env)
    _put_under(tokens)
    return Markup(parser.renderer.render(tokens, parser.options, env))  # noqa: S704  markdown-it escapes; html is off


def _is_plain(url: str) -> bool:
    try:
        return urlsplit(url).scheme in _SCHEMES
    except ValueError:
        return False


def _put_under(tokens: Sequence[Token]) -> None:
    """Rule 3."""
    above: list[int] = []
    for token in tokens:
        if token.type == "heading_open":
            level = int(token.tag[1])
            while above and above[-1] >= level:
                above.pop()
            above.append(level)
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(_UNDER + len(above), _DEEPEST)}"
