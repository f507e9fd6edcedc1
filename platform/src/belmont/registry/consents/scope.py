"""What a consent permits: purposes, categories of data, recipients and a period (docs/consents.md, "Scope").

A use is permitted where its purposes, and its categories, are at least one and all among the consent's; its recipient
is among the consent's, or the consent names none; and its time is within the period, whose end is exclusive.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntFlag
from itertools import pairwise

import numpy as np
from eth_utils.address import to_canonical_address, to_checksum_address
from numpy.typing import NDArray

from belmont.registry.consents.errors import ScopeRefused
from belmont.registry.limits import CATEGORIES_MASK, PURPOSES_MASK, RECIPIENTS_MAX
from belmont.registry.reasons import WriteRefusal
from belmont.registry.types import ZERO_HASH, Address

NO_SCOPE = ZERO_HASH
"""Stands where a scope's hash would: nothing is permitted."""
_DOMAIN = b"belmont/consent/scope/1"
_FIXED_BYTES = 4 * 8 + 1
_U64 = 1 << 64


class Category(IntFlag):
    """Categories of data."""

    DEMOGRAPHICS = 1
    DIAGNOSES = 2
    MEASUREMENTS = 4
    MEDICATION = 8
    PROCEDURES = 16
    IMAGES = 32
    GENOMICS = 64
    DOCUMENTS = 128


@dataclass(frozen=True)
class IntendedUse:
    """What somebody is about to do with a dataset's rows."""

    purposes: int
    """Of the permit, DUO codes as a bitmask."""
    categories: int
    """Of the dataset."""
    recipient: Address
    """The permit's data user."""
    at: int


@dataclass(frozen=True)
class Scope:
    """A scope as its patient or hospital stated it; ``refusal`` says whether a consent can have it."""

    purposes: int
    """DUO investigation purposes as a bitmask, bit n for DUO:00000nn (31 ... 40)."""
    categories: int
    valid_from: int
    valid_until: int
    recipients: tuple[Address, ...] = ()
    """In ascending order; none stands for any member."""

    def permits(self, use: IntendedUse) -> bool:
        return (
            use.purposes != 0
            and use.purposes & ~self.purposes == 0
            and use.categories != 0
            and use.categories & ~self.categories == 0
            and (not self.recipients or use.recipient in self.recipients)
            and self.valid_from <= use.at < self.valid_until
        )

    def common(self, other: "Scope") -> "Scope | None":
        """What both permit, None where there is no such use."""
        named = self.recipients or other.recipients
        if other.recipients:
            named = tuple(each for each in named if each in other.recipients)
        if not named and (self.recipients or other.recipients):
            return None
        start, until = max(self.valid_from, other.valid_from), min(self.valid_until, other.valid_until)
        found = Scope(self.purposes & other.purposes, self.categories & other.categories, start, until, named)
        return found if found.refusal() is None else None

    def refusal(self) -> WriteRefusal | None:
        """Why no consent can have this scope, in the contract's order of checks; None where one can."""
        if self.purposes == 0 or self.purposes & ~PURPOSES_MASK:
            return WriteRefusal.PURPOSE_INVALID
        if self.categories == 0 or self.categories & ~CATEGORIES_MASK:
            return WriteRefusal.CATEGORIES_INVALID
        packed = [bytes(20), *map(to_canonical_address, self.recipients)]
        if len(packed) > RECIPIENTS_MAX + 1 or any(b <= a for a, b in pairwise(packed)):
            return WriteRefusal.RECIPIENTS_INVALID
        if not 0 <= self.valid_from < self.valid_until < _U64:
            return WriteRefusal.PERIOD_INVALID
        return None

    def checked(self) -> "Scope":
        """This scope. Raises ScopeRefused where no consent can have it."""
        reason = self.refusal()
        if reason is not None:
            raise ScopeRefused(reason)
        return self

    def to_bytes(self) -> bytes:
        """What is hashed, without the domain. The scope has to be one that ``checked`` lets pass."""
        numbers = (self.purposes, self.categories, self.valid_from, self.valid_until)
        fixed = b"".join(each.to_bytes(8) for each in numbers)
        return fixed + bytes([len(self.recipients)]) + b"".join(map(to_canonical_address, self.recipients))

    @classmethod
    def from_bytes(cls, data: bytes) -> "Scope":
        """Raises ScopeRefused for bytes that no scope has."""
        if len(data) < _FIXED_BYTES or len(data) != _FIXED_BYTES + 20 * data[32]:
            raise ScopeRefused(WriteRefusal.RECIPIENTS_INVALID)
        purposes, categories, start, end = (int.from_bytes(data[place : place + 8]) for place in range(0, 32, 8))
        recipients = (data[place : place + 20] for place in range(_FIXED_BYTES, len(data), 20))
        named = tuple(Address(to_checksum_address(each)) for each in recipients)
        return cls(purposes, categories, start, end, named).checked()

    @property
    def hash(self) -> bytes:
        return hashlib.sha256(_DOMAIN + self.to_bytes()).digest()


class ScopeTable:
    """Many distinct scopes side by side, so that one use is judged against all of them at once."""

    def __init__(self, scopes: Sequence[Scope]) -> None:
        def column(name: str) -> NDArray[np.uint64]:
            return np.fromiter((getattr(each, name) for each in scopes), np.uint64, len(scopes))

        self._purposes, self._categories = column("purposes"), column("categories")
        self._from, self._until = column("valid_from"), column("valid_until")
        self._for_any = np.fromiter((not each.recipients for each in scopes), np.bool_, len(scopes))
        self._named: dict[Address, list[int]] = {}
        for place, scope in enumerate(scopes):
            for recipient in scope.recipients:
                self._named.setdefault(recipient, []).append(place)

    def first_end(self, places: NDArray[np.intp]) -> int:
        """When the first of these scopes ends; of none, never."""
        return int(self._until[np.unique(places)].min()) if places.size else _U64 >> 1

    def permits(self, use: IntendedUse) -> NDArray[np.bool_]:
        """For each scope whether it permits the use: what ``Scope.permits`` says."""
        words = (use.purposes, use.categories, use.at)
        if not use.purposes or not use.categories or not all(0 <= each < _U64 for each in words):
            return np.zeros(self._for_any.size, np.bool_)
        purposes = np.uint64(use.purposes)
        reached = self._for_any.copy()
        reached[self._named.get(use.recipient, [])] = True
        found: NDArray[np.bool_] = reached & (purposes & ~self._purposes == 0) & self.covers(use.categories, use.at)
        return found

    def covers(self, categories: int, at: int) -> NDArray[np.bool_]:
        """For each scope whether it permits some use of these categories at that time."""
        wanted, when = np.uint64(categories), np.uint64(at)
        found: NDArray[np.bool_] = (self._from <= when) & (when < self._until) & (wanted & ~self._categories == 0)
        return found
