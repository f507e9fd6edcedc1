"""Belmont's own requests to a coordinator: a node joins, a data user starts a run. Both are looked up on chain.

1. A request is signed (`signed_requests`); what the signer may do is read from the chain each time.
2. A node joins for a dataset whose active data holder signed, with the key whose hash the chain has for that member. A
   coordinator that leaves this out gains nothing: nodes decide for themselves, and results are compared with the chain.
3. An active data user starts a run with a bundle. The run's task is acquired in the same step, under one lock, so that
   its token reaches nobody else.
4. Bodies have a limit, and are read strictly. Errors say what to do and name no secret.
"""

import base64
import json
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from flwr.common.constant import HEARTBEAT_DEFAULT_INTERVAL, NOOP_ACCOUNT_NAME, NOOP_FLWR_AID, TRANSPORT_TYPE_GRPC_RERE
from flwr.common.serde import fab_to_proto
from flwr.proto.control_pb2 import StartRunRequest
from flwr.proto.runtime_pb2 import AcquireTaskRequest
from flwr.supercore.auth.typing import AccountInfo
from flwr.supercore.constant import TaskType
from flwr.supercore.fab import Fab
from flwr.superlink.servicer.control.control_handlers import start_run
from flwr.superlink.servicer.runtime.runtime_handlers import acquire_task
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from belmont.federated.deployed.node_keys import node_key_hash
from belmont.federated.deployed.paths import NODES, RUNS, STATUS
from belmont.federated.deployed.signed_requests import SignedRequests
from belmont.federated.errors import BundleError, RequestUnsigned
from belmont.federated.hashes import code_hash
from belmont.federated.node.bundle import MAX_BUNDLE_BYTES, read_bundle
from belmont.registry.protocol import Registry
from belmont.registry.types import Address, DatasetId, Member, MemberStatus, Role

MAX_JOIN_BYTES = 4_096

_log = logging.getLogger(__name__)
_ACCOUNT = AccountInfo(NOOP_FLWR_AID, NOOP_ACCOUNT_NAME)


class _Answer(Exception):
    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Members:
    """The routes. ``state`` gives Flower's LinkState; ``registry`` is only read."""

    def __init__(self, registry: Registry, state: Callable[[], Any], audience: str) -> None:
        self._registry = registry
        self._state = state
        self._requests = SignedRequests(audience)
        self._starting = threading.Lock()
        self._nodes: dict[DatasetId, int] = {}
        self.app = Starlette(
            routes=[
                Route(NODES, self._guarded(self._join, MAX_JOIN_BYTES), methods=["POST"]),
                Route(RUNS, self._guarded(self._start, MAX_BUNDLE_BYTES), methods=["POST"]),
                Route(STATUS, self._guarded(self._status, 0), methods=["POST"]),
            ]
        )

    def _guarded(
        self, serve: Callable[[Member, bytes], dict[str, Any]], limit: int
    ) -> Callable[[Request], Awaitable[JSONResponse]]:
        async def endpoint(request: Request) -> JSONResponse:
            try:
                body = await _body(request, limit)
                return JSONResponse(await run_in_threadpool(self._serve, serve, request, body))
            except RequestUnsigned as error:
                return JSONResponse({"error": str(error)}, 401)
            except _Answer as error:
                return JSONResponse({"error": str(error)}, error.status)
            except Exception:
                _log.exception("a request to %s failed", request.url.path)
                return JSONResponse({"error": "the coordinator failed; its log says where"}, 500)

        return endpoint

    def _serve(self, serve: Callable[[Member, bytes], dict[str, Any]], request: Request, body: bytes) -> dict[str, Any]:
        signer = self._requests.signer(request.headers, request.method, request.url.path, body)  # 1
        return serve(self._active(signer), body)

    def _active(self, signer: Address) -> Member:
        member = self._registry.member(signer)
        if member is None or member.status is not MemberStatus.ACTIVE:
            raise _Answer(403, f"{signer} is not an active member of this consortium")
        return member

    def _join(self, member: Member, body: bytes) -> dict[str, Any]:
        """Rule 2."""
        try:
            content = json.loads(body)
            dataset_id = DatasetId(bytes.fromhex(content["dataset"]))
            public_key = base64.b64decode(content["public_key"], validate=True)
            if set(content) != {"dataset", "public_key"} or len(dataset_id) != 32:
                raise ValueError
        except (ValueError, TypeError, KeyError) as error:
            raise _Answer(400, "a node joins with a dataset and its public key") from error
        dataset = self._registry.dataset(dataset_id)
        if dataset is None or dataset.holder != member.address or Role.DATA_HOLDER not in member.roles:
            raise _Answer(403, f"{member.address} is not the data holder of dataset {dataset_id.hex()[:12]}")
        if node_key_hash(public_key) != member.node_key_hash:
            raise _Answer(403, "the chain has another node key for this member: register this one first")
        state = self._state()
        node_id = state.get_node_id_by_public_key(public_key)
        if node_id is None:
            node_id = state.create_node(NOOP_FLWR_AID, NOOP_ACCOUNT_NAME, public_key, HEARTBEAT_DEFAULT_INTERVAL)
        else:
            state.deactivate_node(node_id)  # it connects anew: whoever was connected before it is gone
        self._nodes[dataset_id] = node_id
        _log.info("the node of %s joined", dataset.name)
        return {"node_id": str(node_id)}

    def _start(self, member: Member, body: bytes) -> dict[str, Any]:
        """Rule 3."""
        if Role.DATA_USER not in member.roles:
            raise _Answer(403, f"{member.address} is not a data user")
        try:
            read_bundle(body)
        except BundleError as error:
            raise _Answer(400, str(error)) from error
        state = self._state()
        request = StartRunRequest(fab=fab_to_proto(Fab(code_hash(body).hex(), body, {})))
        with self._starting:
            run_id = start_run(request, _ACCOUNT, state, TRANSPORT_TYPE_GRPC_RERE).run_id
            acquired = acquire_task(AcquireTaskRequest(supported_task_types=[TaskType.SERVER_APP]), state)
        if not run_id or acquired.task.run_id != run_id or not acquired.token:
            raise _Answer(500, "the run could not be started; the coordinator's log says why")
        _log.info("run %d started for %s", run_id, member.address)
        return {"run_id": str(run_id), "token": acquired.token, "nodes": self._known()}

    def _status(self, member: Member, body: bytes) -> dict[str, Any]:
        return {"nodes": self._known(), "consortium": self._registry.identity}

    def _known(self) -> dict[str, str]:
        """The nodes that are there now, by dataset."""
        state = self._state()
        online = {info.node_id for info in state.get_node_info(statuses=["online"])}
        return {dataset.hex(): str(node) for dataset, node in self._nodes.items() if node in online}


async def _body(request: Request, limit: int) -> bytes:
    """Rule 4: never more in memory than allowed."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise _Answer(413, f"the body is larger than {limit} bytes")
    return body
