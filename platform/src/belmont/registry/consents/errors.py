"""Errors about consents.

RegistryError
└── ConsentError
    ├── PathMalformed          bytes that are no proof of membership or absence
    ├── ScopeRefused           a scope that no consent can have
    ├── AttestationRefused     a patient, or a change of what is attested, that does not fit the register
    ├── StatementRefused       a statement from the chain that does not follow what the register holds
    └── RegisterUnusable       the register's file cannot be read or written
"""

from belmont.registry.errors import RegistryError
from belmont.registry.reasons import WriteRefusal


class ConsentError(RegistryError):
    """Anything about consents that cannot be done."""


class PathMalformed(ConsentError, ValueError):
    """Not the bytes of a proof."""


class ScopeRefused(ConsentError, ValueError):
    """A scope that no consent can have; ``reason`` is the contract's word for why."""

    def __init__(self, reason: WriteRefusal) -> None:
        super().__init__(f"Refused: {reason}. {reason.remedy}")
        self.reason = reason


class AttestationRefused(ConsentError, ValueError):
    """A patient is unknown, or known already, or decides for themselves; nothing of the change was kept."""


class StatementRefused(ConsentError):
    """A statement is out of order, of another dataset, or of an account that the register does not know."""


class RegisterUnusable(ConsentError):
    """The file is missing, foreign, damaged, or on a disk that fails."""
