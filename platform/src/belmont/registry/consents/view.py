"""What a register gives for a use: which rows have a consent that permits it, at one consent root."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from belmont.registry.consents.scope import IntendedUse, ScopeTable
from belmont.registry.consents.statements import consent_root
from belmont.registry.consents.tree import Batch

Pseudonyms = NDArray[np.uint64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ConsentView:
    """Everybody's consent at one consent root. It does not change: a later change makes another view."""

    batch: Batch
    own: bytes
    """The chain of statements."""
    applied: int
    """How many statements that chain holds."""
    block: int
    """The newest one's."""
    root: bytes = field(init=False)
    """The consent root that all of this gives."""
    _pseudonyms: Pseudonyms
    """Of all patients, ascending."""
    _places: NDArray[np.intp]
    """Of each one's scope in the table; -1 without a consent."""
    _scopes: ScopeTable

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", consent_root(self.batch.root, self.own))

    def permitted(self, use: IntendedUse) -> Pseudonyms:
        """The pseudonyms of all patients whose consent permits the use, ascending."""
        found: Pseudonyms = self._pseudonyms[self._permitted(use)]
        return found

    def mask(self, pseudonyms: Pseudonyms, use: IntendedUse) -> Mask:
        """For each row, by its patient's pseudonym, whether a consent permits the use; False for unknown patients."""
        return self._among(pseudonyms, self._permitted(use))

    def ends_at(self, pseudonyms: Pseudonyms) -> int:
        """Unix seconds at which the first consent of these patients ends; of none, never."""
        return self._scopes.first_end(self._places[np.searchsorted(self._pseudonyms, pseudonyms)])

    def consenting(self, pseudonyms: Pseudonyms) -> Mask:
        """For each row whether its patient has any consent: what else ``mask`` refuses is a matter of scope."""
        return self._among(pseudonyms, self._places >= 0)

    def usable(self, pseudonyms: Pseudonyms, categories: int, at: int) -> Mask:
        """For each row whether its patient's consent permits some use of these categories at that time."""
        return self._among(pseudonyms, np.append(self._scopes.covers(categories, at), False)[self._places])

    def known(self, pseudonyms: Pseudonyms) -> Mask:
        """For each row whether its patient was admitted to the register, with a consent or without."""
        return self._among(pseudonyms, np.ones(self._pseudonyms.size, np.bool_))

    def _permitted(self, use: IntendedUse) -> Mask:
        """For each patient, in the order of pseudonyms; without a scope, the last entry."""
        found: Mask = np.append(self._scopes.permits(use), False)[self._places]
        return found

    def _among(self, pseudonyms: Pseudonyms, allowed: Mask) -> Mask:
        if not self._pseudonyms.size:
            return np.zeros(pseudonyms.shape, np.bool_)
        places = np.minimum(np.searchsorted(self._pseudonyms, pseudonyms), self._pseudonyms.size - 1)
        found: Mask = (self._pseudonyms[places] == pseudonyms) & allowed[places]
        return found
