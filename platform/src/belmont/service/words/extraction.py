"""Which messages the service has: found in its Python and its templates by Babel's extractors, by package.

1. Python: the first argument of ``words(...)`` and ``Sentence(...)``, the first two of ``counted(...)``; of an f-string
   or a variable nothing, so a message is written out where it is said.
2. Templates: what jinja2.ext.i18n finds, in files below a ``templates`` folder.
3. Messages that are written outside the service belong to the package that says them: remedies and DUO's labels to
   ``words`` (``names``), the reasons of DUO's rules to ``explain``.
4. ``service/<package>/`` has the catalogue ``<package>.po``; modules beside the packages have ``service.po``.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog
from babel.messages.extract import extract

from belmont.service.words import names

SERVICE: Final = Path(__file__).parent.parent
_TOP: Final = "service"
_PYTHON: Final = {
    "words": None,
    "Sentence": None,
    "counted": (1, 2),
    "because": None,
}  # 1
_ELSEWHERE: Final = {"explain": ("registry/duo/rules.py", "registry/duo/matching.py")}
"""Files whose ``because(...)`` the service says (3)."""
_JINJA: Final = {"_": None, "gettext": None, "ngettext": (1, 2)}
_TEMPLATE_SUFFIXES: Final = {".html", ".txt", ".xml", ".md", ".jinja"}
_JINJA_OPTIONS: Final = {
    "extensions": "jinja2.ext.do,jinja2.ext.loopcontrols", "newstyle_gettext": "true", "silent": "false",
    "trimmed": "true",
}  # fmt: skip


def packages(root: Path = SERVICE) -> dict[str, Catalog]:
    """The messages of each package that has any, by its name (4). Raises SyntaxError for a broken template."""
    found: dict[str, Catalog] = {}
    for path in sorted(root.rglob("*")):
        if path.is_file() and (kind := _kind(path)):
            package = path.relative_to(root).parts[0] if path.parent != root else _TOP
            for message in _messages(path, kind):
                found.setdefault(package, Catalog(charset="utf-8")).add(message)
    if root == SERVICE:
        for known in names.known():
            found.setdefault("words", Catalog(charset="utf-8")).add(known)  # 3
        for package, paths in _ELSEWHERE.items():
            for each in paths:
                for message in _messages(root.parent / each, "python"):
                    found.setdefault(package, Catalog(charset="utf-8")).add(message)  # 3
    return found


def _kind(path: Path) -> str | None:
    if path.suffix == ".py":
        return "python"
    is_template = "templates" in path.parts and path.suffix in _TEMPLATE_SUFFIXES
    return "jinja2" if is_template else None


def _messages(path: Path, kind: str) -> Iterator[str | tuple[str, str]]:
    with path.open("rb") as file:
        if kind == "python":
            rows = extract("python", file, keywords=_PYTHON)
        else:
            rows = extract("jinja2.ext:babel_extract", file, keywords=_JINJA, options=_JINJA_OPTIONS)
        for _, message, _, _ in rows:
            yield (message[0], message[1]) if isinstance(message, tuple) else message
