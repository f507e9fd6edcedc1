"""The researcher's Grid over a coordinator: one Flower run whose ServerApp is the researcher's own process.

The run is started, and its task acquired, in one signed request (`belmont.federated.deployed.coordinator.members`).
From then on this is Flower's Runtime API, as Flower's own HttpGrid speaks it, with events in place of its three-second
polls.

1. A break in the connection is waited out for ``RECONNECT_SECONDS``, with pauses that double; whoever asks may have
   more patience (`belmont.federated.exchange`), and finds the grid as it left it.
2. A coordinator that started again knows nothing of the run: it is started anew, and what was not answered is sent
   again, once the nodes are back; they answer the same request with the same bytes.
3. A reply counts for the message that it answers only from the node that this message was for. In place of a node the
   coordinator itself can only say that it is not there.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress

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

from belmont.federated.deployed.backoff import EarlyAnswers, pauses
from belmont.federated.deployed.carried import carried, carry_if_small, names_of, or_pulled
from belmont.federated.deployed.http import WaitingPulls, bounded_client, connect, explained, read_json
from belmont.federated.deployed.objects import fetch, name_messages, push_missing, unwrapped, wrapped_all
from belmont.federated.deployed.paths import MOST_WAIT_SECONDS, RUNS, STATUS
from belmont.federated.deployed.signed_requests import signed_headers
from belmont.federated.errors import CoordinatorError, FederatedError
from belmont.federated.grid.events import GridEvent
from belmont.registry.types import DatasetId

HEARTBEAT_SECONDS = 20.0
RECONNECT_SECONDS = 10.0
"""A coordinator that is away for longer is a CoordinatorError."""

_LOST = (401, 403, 404)
"""What a coordinator says to a run that it does not know."""


class _RunLost(Exception):
    """The coordinator does not know the run any more."""


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
        with bounded_client(self.authority, 30) as client:
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
        self._bundle = b""
        self._is_lost = False
        """Whether the coordinator knows nothing of the run any more (2)."""
        self._sent_to: dict[str, int] = {}
        """The node that each message was for."""
        self._datasets: dict[int, DatasetId] = {}
        """Of each node that ever was there."""
        self.node_ids: dict[DatasetId, int] = {}
        """Of each dataset whose node was there when the run started; changed in place when it is started anew."""

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
        self._pulls = WaitingPulls()  # a coordinator that started again counts from the beginning
        started = self._coordinator.start_run(bundle)
        self._bundle = bundle
        self._found(_nodes(started))
        token = RuntimeTokenHttpInterceptor(str(started.get("token", "")))
        where = self._coordinator.address, self._coordinator.authority, "flwr-serverapp"
        self._runtime = connect(RuntimeHttpClient, *where, self._pulls, token)
        self._beats = connect(RuntimeHttpClient, *where, token)
        answer = explained(lambda: self._api.PullTaskInput(PullTaskInputRequest()), "starting a run")
        self._run = run_from_proto(answer.run)
        self._is_lost = False
        self._ended = threading.Event()
        beating = self._beats, self._ended
        threading.Thread(target=_beat, args=beating, daemon=True, name="run heartbeat").start()

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
        """The ids of the nodes that are there now; ``node_ids`` has them from then on."""
        return list(self._found(self._coordinator.nodes()).values())

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Send messages; their new ids are for ``pull_messages``."""
        sent = wrapped_all(list(messages))
        if not sent:
            return []
        trees, objects = name_messages(sent)
        request = PushAppMessagesRequest(
            messages_list=[message_to_proto(remove_content_from_message(message)) for message in sent],
            message_object_trees=trees,
        )
        carry_if_small(request, objects)

        def push() -> None:
            answer = self._api.PushMessages(request)
            send = make_push_object_fn_protobuf(self._api.PushObject, self._node, self.run.run_id, answer.session_id)
            push_missing(objects, answer.objects_to_push, send)

        try:
            explained(push, "sending")
        except ObjectPushError as error:
            raise CoordinatorError("sending: the coordinator did not take a part of a message") from error
        self._sent_to.update({each.metadata.message_id: each.metadata.dst_node_id for each in sent})
        return [message.metadata.message_id for message in sent]

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """The replies that are there by now; each is given once."""
        return self._pull(list(message_ids), 0.0)

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        """Send messages and wait for the replies, at most ``timeout`` seconds."""
        started = time.perf_counter()
        deadline = float("inf") if timeout is None else started + timeout
        unanswered = list(messages)
        replies: list[Message] = []
        while unanswered and time.perf_counter() < deadline:
            sent = self._sent(unanswered, deadline)
            for message_id, message in sent.items():
                self._on_event(GridEvent(message.metadata.dst_node_id, message_id, "sent", 0.0))
            try:
                for reply in self._received(sent, deadline):
                    kind = "error" if reply.has_error() else "answered"
                    message_id, node_id = reply.metadata.reply_to_message_id, reply.metadata.src_node_id
                    self._on_event(GridEvent(node_id, message_id, kind, 1000 * (time.perf_counter() - started)))
                    replies.append(reply)
                return replies
            except _RunLost:
                unanswered, self._is_lost = list(sent.values()), True
        return replies

    def _sent(self, messages: list[Message], deadline: float) -> dict[str, Message]:
        """Sends messages, again where the coordinator was away; what was sent in the end, by id."""
        patience = _Patience(deadline)
        while True:
            try:
                if self._is_lost:
                    messages = self._anew(messages, deadline)
                return dict(zip(self.push_messages(messages), messages, strict=True))
            except CoordinatorError as error:
                self._is_lost = self._is_lost or error.status in _LOST
                if not (error.may_pass or error.status in _LOST) or not patience.pause():
                    raise

    def _received(self, waiting: dict[str, Message], deadline: float) -> Iterator[Message]:
        """The replies to ``waiting``, which is left with what was not answered. Raises _RunLost."""
        patience, early = _Patience(deadline), EarlyAnswers()
        while waiting and (left := deadline - time.perf_counter()) > 0:
            asked_at, seconds = time.perf_counter(), min(left, MOST_WAIT_SECONDS)
            try:
                found = self._pull(list(waiting), seconds)
            except CoordinatorError as error:
                if error.status in _LOST:
                    raise _RunLost from error
                if not patience.pause():
                    raise
                continue
            patience = _Patience(deadline)
            for reply in found:
                if waiting.pop(reply.metadata.reply_to_message_id, None) is not None:
                    yield reply
            soon = not found and time.perf_counter() - asked_at < seconds / 2
            time.sleep(min(early.pause(soon), max(0.0, deadline - time.perf_counter())))

    def _anew(self, messages: list[Message], deadline: float) -> list[Message]:
        """Starts the run again, waits for the nodes, and gives the same messages to those that are there (2)."""
        wanted = {self._datasets.get(each.metadata.dst_node_id) for each in messages} - {None}
        self._disconnect()
        self.deliver(self._bundle)
        patience = _Patience(deadline)
        while not wanted <= set(there := self._coordinator.nodes()) and patience.pause():
            continue
        self._found(there)
        return [
            self.create_message(
                message.content,
                message.metadata.message_type,
                there[dataset],
                message.metadata.group_id,
                message.metadata.ttl,
            )
            for message in messages
            if (dataset := self._datasets.get(message.metadata.dst_node_id)) in there
        ]

    def _found(self, nodes: dict[DatasetId, int]) -> dict[DatasetId, int]:
        self.node_ids.update(nodes)
        self._datasets.update({node_id: dataset for dataset, node_id in nodes.items()})
        return nodes

    def close(self) -> None:
        """End the run, and the connection."""
        self._disconnect()

    def _disconnect(self) -> None:
        self._ended.set()
        if self._runtime is not None:
            output = PushTaskOutputRequest(sub_status=SubStatus.COMPLETED, details="")
            with suppress(httpx.HTTPError):  # it ends by the heartbeats that stop
                self._runtime.PushTaskOutput(output)
            self._runtime.close()
        if self._beats is not None:
            self._beats.close()
        self._runtime = self._beats = None

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
        came = explained(lambda: carried(answer), "receiving")
        replies = []
        for envelope, tree in zip(answer.messages_list, answer.message_object_trees, strict=False):
            message_id = message_from_proto(envelope).metadata.message_id

            def fetched(message_id: str = message_id, tree: ObjectTree = tree) -> Message:
                message = fetch(message_id, tree, or_pulled(came, pull))
                if not names_of(tree) <= came.keys():
                    self._api.ConfirmMessageReceived(
                        ConfirmMessageReceivedRequest(node=self._node, run_id=run_id, message_object_id=message_id)
                    )
                return message

            try:
                reply = unwrapped(explained(fetched, "receiving"))
            except ObjectPullError as error:
                raise CoordinatorError("receiving: a part of a reply is missing") from error
            if self._is_from_whom_it_should_be(reply):
                replies.append(reply)
        return replies

    def _is_from_whom_it_should_be(self, reply: Message) -> bool:
        """Rule 3."""
        asked = self._sent_to.get(reply.metadata.reply_to_message_id)
        source = reply.metadata.src_node_id
        return asked is not None and (source == asked or (source == SUPERLINK_NODE_ID and reply.has_error()))


class _Patience:
    """With a coordinator that is away, from now on."""

    def __init__(self, deadline: float) -> None:
        self._until = min(deadline, time.perf_counter() + RECONNECT_SECONDS)
        self._pauses = pauses()

    def pause(self) -> bool:
        """Wait a while; False, and at once, where there is no time left."""
        left = self._until - time.perf_counter()
        if left > 0:
            time.sleep(min(next(self._pauses), left))
        return left > 0


def _beat(client: RuntimeHttpClient, ended: threading.Event) -> None:
    while not ended.wait(HEARTBEAT_SECONDS):
        try:
            client.SendTaskHeartbeat(SendTaskHeartbeatRequest())
        except (httpx.HTTPError, RuntimeError):
            continue  # the next pull says what is wrong


def _nodes(content: Mapping[str, object]) -> dict[DatasetId, int]:
    nodes = content.get("nodes")
    try:
        if not isinstance(nodes, dict):
            raise ValueError
        return {DatasetId(bytes.fromhex(dataset)): int(node_id) for dataset, node_id in nodes.items()}
    except (ValueError, TypeError) as error:
        raise CoordinatorError("the coordinator's list of nodes cannot be read") from error
