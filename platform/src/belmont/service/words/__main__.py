"""For maintainers: ``python -m belmont.service.words update`` brings the catalogues up to the sources.

New messages come in untranslated (or as another package translates them already), those that are gone go out, and
translations stay. Files are sorted and name no places in the sources, so that branches merge. A test fails until every
message is translated.
"""

import argparse
import sys
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import write_po

from belmont.service.words import catalogues, extraction
from belmont.service.words.languages import LANGUAGES, Language

_HEADER = (
    'msgid ""\nmsgstr ""\n"Language: {locale}\\n"\n"Content-Type: text/plain; charset=utf-8\\n"\n'
    '"Content-Transfer-Encoding: 8bit\\n"\n"Plural-Forms: {plural}\\n"\n\n'
)


def update(folder: Path = catalogues.LOCALE) -> int:
    """Brings every catalogue up to the sources. Returns how many messages have no translation."""
    missing = 0
    for language in LANGUAGES.values():
        if language.folder is not None:
            missing += sum(_update(language, folder / language.folder).values())
    return missing


def _update(language: Language, folder: Path) -> dict[str, int]:
    """By package, how many of its messages have no translation."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = {path.stem: catalogues.read(path, language) for path in sorted(folder.glob("*.po"))}
    elsewhere = {str(message.id): message.string for each in kept.values() for message in each if _is_done(message)}
    missing = {}
    for package, template in extraction.packages().items():
        catalogue = kept.pop(package, Catalog(locale=language.locale_name, domain=package))
        catalogue.update(template, no_fuzzy_matching=True, update_header_comment=False)
        catalogue.obsolete.clear()
        for message in catalogue:
            if message.id and not _is_done(message) and str(message.id) in elsewhere:
                message.string = elsewhere[str(message.id)]
        write(catalogue, folder / f"{package}.po", language)
        missing[package] = sum(1 for message in catalogue if message.id and not _is_done(message))
    for package in kept:
        (folder / f"{package}.po").unlink()
    return missing


def write(catalogue: Catalog, path: Path, language: Language) -> None:
    """One file, sorted, without places and dates."""
    body = BytesIO()
    write_po(body, catalogue, omit_header=True, no_location=True, sort_output=True, width=116)
    header = _HEADER.format(locale=language.locale_name, plural=catalogue.plural_forms)
    path.write_text(header + body.getvalue().decode().strip("\n") + "\n", encoding="utf-8")


def _is_done(message: Message) -> bool:
    strings = message.string if isinstance(message.string, list | tuple) else (message.string,)
    return bool(message.id) and not message.fuzzy and all(strings)


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m belmont.service.words", description=__doc__)
    parser.add_argument("what", choices=["update"])
    parser.parse_args(arguments)
    missing = update()
    print(f"{missing} messages have no translation yet" if missing else "every message is translated")
    return 0


if __name__ == "__main__":
    sys.exit(main())
