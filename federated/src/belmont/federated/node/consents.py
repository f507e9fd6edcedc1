"""Which rows a use may be computed on: those of patients whose consent permits it, as the chain has consents now.

1. The hospital's register gives every patient's consent at one consent root. The request names that root, and
   ``decide`` compares it with the chain's, at admission and again at release.
2. A register that is behind reads the patients' statements since then from the chain, once, and tries again.
3. A round leaves out every row without a consent that permits it. A query is proved over all rows of a version, so it
   is refused where one row has none.
4. A consent counts only while it is in force by the node's clock and by the chain's, until the result leaves.
"""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from belmont.federated.errors import Refusal
from belmont.federated.gate.gate import chain_read
from belmont.federated.table import NodeTable, Selection
from belmont.registry.consents.errors import ConsentError
from belmont.registry.consents.register import ConsentRegister
from belmont.registry.consents.scope import IntendedUse
from belmont.registry.protocol import Registry
from belmont.registry.reasons import Reason
from belmont.registry.types import ZERO_HASH, DatasetId, View

STATEMENTS_UNKNOWN = "this hospital's register of consents does not know what patients stated on chain"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Chosen:
    """The rows of a version that a use may be computed on."""

    version: int
    rows: int
    left_out: int
    """Rows of the version without a consent that permits the use."""
    consent_root: bytes
    consented_until: int
    """When the first of the consents to these rows ends."""


NOTHING = Chosen(0, 0, 0, ZERO_HASH, 0)
"""Where no version is open."""


class NodeConsents:
    """The consents of one dataset, as its node applies them."""

    def __init__(self, registry: Registry, dataset_id: DatasetId, register: ConsentRegister) -> None:
        self._registry = registry
        self._dataset_id = dataset_id
        self._register = register
        self._selected = Selection()

    def permitted(self, table: NodeTable, view: View, now: int) -> tuple[NDArray[np.bool_], bytes, int]:
        """For each row whether a consent permits the use that ``view`` is about, the consent root of that, and when the
        first of these consents ends.
        """
        consents = self._register.view()
        if view.permit is None or view.dataset is None or view.head is None:
            return np.zeros(table.rows, np.bool_), consents.root, 0
        mask = np.ones(table.rows, np.bool_)
        for at in {now, view.head.timestamp}:  # 4
            terms, categories = view.permit.terms, view.dataset.categories
            mask &= consents.mask(table.pseudonyms, IntendedUse(terms.purpose, categories, view.permit.data_user, at))
        return mask, consents.root, consents.ends_at(table.pseudonyms[mask])

    def select(self, table: NodeTable, mask: NDArray[np.bool_]) -> NodeTable:
        """The permitted rows of a table; the last selection is kept, since consents seldom change between rounds."""
        return self._selected.of(table, mask)

    def catch_up(self) -> None:
        """Apply the patients' statements that the chain has and the register does not (2).

        Raises Refusal (CONSENT_STALE) where they do not fit this hospital's register.
        """
        with chain_read():
            statements = self._registry.consents.statements(self._dataset_id, self._register.view().block)
        try:
            self._register.take(statements)
        except ConsentError as error:
            _log.error("the register of consents is behind the chain: %s", error)
            raise Refusal(Reason.CONSENT_STALE, STATEMENTS_UNKNOWN) from error


def rows_of(mask: NDArray[Any]) -> tuple[int, int]:
    """How many rows are permitted, and how many are not."""
    permitted = int(mask.sum())
    return permitted, int(mask.size) - permitted
