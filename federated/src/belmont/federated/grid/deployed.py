"""The researcher's Grid over a coordinator: one Flower run whose ServerApp is the researcher's own process.

The run is started, and its task acquired, in one signed request (`belmont.federated.deployed.coordinator.members`).
From then on this is Flower's Runtime API, as Flower's own HttpGrid speaks it, with events in place of its three-second
polls.

A break in the connection is waited out: messages are not sent twice, and replies are asked for until they are there or
the time is over.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import TypeVar

import httpx
from eth_account.signers.local import LocalAccount
from flwr.app import DEFAULT_TTL, Message, Metadata, RecordDict
from flwr.app.message import remove_content_from_message
from flwr.app.message.message import make_message
from flwr.common.constant import SUPERLINK_NODE_ID, SubStatus
from flwr.common.serde import message_from_proto, message_to_proto, run_from_proto
from flwr.proto.message_pb2 import ConfirmMessageReceivedRequest, ObjectTree
from flwr.proto.node_pb2 import Node
from flwr.proto.runtime_pb2 import (
    PullAppMessagesRequest,
    PullTaskInputRequest,
    PushAppMessagesRequest,
    PushTaskOutputRequest,
    SendTaskHeartbeatRequest,
)
from flwr.serverapp import Grid
from flwr.supercore.inflatable.inflatable_protobuf_utils import (
    make_pull_object_fn_protobuf,
    make_push_object_fn_protobuf,
)
from flwr.supercore.inflatable.inflatable_utils import ObjectPullError, ObjectPushError
from flwr.supercore.interceptors import RuntimeTokenHttpInterceptor
from flwr.supercore.run import Run
from flwr.supercore.runtime import RuntimeHttpClient

from belmont.federated.deployed.http import BoundedClient, WaitingPulls, connect, explained, read_json, tls_context
from belmont.federated.deployed.objects import fetch, name_message, push_missing
from belmont.federated.deployed.paths import RUNS, STATUS
from belmont.federated.deployed.signed_requests import signed_headers
from belmont.federated.errors import CoordinatorError, FederatedError
from belmont.federated.grid.events import GridEvent
from belmont.registry.types import DatasetId

HEARTBEAT_SECONDS = 20.0
RECONNECT_SECONDS = 60.0
"""A coordinator that is away for longer ends the wait."""
_PAUSE_SECONDS = 0.5

T = TypeVar("T")


class CoordinatorClient:
    """A member's signed requests to a coordinator at ``host:port``."""

    def __init__(self, address: str, authority: bytes, account: LocalAccount) -> None:
        self.address = address
        self.authority = authority
        self._account = account

    def start_run(self, bundle: bytes) -> Mapping[str, object]:
        """Start a Flower run with a bundle."""
        return self._ask(RUNS, bundle, f"starting a run at {self.address}")

    def nodes(self) -> dict[DatasetId, int]:
        """The Flower node id of each dataset whose node is there now."""
        return _nodes(self._ask(STATUS, b"", f"asking {self.address} for its nodes"))

    def _ask(self, path: str, body: bytes, doing: str) -> Mapping[str, object]:
        with BoundedClient(verify=tls_context(self.authority), timeout=30, trust_env=False) as client:
            headers = signed_headers(self._account, self.address, "POST", path, body)
            url = f"https://{self.address}{path}"
            return read_json(explained(lambda: client.post(url, content=body, headers=headers), doing), doing)


class DeployedGrid(Grid):
    """Delivers over a coordinator. ``deliver`` starts the run; ``close`` ends it."""

    def __init__(self, client: CoordinatorClient, on_event: Callable[[GridEvent], None] = lambda event: None) -> None:
        self._coordinator = client
        self._on_event = on_event
        self._run: Run | None = None
        self._runtime: RuntimeHttpClient | None = None
        self._beats: RuntimeHttpClient | None = None
        self._pulls = WaitingPulls()
        self._node = Node(node_id=SUPERLINK_NODE_ID)
        self._ended = threading.Event()
        self.node_ids: dict[DatasetId, int] = {}
        """Of each dataset whose node was there when the run started."""

    @property
    def run(self) -> Run:
        """Run information."""
        if self._run is None:
            raise FederatedError("no run has been started: deliver a bundle first")
        return self._run

    def set_run(self, run: Run) -> None:
        """Set the run this grid operates in."""
        self._run = run

    def deliver(self, bundle: bytes) -> None:
        """Start a run with the study's bundle, which the coordinator hands to the nodes."""
        if self._runtime is not None:
            raise FederatedError("this grid has a run already: make another for another bundle")
        started = self._coordinator.start_run(bundle)
        self.node_ids = _nodes(started)
        token = RuntimeTokenHttpInterceptor(str(started.get("token", "")))
        where = self._coordinator.address, self._coordinator.authority, "flwr-serverapp"
        self._runtime = connect(RuntimeHttpClient, *where, self._pulls, token)
        self._beats = connect(RuntimeHttpClient, *where, token)
        answer = explained(lambda: self._api.PullTaskInput(PullTaskInputRequest()), "starting a run")
        self._run = run_from_proto(answer.run)
        threading.Thread(target=self._beat, daemon=True, name="run heartbeat").start()

    def create_message(
        self, content: RecordDict, message_type: str, dst_node_id: int, group_id: str, ttl: float | None = None
    ) -> Message:
        """A new message to one node."""
        metadata = Metadata(
            run_id=self.run.run_id,
            message_id="",
            src_node_id=SUPERLINK_NODE_ID,
            dst_node_id=dst_node_id,
            reply_to_message_id="",
            group_id=group_id,
            created_at=time.time(),
            ttl=DEFAULT_TTL if ttl is None else ttl,
            message_type=message_type,
        )
        return make_message(metadata=metadata, content=content)

    def get_node_ids(self) -> Iterable[int]:
        """The ids of the nodes that are there now."""
        return list(self._coordinator.nodes().values())

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Send messages; their new ids are for ``pull_messages``."""
        sent = list(messages)
        if not sent:
            return []
        trees, objects = [], {}
        for message in sent:
            tree, own = name_message(message)
            trees.append(tree)
            objects.update(own)
        request = PushAppMessagesRequest(
            messages_list=[message_to_proto(remove_content_from_message(message)) for message in sent],
            message_object_trees=trees,
        )

        def push() -> None:
            answer = self._api.PushMessages(request)
            send = make_push_object_fn_protobuf(self._api.PushObject, self._node, self.run.run_id, answer.session_id)
            push_missing(objects, answer.objects_to_push, send)

        try:
            explained(push, "sending")
        except ObjectPushError as error:
            raise CoordinatorError("sending: the coordinator did not take a part of a message") from error
        return [message.metadata.message_id for message in sent]

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """The replies that are there by now; each is given once."""
        return self._pull(list(message_ids), 0.0)

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        """Send messages and wait for the replies, at most ``timeout`` seconds."""
        started = time.perf_counter()
        sent = list(messages)
        waiting = {
            message_id: message.metadata.dst_node_id
            for message_id, message in zip(self.push_messages(sent), sent, strict=True)
        }
        for message_id, node_id in waiting.items():
            self._on_event(GridEvent(node_id, message_id, "sent", 0.0))
        replies: list[Message] = []
        lost_at: float | None = None
        while waiting:
            left = 25.0 if timeout is None else timeout - (time.perf_counter() - started)
            if left <= 0:
                break
            try:
                found = self._pull(list(waiting), left)
                lost_at = None
            except CoordinatorError:
                lost_at = lost_at or time.monotonic()
                if time.monotonic() - lost_at > RECONNECT_SECONDS:
                    raise
                time.sleep(min(_PAUSE_SECONDS, left))
                continue
            for reply in found:
                message_id = reply.metadata.reply_to_message_id
                node_id = waiting.pop(message_id, 0)
                if not node_id or reply.metadata.src_node_id not in (node_id, SUPERLINK_NODE_ID):
                    continue
                kind = "error" if reply.has_error() else "answered"
                self._on_event(GridEvent(node_id, message_id, kind, 1000 * (time.perf_counter() - started)))
                replies.append(reply)
        return replies

    def close(self) -> None:
        """End the run, and the connection."""
        self._ended.set()
        if self._runtime is not None:
            output = PushTaskOutputRequest(sub_status=SubStatus.COMPLETED, details="")
            with suppress(httpx.HTTPError):  # it ends by the heartbeats that stop
                self._runtime.PushTaskOutput(output)
            self._runtime.close()
        if self._beats is not None:
            self._beats.close()

    def __repr__(self) -> str:
        return f"DeployedGrid({len(self.node_ids)} hospital nodes over coordinator {self._coordinator.address})"

    @property
    def _api(self) -> RuntimeHttpClient:
        if self._runtime is None:
            raise FederatedError("no run has been started: deliver a bundle first")
        return self._runtime

    def _pull(self, message_ids: list[str], seconds: float) -> list[Message]:
        self._pulls.seconds = seconds
        answer = explained(lambda: self._api.PullMessages(PullAppMessagesRequest(message_ids=message_ids)), "receiving")
        run_id = self.run.run_id
        pull = make_pull_object_fn_protobuf(self._api.PullObject, self._node, run_id)
        replies = []
        for envelope, tree in zip(answer.messages_list, answer.message_object_trees, strict=False):
            message_id = message_from_proto(envelope).metadata.message_id

            def fetched(message_id: str = message_id, tree: ObjectTree = tree) -> Message:
                message = fetch(message_id, tree, pull)
                self._api.ConfirmMessageReceived(
                    ConfirmMessageReceivedRequest(node=self._node, run_id=run_id, message_object_id=message_id)
                )
                return message

            try:
                replies.append(explained(fetched, "receiving"))
            except ObjectPullError as error:
                raise CoordinatorError("receiving: a part of a reply is missing") from error
        return replies

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT_SECONDS):
            if self._beats is None:
                return
            try:
                self._beats.SendTaskHeartbeat(SendTaskHeartbeatRequest())
            except httpx.HTTPError:
                continue  # the next pull says what is wrong


def _nodes(content: Mapping[str, object]) -> dict[DatasetId, int]:
    nodes = content.get("nodes")
    try:
        if not isinstance(nodes, dict):
            raise ValueError
        return {DatasetId(bytes.fromhex(dataset)): int(node_id) for dataset, node_id in nodes.items()}
    except (ValueError, TypeError) as error:
        raise CoordinatorError("the coordinator's list of nodes cannot be read") from error
