"""Belmont's own requests to a coordinator: a node joins, a data user starts a run. Both are looked up on chain.

1. A request is signed (`signed_requests`); what the signer may do is read from the chain each time. Who is no member is
   refused before anything is computed, read or remembered for it: by a list that is read again at most once in
   ``LIST_SECONDS``, and only for an address that is not in it.
2. A node joins for a dataset whose active data holder signed, with the key whose hash the chain has for that member. A
   coordinator that leaves this out gains nothing: nodes decide for themselves, and results are compared with the chain.
3. An active data user starts a run with a bundle. The run's task is acquired in the same step, under one lock, so that
   its token reaches nobody else.
4. Bodies have a limit, come within a time, and are read strictly. Errors say what to do and name no secret.
5. Signatures and the chain are waited for in threads of their own, ``MOST_THREADS`` of them, so that a chain that hangs
   does not keep Flower from delivering. A member has ``MOST_AT_ONCE`` such requests under way.
"""

import base64
import logging
import re
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from flwr.common.constant import (
    HEARTBEAT_DEFAULT_INTERVAL,
    NOOP_ACCOUNT_NAME,
    NOOP_FLWR_AID,
    TRANSPORT_TYPE_GRPC_RERE,
    Status,
)
from flwr.common.serde import fab_to_proto
from flwr.proto.control_pb2 import StartRunRequest
from flwr.proto.runtime_pb2 import AcquireTaskRequest
from flwr.supercore.auth.typing import AccountInfo
from flwr.supercore.constant import TaskType
from flwr.supercore.fab import Fab
from flwr.superlink.servicer.control.control_handlers import start_run
from flwr.superlink.servicer.runtime.runtime_handlers import acquire_task
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from belmont.federated.deployed.coordinator.connections import Connections
from belmont.federated.deployed.coordinator.peers import Peers
from belmont.federated.deployed.coordinator.refusals import Incoming, PeerGone, Refused, drain, read_body
from belmont.federated.deployed.node_keys import node_key_hash
from belmont.federated.deployed.paths import NODES, RUNS, STATUS
from belmont.federated.deployed.signed_requests import Signed, SignedRequests
from belmont.federated.errors import BundleError, RequestUnsigned
from belmont.federated.hashes import code_hash
from belmont.federated.node.bundle import MAX_BUNDLE_BYTES, read_bundle
from belmont.registry.errors import RegistryUnreachable
from belmont.registry.protocol import Registry
from belmont.registry.strict_json import loads
from belmont.registry.types import Address, DatasetId, Member, MemberStatus, Role

MAX_JOIN_BYTES = 4_096
LIST_SECONDS = 1.0
MOST_THREADS = 8
MOST_AT_ONCE = 4

_log = logging.getLogger(__name__)
_ACCOUNT = AccountInfo(NOOP_FLWR_AID, NOOP_ACCOUNT_NAME)
_INSTANCE = re.compile(r"[0-9a-f]{32}\Z")

Serve = Callable[[Member, bytes], dict[str, Any]]


class Members:
    """The routes. ``state`` gives Flower's LinkState; ``registry`` is only read."""

    def __init__(
        self, registry: Registry, state: Callable[[], Any], audience: str, peers: Peers, connections: Connections
    ) -> None:
        self._registry = registry
        self._state = state
        self._peers = peers
        self._connections = connections
        self._requests = SignedRequests(audience)
        self._threads = CapacityLimiter(MOST_THREADS)
        self._listing = threading.Lock()
        self._listed: frozenset[Address] = frozenset()
        self._listed_at = float("-inf")
        self._unread = ""
        """Why the list could not be read the last time."""
        self._under_way: Counter[Address] = Counter()
        self.app = Starlette(
            routes=[
                Route(NODES, self._guarded(self._join, MAX_JOIN_BYTES), methods=["POST"]),
                Route(RUNS, self._guarded(self._start, MAX_BUNDLE_BYTES), methods=["POST"]),
                Route(STATUS, self._guarded(self._status, 0), methods=["POST"]),
            ]
        )

    def _guarded(self, serve: Serve, limit: int) -> Callable[[Request], Awaitable[JSONResponse]]:
        async def endpoint(request: Request) -> JSONResponse:
            incoming = Incoming(request.receive)
            try:
                return JSONResponse(await self._served(serve, limit, request, incoming))
            except RequestUnsigned as error:
                status, why = 401, str(error)
            except Refused as error:
                status, why = error.status, str(error)
            except RegistryUnreachable:
                status, why = 503, "the coordinator cannot reach the chain: try again later"
            except PeerGone:
                status, why = 400, "the request ended early"
            except Exception:
                _log.exception("a request to %s failed", request.url.path)
                status, why = 500, "the coordinator failed; its log says where"
            await drain(incoming)
            return JSONResponse({"error": why}, status, {"connection": "close"})

        return endpoint

    async def _served(self, serve: Serve, limit: int, request: Request, incoming: Incoming) -> dict[str, Any]:
        signed, member = await run_sync(self._asked, request, limiter=self._threads)
        client = (request.client.host, request.client.port) if request.client else None
        if self._under_way[signed.address] >= MOST_AT_ONCE:
            raise Refused(429, f"{MOST_AT_ONCE} requests of this member are under way: wait for one")
        self._under_way[signed.address] += 1
        try:
            with self._connections.used(client, signed.address):
                body = await read_body(incoming, limit)
                signed.check_body(body)
                return await run_sync(serve, member, body, limiter=self._threads)
        finally:
            self._under_way[signed.address] -= 1

    def _asked(self, request: Request) -> tuple[Signed, Member]:
        """Rule 1."""
        signed = self._requests.signed(request.headers, request.method, request.url.path, self._refuse_strangers)
        member = self._registry.member(signed.address)
        if member is None or member.status is not MemberStatus.ACTIVE:
            raise _stranger(signed.address)
        self._requests.take(signed)
        return signed, member

    def _refuse_strangers(self, address: Address) -> None:
        if address in self._listed:
            return
        with self._listing:
            if time.monotonic() - self._listed_at > LIST_SECONDS:
                self._listed_at, self._unread = time.monotonic(), "its members were not read yet"
                try:
                    self._listed = frozenset(each.address for each in self._registry.members())
                    self._unread = ""
                except RegistryUnreachable as error:
                    self._unread = error.detail
        if address not in self._listed:
            raise RegistryUnreachable(self._unread) if self._unread else _stranger(address)

    def _join(self, member: Member, body: bytes) -> dict[str, Any]:
        """Rule 2."""
        try:
            content = loads(body)
            dataset_id = DatasetId(bytes.fromhex(content["dataset"]))
            public_key = base64.b64decode(content["public_key"], validate=True)
            instance, first = content["instance"], content["first"]
            if set(content) != {"dataset", "public_key", "instance", "first"} or len(dataset_id) != 32:
                raise ValueError
            if not _INSTANCE.match(instance) or not isinstance(first, bool):
                raise ValueError
        except (ValueError, TypeError, KeyError) as error:
            raise Refused(400, "a node joins with a dataset, its public key, and which process it is") from error
        dataset = self._registry.dataset(dataset_id)
        if dataset is None or dataset.holder != member.address or Role.DATA_HOLDER not in member.roles:
            raise Refused(403, f"{member.address} is not the data holder of dataset {dataset_id.hex()[:12]}")
        if node_key_hash(public_key) != member.node_key_hash:
            raise Refused(403, "the chain has another node key for this member: register this one first")
        state = self._state()

        def register() -> int:
            node_id = state.get_node_id_by_public_key(public_key)
            if node_id is None:
                node_id = state.create_node(NOOP_FLWR_AID, NOOP_ACCOUNT_NAME, public_key, HEARTBEAT_DEFAULT_INTERVAL)
            else:
                state.deactivate_node(node_id)  # it connects anew: whoever was connected before it is gone
            return int(node_id)

        node_id = self._peers.join(member.address, dataset_id, public_key, instance, first, register)
        _log.info("the node of %s joined", dataset.name)
        return {"node_id": str(node_id)}

    def _start(self, member: Member, body: bytes) -> dict[str, Any]:
        """Rule 3."""
        if Role.DATA_USER not in member.roles:
            raise Refused(403, f"{member.address} is not a data user")
        try:
            read_bundle(body)
        except BundleError as error:
            raise Refused(400, str(error)) from error
        state = self._state()
        request = StartRunRequest(fab=fab_to_proto(Fab(code_hash(body).hex(), body, {})))

        def begin() -> tuple[int, str]:
            run_id = start_run(request, _ACCOUNT, state, TRANSPORT_TYPE_GRPC_RERE).run_id
            acquired = acquire_task(AcquireTaskRequest(supported_task_types=[TaskType.SERVER_APP]), state)
            if not run_id or acquired.task.run_id != run_id or not acquired.token:
                raise Refused(500, "the run could not be started; the coordinator's log says why")
            return run_id, acquired.token

        def still_run(run_ids: set[int]) -> set[int]:
            found = state.get_run_info(run_ids=list(run_ids))
            return {each.run_id for each in found if each.status.status != Status.FINISHED}

        run_id, token = self._peers.start(member.address, still_run, begin)
        _log.info("run %d started for %s", run_id, member.address)
        return {"run_id": str(run_id), "token": token, "nodes": self._known()}

    def _status(self, member: Member, body: bytes) -> dict[str, Any]:
        return {"nodes": self._known(), "consortium": self._registry.identity}

    def _known(self) -> dict[str, str]:
        """The nodes that are there now, by dataset."""
        state = self._state()
        online = {info.node_id for info in state.get_node_info(statuses=["online"])}
        return {dataset.hex(): str(node) for dataset, node in self._peers.datasets().items() if node in online}


def _stranger(address: Address) -> Refused:
    return Refused(403, f"{address} is not an active member of this consortium")
