"""A hospital's connection to the coordinator: Flower's Fleet API, as its SuperNode speaks it.

Flower's own connection ends the process when something is wrong, and its loop sleeps three seconds between two looks.
This one raises CoordinatorError, and waits for events.
"""

import base64
import json
import logging
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from eth_account.signers.local import LocalAccount
from flwr.app import Message
from flwr.app.message import remove_content_from_message
from flwr.common.constant import HEARTBEAT_DEFAULT_INTERVAL
from flwr.common.serde import message_from_proto, message_to_proto
from flwr.proto.fab_pb2 import GetFabRequest
from flwr.proto.fleet_pb2 import ActivateNodeRequest, DeactivateNodeRequest, PullMessagesRequest, PushMessagesRequest
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.message_pb2 import ConfirmMessageReceivedRequest
from flwr.proto.node_pb2 import Node
from flwr.proto.run_pb2 import GetRunRequest
from flwr.supercore.inflatable.inflatable_protobuf_utils import (
    make_pull_object_fn_protobuf,
    make_push_object_fn_protobuf,
)
from flwr.supercore.inflatable.inflatable_utils import ObjectPullError, ObjectPushError
from flwr.supercore.protobuf.client import ProtobufCall, ProtobufRequestContext
from flwr.supernode.fleet_http_client import FleetHttpClient
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

from belmont.federated.deployed.carried import carried, carry_if_small, names_of, or_pulled
from belmont.federated.deployed.http import WaitingPulls, bounded_client, connect, explained, read_json
from belmont.federated.deployed.node_keys import public_node_key
from belmont.federated.deployed.objects import fetch, name_messages, push_missing, unwrapped, wrapped
from belmont.federated.deployed.paths import INSTANCE_HEADER, MOST_WAIT_SECONDS, NODES
from belmont.federated.deployed.signed_requests import signed_headers
from belmont.federated.errors import CoordinatorError
from belmont.federated.node.bundle import MAX_BUNDLE_BYTES
from belmont.registry.types import DatasetId

_log = logging.getLogger(__name__)


def join(
    address: str,
    authority: bytes,
    account: LocalAccount,
    key: ec.EllipticCurvePrivateKey,
    dataset_id: DatasetId,
    instance: str,
    first: bool = True,
) -> int:
    """Tell the coordinator that this node serves a dataset; the Flower node id that it has there.

    ``instance`` is this process, in 32 hex digits; ``first`` says that it joins for the first time, and so takes the
    place of another process with the same key. Raises CoordinatorError, with status 409 where that one stays.
    """
    public_key = base64.b64encode(public_node_key(key)).decode()
    content = {"dataset": dataset_id.hex(), "public_key": public_key, "instance": instance, "first": first}
    body = json.dumps(content).encode()
    with bounded_client(authority, 15) as client:
        headers = signed_headers(account, address, "POST", NODES, body)
        doing = f"joining {address}"
        response = explained(lambda: client.post(f"https://{address}{NODES}", content=body, headers=headers), doing)
    try:
        node_id = int(read_json(response, doing)["node_id"])
        if not 0 < node_id < 2**64:
            raise ValueError
        return node_id
    except (KeyError, ValueError, TypeError) as error:
        raise CoordinatorError(f"{doing}: the coordinator gave no node id") from error


class _Instance:
    """Interceptor: says which process asks."""

    def __init__(self, instance: str) -> None:
        self._instance = instance

    def intercept(self, context: ProtobufRequestContext, call_next: ProtobufCall) -> httpx.Response:
        context.request.headers[INSTANCE_HEADER] = self._instance
        return call_next(context)


class Fleet:
    """One node's connection, as a context manager. Heartbeats go on by themselves while it is open."""

    def __init__(
        self, address: str, authority: bytes, key: ec.EllipticCurvePrivateKey, node_id: int, instance: str
    ) -> None:
        self._node = Node(node_id=node_id)
        self._pulls = WaitingPulls()
        self._public_key = public_node_key(key)
        auth = NodeAuthHttpInterceptor(key, key.public_key())
        which = _Instance(instance)
        self._client = connect(FleetHttpClient, address, authority, "SuperNode", self._pulls, auth, which)
        self._beats = connect(FleetHttpClient, address, authority, "SuperNode", auth, which)
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        request = ActivateNodeRequest(public_key=self._public_key, heartbeat_interval=HEARTBEAT_DEFAULT_INTERVAL)
        try:
            given = explained(lambda: self._client.ActivateNode(request), "connecting").node_id
            if given != self._node.node_id:
                raise CoordinatorError("connecting: the coordinator knows this node under another id")
        except CoordinatorError:
            self._close()
            raise
        threading.Thread(target=self._beat, daemon=True, name="heartbeat").start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        with suppress(httpx.HTTPError):  # it notices by the heartbeats that stop
            self._client.DeactivateNode(DeactivateNodeRequest(node_id=self._node.node_id))
        self._close()

    def receive(self, seconds: float = MOST_WAIT_SECONDS) -> Message | None:
        """The next message; None if there is none within so many seconds."""
        self._pulls.seconds = seconds
        answer = explained(lambda: self._client.PullMessages(PullMessagesRequest(node=self._node)), "receiving")
        if not answer.messages_list or not answer.message_object_trees:
            return None
        envelope = explained(lambda: message_from_proto(answer.messages_list[0]), "receiving")
        tree = answer.message_object_trees[0]
        run_id, message_id = envelope.metadata.run_id, envelope.metadata.message_id
        pull = make_pull_object_fn_protobuf(self._client.PullObject, self._node, run_id)

        def fetched() -> Message:
            came = carried(answer)
            message = fetch(message_id, tree, or_pulled(came, pull))
            if not names_of(tree) <= came.keys():
                self._client.ConfirmMessageReceived(
                    ConfirmMessageReceivedRequest(node=self._node, run_id=run_id, message_object_id=message_id)
                )
            return message

        try:
            return unwrapped(explained(fetched, "receiving"))
        except ObjectPullError as error:
            raise CoordinatorError("receiving: a part of a message is missing") from error

    def bundle(self, run_id: int) -> bytes:
        """What the coordinator says is the bundle of a run. Whoever uses it hashes it."""
        run = explained(lambda: self._client.GetRun(GetRunRequest(node=self._node, run_id=run_id)), "asking for a run")
        request = GetFabRequest(node=self._node, hash_str=run.run.fab_hash, run_id=run_id)
        content = bytes(explained(lambda: self._client.GetFab(request), "asking for a bundle").fab.content)
        if len(content) > MAX_BUNDLE_BYTES:
            raise CoordinatorError(f"the coordinator's bundle is larger than {MAX_BUNDLE_BYTES} bytes")
        return content

    def send(self, reply: Message) -> None:
        """Hand a reply to the coordinator."""
        reply = wrapped(reply)
        run_id = reply.metadata.run_id
        trees, objects = name_messages([reply])
        envelope = remove_content_from_message(reply) if reply.has_content() else reply
        request = PushMessagesRequest(
            node=self._node,
            messages_list=[message_to_proto(envelope)],
            message_object_trees=trees,
            clientapp_runtime_list=[0.0],
        )
        carry_if_small(request, objects)

        def sent() -> None:
            answer = self._client.PushMessages(request)
            push = make_push_object_fn_protobuf(self._client.PushObject, self._node, run_id, answer.session_id)
            push_missing(objects, answer.objects_to_push, push)

        try:
            explained(sent, "answering")
        except ObjectPushError as error:
            raise CoordinatorError("answering: the coordinator did not take a part of the reply") from error

    def _beat(self) -> None:
        request = SendNodeHeartbeatRequest(node=self._node, heartbeat_interval=HEARTBEAT_DEFAULT_INTERVAL)
        while not self._ended.wait(HEARTBEAT_DEFAULT_INTERVAL / 2):
            try:
                self._beats.SendNodeHeartbeat(request)
            except Exception:  # whatever a coordinator makes of it
                _log.debug("a heartbeat was not taken")  # the next pull says what is wrong

    def _close(self) -> None:
        self._ended.set()
        self._client.close()
        self._beats.close()
