"""Why records, dictionaries and tables are refused.

EhrError
├── DictionaryError       the data dictionary itself is wrong
├── WrongDictionary       the dictionary is fine, but it is not the one of this file or table
├── TableCorrupted        a stored coded table does not read back
├── PseudonymCollision    two patients would share a pseudonym
├── GeneratorError        a synthetic cohort that cannot be made
├── OutputRefused         the result cannot go where it was told to, or would replace something
└── InputRefused          a whole input file is refused; names the file and, where there is one, the line
    ├── InputMissing      no such file, or nothing in it that can be read
    ├── InputTruncated    the file ends in the middle of a record
    ├── InputNotText      binary bytes, or text in another encoding
    ├── LineTooLong       one line passes the limit
    ├── HeaderRefused     a CSV header that is missing a column or has one twice
    ├── RecordRefused     a bad line or value where the dictionary says `refuse_file`
    └── ConsentUnreadable a consent record that cannot be read: nobody may guess what it said
        └── DenialUnplaced somebody denies consent, and it cannot be told who
"""

from pathlib import Path


class EhrError(Exception):
    """Base of everything this area refuses."""


class DictionaryError(EhrError):
    """The data dictionary cannot be used as it stands."""


class WrongDictionary(EhrError):
    """The input or table belongs to another dictionary."""


class TableCorrupted(EhrError):
    """Bytes that are not a complete, unchanged coded table."""


class PseudonymCollision(EhrError):
    """Two different patient identifiers gave the same 64-bit pseudonym."""


class GeneratorError(EhrError):
    """The synthetic generator was asked for something it cannot make."""


class OutputRefused(EhrError):
    """The place for the result is taken, or is no place for a file."""


class InputRefused(EhrError):
    """A whole file is refused; nothing of it was used.

    `path` names the file, `line` (from 1) the line where there is one.
    """

    def __init__(self, path: Path | str, line: int | None, reason: str) -> None:
        self.path = str(path)
        self.line = line
        self.reason = reason
        where = self.path if line is None else f"{self.path}:{line}"
        super().__init__(f"{where}: {reason}")


class InputMissing(InputRefused):
    """No such file or folder, or nothing in it that this dictionary reads."""


class InputTruncated(InputRefused):
    """The file ends in the middle of a record or of its compressed stream."""


class InputNotText(InputRefused):
    """The file is not UTF-8 text."""


class LineTooLong(InputRefused):
    """A line passes the limit, so the file is probably not line-delimited."""


class HeaderRefused(InputRefused):
    """The CSV header does not fit the dictionary."""


class RecordRefused(InputRefused):
    """A bad record or value, and the dictionary refuses the file for it."""


class ConsentUnreadable(InputRefused):
    """A consent record cannot be read, so the file is refused: consent is never guessed."""


class DenialUnplaced(ConsentUnreadable):
    """Somebody denies consent, and no patient of these files can be told to be the one; so nobody is coded."""
