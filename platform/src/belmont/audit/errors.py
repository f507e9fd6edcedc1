"""Errors of the event index.

    AuditError
    ├── IndexUrlError          the URL names no database that an index can be kept in
    ├── IndexUnavailable       the database does not answer, or does not take what is written
    ├── IndexRefused           this index is of something else; nothing was changed
    │   ├── OtherChain         of another chain
    │   ├── OtherConsortium    of another consortium
    │   └── OtherFormat        of another release of Belmont
    ├── IndexDamaged           a row is not what was written
    └── QueryError             a search that nobody could mean, or that is too large

A chain that does not answer is the registry's ``RegistryUnreachable``; what was indexed can be read all the same.
"""

from __future__ import annotations

from typing import Final

REMEDY: Final = (
    "The index only repeats what the chain says: give it a database of its own, or delete its tables (index_...), and "
    "it is read anew."
)


class AuditError(Exception):
    """Base of every error of this package."""


class IndexUrlError(AuditError, ValueError):
    """The URL names no database that an index can be kept in."""


class IndexUnavailable(AuditError):
    """The database does not answer, or does not take what is written; nothing of the batch was written."""


class IndexRefused(AuditError):
    """The index in this database is of something else, and stays as it was."""


class OtherChain(IndexRefused):
    """The index is of another chain than the one that answers."""


class OtherConsortium(IndexRefused):
    """The index is of another consortium."""


class OtherFormat(IndexRefused):
    """The index was made by another release of Belmont."""


class IndexDamaged(AuditError):
    """A row of the index is not what was written; ``EventIndex.rebuild`` reads everything anew."""


class QueryError(AuditError, ValueError):
    """A search with a value that nobody could mean, or larger than this index takes."""
