"""The one version of a dataset that its node computes on: always the newest that the chain has.

Every request says which version the node has open, and by which consents it chose the rows; ``decide`` compares both
with the chain at admission and again at release. A node that is behind opens the newest version, or reads what patients
stated since, and asks once more; whoever is not admitted otherwise makes it open nothing.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from belmont.federated.errors import NodeFault, NotRegistered, Refusal
from belmont.federated.gate.gate import Admission, Asked, Gate, chain_read
from belmont.federated.local_log import place_of
from belmont.federated.node.consents import NOTHING, Chosen, NodeConsents, rows_of
from belmont.federated.node.stored import StoredVersion, check_registered
from belmont.federated.table import NodeTable
from belmont.registry.protocol import Registry
from belmont.registry.reasons import Reason
from belmont.registry.types import DatasetId, DatasetVersion, Request, View
from belmont.zk.commitment import CommittedTable

OpenVersion: TypeAlias = Callable[[int], "NodeTable | StoredVersion"]
"""From the number of a registered version to its rows and commitments; a table alone is one without commitments.

Raises what it likes if the hospital does not have it."""

NOT_REGISTERED = "the rows that this node holds are not those whose commitments are on chain"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OpenedVersion:
    """A table with the version that it is, as the chain has it; ``committed`` is None where the chain has no root."""

    version: DatasetVersion
    table: NodeTable
    committed: CommittedTable | None

    @property
    def number(self) -> int:
        return self.version.number


class NewestVersion:
    """Keeps the newest version open; nothing is open before the dataset has a version. Safe for several threads."""

    def __init__(
        self, registry: Registry, dataset_id: DatasetId, open_version: OpenVersion, consents: NodeConsents
    ) -> None:
        self._registry = registry
        self._dataset_id = dataset_id
        self._open_version = open_version
        self._consents = consents
        self._lock = threading.Lock()
        self._opened: OpenedVersion | None = None
        self._renew()

    @property
    def number(self) -> int:
        """Number of the version that is open, 0 if none is."""
        return 0 if self._opened is None else self._opened.number

    def admit(
        self,
        gate: Gate,
        asked: Asked,
        request: Callable[[Chosen], Request],
        message_id: str,
        least_hospitals: int = 1,
    ) -> tuple[Admission, OpenedVersion, NodeTable]:
        """Admit what ``request`` says of the chosen rows of a version; gives that version, and those rows of it.

        Raises Refusal; VERSION_STALE only if this hospital could not open the newest version, DATASET_UNPROVEN if what
        it holds is not what was registered, CONSENT_STALE only if it does not know what patients stated.
        """
        for behind in (Reason.VERSION_STALE, Reason.CONSENT_STALE):
            try:
                return self._admit(gate, asked, request, message_id, least_hospitals)
            except Refusal as refusal:
                self._catch_up(refusal, behind)
        return self._admit(gate, asked, request, message_id, least_hospitals)

    def _catch_up(self, refusal: Refusal, most: Reason) -> None:
        """Do what may help against a refusal, or raise it: both may be behind, the version first."""
        if refusal.reason is Reason.CONSENT_STALE:
            self._consents.catch_up()
        elif refusal.reason is Reason.VERSION_STALE and most is Reason.VERSION_STALE:
            try:
                self._renew()
            except Refusal:
                raise
            except NotRegistered as error:
                _log.error("the newest version of the dataset is not what was registered: %s", error)
                raise Refusal(Reason.DATASET_UNPROVEN, NOT_REGISTERED) from error
            except Exception as error:  # whatever the hospital's storage raises
                _log.error("the newest version of the dataset could not be opened: %s", place_of(error))
                raise refusal from None
        else:
            raise refusal

    def _admit(
        self, gate: Gate, asked: Asked, request: Callable[[Chosen], Request], message_id: str, least_hospitals: int
    ) -> tuple[Admission, OpenedVersion, NodeTable]:
        opened = self._opened
        if opened is None:
            gate.admit(asked, lambda view, now: request(NOTHING), message_id, least_hospitals)
            raise NodeFault("this node has no version of its dataset open")
        chosen: list[NDArray[np.bool_]] = []

        def choose(view: View, now: int) -> Request:
            mask, root, until = self._consents.permitted(opened.table, view, now)
            chosen.append(mask)
            return request(Chosen(opened.number, *rows_of(mask), root, until))

        admission = gate.admit(asked, choose, message_id, least_hospitals)
        return admission, opened, self._consents.select(opened.table, chosen[0])

    def _renew(self) -> None:
        with self._lock:
            with chain_read():
                dataset = self._registry.dataset(self._dataset_id)
                number = 0 if dataset is None else dataset.versions
                version = self._registry.version(self._dataset_id, number) if number else None
            if version is None or version.number == self.number:
                return
            stored = self._open_version(version.number)
            if not isinstance(stored, StoredVersion):
                stored = StoredVersion(stored)
            table = stored.table
            if table.rows != version.rows:
                raise NodeFault(
                    f"version {version.number} has {table.rows} rows here and {version.rows} on chain: "
                    "open the table that was registered"
                )
            self._opened = OpenedVersion(version, table, check_registered(stored, version))
