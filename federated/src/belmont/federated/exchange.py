"""One message to every participant, and their replies: what rounds and queries have in common for the researcher.

Each message is signed by the account that the registry writes as, which is the permit's data user or works for it.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress

from flwr.app import Message, RecordDict
from flwr.serverapp import Grid

from belmont.federated.asked_by import Signing
from belmont.federated.errors import CoordinatorError, FederatedError
from belmont.federated.node.node import node_id_of
from belmont.federated.outcome import HospitalOutcome, outcome_of
from belmont.registry.errors import RegistryError
from belmont.registry.protocol import Registry
from belmont.registry.types import DatasetId, Permit, PermitId, UseKind

_AGAIN_SECONDS = 1.0


class Exchange:
    """Opens uses of one permit and talks to its participants, in a fixed order."""

    def __init__(
        self,
        registry: Registry,
        grid: Grid,
        permit_id: PermitId,
        participants: tuple[DatasetId, ...],
        purpose: int | None = None,
        timeout_seconds: float | None = None,
        node_ids: Mapping[DatasetId, int] | None = None,
        patience_seconds: float = 0.0,
    ) -> None:
        """``timeout_seconds`` is for one answer, ``patience_seconds`` for asking again whoever was away.

        Raises RegistryArgumentError for a registry that is bound to no account that signs.
        """
        self.registry = registry
        self.permit_id = permit_id
        self.participants = participants
        self.purpose = self.permit().terms.purpose if purpose is None else purpose
        self._signing = Signing(registry)
        self._grid = grid
        self._timeout = timeout_seconds
        self._patience = patience_seconds
        self._node_ids = node_ids if node_ids is not None else {d: node_id_of(d) for d in participants}
        self._names = {d: self._name_of(d) for d in participants}

    def permit(self) -> Permit:
        """The permit as it is now. Raises FederatedError if there is none."""
        permit = self.registry.permit(self.permit_id)
        if permit is None:
            raise FederatedError(f"there is no permit {self.permit_id}: apply for one, and issue it once approved")
        return permit

    def open(self, kind: UseKind, n: int, subject_hash: bytes) -> RegistryError | None:
        """Open a use on chain. An error is given back, not raised: the hospitals say themselves why they refuse."""
        try:
            if kind is UseKind.ROUND:
                self.registry.open_round(self.permit_id, n, subject_hash, self.participants)
            else:
                self.registry.open_query(self.permit_id, n, subject_hash, self.participants)
        except RegistryError as error:
            return error
        return None

    def ask(
        self,
        message_type: str,
        n: int,
        content: RecordDict | Mapping[DatasetId, RecordDict],
        participants: tuple[DatasetId, ...] | None = None,
    ) -> tuple[dict[DatasetId, Message], tuple[HospitalOutcome, ...]]:
        """Send one content to every participant, or to each its own; the replies, and one outcome each, in order.

        Whoever was away, or could not see the chain, is asked the same again until the patience is over: a node answers
        the same request with the same bytes, and computes and charges it once. A coordinator that is away is waited
        for in the same way; CoordinatorError once the patience is over, or if it refuses.
        """
        replies: dict[DatasetId, Message] = {}
        outcomes: dict[DatasetId, HospitalOutcome] = {}
        deadline = time.monotonic() + self._patience
        everybody = self.participants if participants is None else participants
        contents = dict.fromkeys(everybody, content) if isinstance(content, RecordDict) else content
        contents = self._signing.signed(message_type, {each: contents[each] for each in everybody})
        waiting = everybody
        while waiting:
            try:
                for dataset_id, reply, outcome in self._asked(message_type, n, contents, waiting):
                    outcomes[dataset_id] = outcome
                    if reply is not None and outcome.answered:
                        replies[dataset_id] = reply
                waiting = tuple(each for each in waiting if outcomes[each].may_pass)
            except CoordinatorError as error:
                if not error.may_pass or time.monotonic() + _AGAIN_SECONDS > deadline:
                    raise
            if time.monotonic() + _AGAIN_SECONDS > deadline:
                break
            if waiting:
                time.sleep(_AGAIN_SECONDS)
                with suppress(CoordinatorError):
                    self._grid.get_node_ids()  # a grid looks again where its nodes are
        return replies, tuple(outcomes[each] for each in everybody)

    def _asked(
        self, message_type: str, n: int, contents: Mapping[DatasetId, RecordDict], participants: tuple[DatasetId, ...]
    ) -> Iterator[tuple[DatasetId, Message | None, HospitalOutcome]]:
        sent_at = time.time()
        messages = [
            self._grid.create_message(contents[dataset_id], message_type, self._node_ids[dataset_id], str(n))
            for dataset_id in participants
            if dataset_id in self._node_ids
        ]
        before = {node_id: dataset_id for dataset_id, node_id in self._node_ids.items()}
        replies = list(self._grid.send_and_receive(messages, timeout=self._timeout)) if messages else []
        # A grid that had to start its run anew has other ids for the nodes since.
        by_node = before | {node_id: dataset_id for dataset_id, node_id in self._node_ids.items()}
        by_dataset = {by_node.get(reply.metadata.src_node_id): reply for reply in replies}
        for dataset_id in participants:
            reply = by_dataset.get(dataset_id)
            milliseconds = 0.0 if reply is None else max(0.0, 1000 * (reply.metadata.created_at - sent_at))
            yield dataset_id, reply, outcome_of(dataset_id, self._names[dataset_id], reply, milliseconds)

    def check_recorded(self, kind: UseKind, n: int, hashes: Mapping[DatasetId, bytes]) -> None:
        """Raise FederatedError unless each result is the one that its hospital recorded on chain."""
        recorded = {
            use.dataset_id: use.result_hash
            for use in self.registry.uses(self.permit_id)
            if (use.kind, use.n) == (kind, n)
        }
        for dataset_id, result_hash in hashes.items():
            if recorded.get(dataset_id) != result_hash:
                raise FederatedError(
                    f"what came from {self._names[dataset_id]} is not what it recorded on chain: "
                    "it was changed on its way"
                )

    def _name_of(self, dataset_id: DatasetId) -> str:
        dataset = self.registry.dataset(dataset_id)
        return dataset_id.hex()[:12] if dataset is None else dataset.name
