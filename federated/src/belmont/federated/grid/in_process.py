"""An in-process Grid: Flower's public interface without Ray, HTTP or child processes.

Every message and reply is copied deeply, so that parties share no mutable object. They do share one process: the
study's code could reach whatever this process can reach. That is for development and synthetic data.
"""

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Protocol

from flwr.app import DEFAULT_TTL, Error, Message, Metadata, RecordDict
from flwr.app.message.message import make_message
from flwr.serverapp import Grid
from flwr.supercore.run import Run

from belmont.federated.errors import NODE_FAULT, FederatedError
from belmont.federated.grid.events import GridEvent
from belmont.federated.grid.records import copy_records
from belmont.registry.types import DatasetId

COORDINATOR_NODE_ID = 1


class Node(Protocol):
    """Anything that answers Flower messages."""

    @property
    def dataset_id(self) -> DatasetId: ...

    @property
    def node_id(self) -> int: ...

    def handle(self, message: Message) -> Message: ...

    def deliver(self, run_id: int, bundle: bytes) -> None: ...


class InProcessGrid(Grid):
    """Delivers to nodes of this process, one thread each. ``on_event`` is called on the caller's thread only."""

    def __init__(self, nodes: Sequence[Node], on_event: Callable[[GridEvent], None] | None = None) -> None:
        self._nodes = {node.node_id: node for node in nodes}
        if len(self._nodes) != len(nodes):
            raise FederatedError("two nodes have the same id: a dataset has one node")
        self._on_event = on_event or (lambda event: None)
        self._run = Run.create_empty(secrets.randbelow(2**62) + 1)
        self._pool = ThreadPoolExecutor(max_workers=max(1, len(nodes)), thread_name_prefix="hospital")
        self._pending: dict[str, Future[Message]] = {}
        self._lock = threading.Lock()

    @property
    def run(self) -> Run:
        """Run information."""
        return self._run

    def set_run(self, run: Run) -> None:
        """Set the run this grid operates in."""
        self._run = run

    def deliver(self, bundle: bytes) -> None:
        """Deliver the study's bundle to every node, as Flower's SuperLink does when a run starts."""
        for node in self._nodes.values():
            node.deliver(self._run.run_id, bundle)

    def create_message(
        self, content: RecordDict, message_type: str, dst_node_id: int, group_id: str, ttl: float | None = None
    ) -> Message:
        """A new message to one node."""
        metadata = Metadata(
            run_id=self._run.run_id,
            message_id="",
            src_node_id=COORDINATOR_NODE_ID,
            dst_node_id=dst_node_id,
            reply_to_message_id="",
            group_id=group_id,
            created_at=time.time(),
            ttl=DEFAULT_TTL if ttl is None else ttl,
            message_type=message_type,
        )
        return make_message(metadata=metadata, content=content)

    @property
    def node_ids(self) -> dict[DatasetId, int]:
        """The node id of each dataset."""
        return {node.dataset_id: node.node_id for node in self._nodes.values()}

    def get_node_ids(self) -> Iterable[int]:
        """The ids of all nodes."""
        return list(self._nodes)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Start delivering messages; their new ids are for ``pull_messages``."""
        futures = [self._start(message) for message in messages]
        with self._lock:
            self._pending.update(futures)
        return [message_id for message_id, _ in futures]

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """The replies that are there by now; each is given once."""
        replies = []
        with self._lock:
            for message_id in message_ids:
                future = self._pending.get(message_id)
                if future is not None and future.done():
                    replies.append(self._pending.pop(message_id).result())
        return replies

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        """Deliver messages, all at once, and wait for the replies, at most ``timeout`` seconds."""
        started = time.perf_counter()
        sent = {}
        for message in messages:
            message_id, future = self._start(message)
            sent[future] = (message.metadata.dst_node_id, message_id)
            self._on_event(GridEvent(message.metadata.dst_node_id, message_id, "sent", 0.0))
        replies: list[Message] = []
        try:
            for future in as_completed(sent, timeout):
                reply = future.result()
                kind = "error" if reply.has_error() else "answered"
                self._on_event(GridEvent(*sent[future], kind, 1000 * (time.perf_counter() - started)))
                replies.append(reply)
        except FutureTimeout:
            pass  # a node that is late is silent, as with any Flower grid
        return replies

    def close(self) -> None:
        """Wait for what is under way, and end the threads."""
        self._pool.shutdown()

    def __repr__(self) -> str:
        return (
            f"InProcessGrid({len(self._nodes)} nodes in this process, which the study's code shares: "
            "for development and synthetic data)"
        )

    def _start(self, message: Message) -> tuple[str, Future[Message]]:
        message_id = secrets.token_hex(16)
        metadata = message.metadata
        copied = make_message(
            metadata=Metadata(
                run_id=metadata.run_id,
                message_id=message_id,
                src_node_id=metadata.src_node_id,
                dst_node_id=metadata.dst_node_id,
                reply_to_message_id=metadata.reply_to_message_id,
                group_id=metadata.group_id,
                created_at=metadata.created_at,
                ttl=metadata.ttl,
                message_type=metadata.message_type,
            ),
            content=copy_records(message.content),
        )
        return message_id, self._pool.submit(self._deliver_one, copied)

    def _deliver_one(self, message: Message) -> Message:
        node = self._nodes.get(message.metadata.dst_node_id)
        if node is None:
            return Message(Error(NODE_FAULT, "there is no such node"), reply_to=message)
        try:
            reply = node.handle(message)
            if reply.has_error():
                return reply
            return make_message(metadata=reply.metadata, content=copy_records(reply.content))
        except Exception:
            return Message(Error(NODE_FAULT, "the node failed"), reply_to=message)
