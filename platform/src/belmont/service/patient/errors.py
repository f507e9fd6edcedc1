"""What can go wrong on a patient's page, as whoever asks is told it.

    Problem
    ├── FilesUnusable       503: the hospital's own files cannot be read; nothing of them is told
    ├── NotAPatient         403: nobody with this account is a patient of the dataset
    ├── StatementRefused    409: a statement that the contract would refuse, or that is not the visitor's
    └── Reading             429: as much is read at this moment as may be

No text here has anything of a patient in it, and none is passed on from the files: those name lines and values.
"""

from belmont.service.errors import Conflict, NotAllowed, TooMany, Unavailable


class FilesUnusable(Unavailable):
    """The hospital's files cannot be read at the moment."""

    default_code = "FILES_UNUSABLE"


class NotAPatient(NotAllowed):
    """The account is no patient's here."""

    default_code = "NOT_A_PATIENT"


class StatementRefused(Conflict):
    """This statement cannot be made now, or not by this visitor."""


class Reading(TooMany):
    """The account, or as many as may, read at this moment."""

    default_code = "RECORDS_BUSY"
