"""Translations, read from ``locale/<language>/<package>.po`` when the service starts (docs/adr/0077).

1. Files are read as they are, by Babel: nothing is compiled, and nothing has to be built after one was edited.
2. Each package of the service has a file of its own, so that two people who write two pages never edit one file.
3. All files of a language are one catalogue: a message is said in one way wherever it stands. Where two files disagree,
   or one is fuzzy, a test fails; at run time what is not translated is said in English.
"""

from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po

from belmont.service.words.errors import CatalogueBroken
from belmont.service.words.languages import Language

LOCALE = Path(__file__).parent / "locale"


def files(language: Language) -> list[Path]:
    """A language's catalogues, by package."""
    return sorted((LOCALE / language.folder).glob("*.po")) if language.folder else []


def read(path: Path, language: Language) -> Catalog:
    """One file. Raises CatalogueBroken."""
    try:
        with path.open("rb") as file:
            return read_po(file, locale=language.locale_name, domain=path.stem, abort_invalid=True)
    except (OSError, ValueError, PoFileError) as error:
        raise CatalogueBroken(f"{path.name} of {language.code} cannot be read: {error}") from error


@cache
def translations(language: Language) -> NullTranslations:
    """Everything that is translated into a language; messages themselves for English. Raises CatalogueBroken."""
    whole = Catalog(locale=language.locale_name)
    for path in files(language):
        for message in read(path, language):
            if message.id and message.string and not message.fuzzy:
                whole.add(message.id, message.string)
    if language.folder is None:
        return NullTranslations()
    content = BytesIO()
    write_mo(content, whole)
    content.seek(0)
    return GNUTranslations(content)
