"""What of Flower's interface a coordinator leaves open, and what not."""

import asyncio
import gzip
import time
from contextlib import closing
from typing import Any

import httpx
import pytest
from flwr.proto.control_pb2 import RegisterNodeRequest, StartRunRequest
from flwr.proto.runtime_pb2 import AcquireTaskRequest
from flwr.supercore.constant import TaskType
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor
from flwr.supercore.runtime import RuntimeHttpClient

from belmont.federated.deployed.coordinator.waiting import Waiting
from belmont.federated.deployed.http import BoundedClient, connect
from belmont.federated.errors import CoordinatorError
from belmont.federated.grid.deployed import DeployedGrid

PROTOBUF = {"content-type": "application/x-protobuf", "accept": "application/x-protobuf"}


def flowers_paths() -> list[str]:
    """Every path of Flower's SuperLink that is not one of those that a deployment needs."""
    from fastapi.routing import APIRoute
    from flwr.supercore.routers.runtime import router as runtime
    from flwr.superlink.routers.control import router as control
    from flwr.superlink.routers.fleet.router import router as fleet

    from belmont.federated.deployed.paths import FLEET, RUNTIME

    found = {
        route.path for router in (runtime, control, fleet) for route in router.routes if isinstance(route, APIRoute)
    }
    assert found >= FLEET | RUNTIME, "Flower's interface changed"
    return sorted(found - FLEET - RUNTIME)


@pytest.mark.parametrize("path", [*flowers_paths(), "/docs", "/openapi.json", "/", "/v1/fleet", "/health"])
def test_everything_else_of_flower_is_closed(shared_coordinator: Any, path: str) -> None:
    with shared_coordinator.http() as http:
        for method in ("GET", "POST", "PUT", "DELETE"):
            assert http.request(method, path, headers=PROTOBUF).status_code == 404


def test_flowers_control_interface_would_let_anybody_start_a_run_and_here_nobody_can(shared_coordinator: Any) -> None:
    flower = shared_coordinator.app._flower
    request = StartRunRequest().SerializeToString()
    versions = {"flwr-package-name": "flwr", "flwr-package-version": "1.41.0", "flwr-component-name": "flwr CLI"}

    async def asked() -> tuple[int, int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(flower), base_url="https://here") as inside:
            key = RegisterNodeRequest(public_key=b"").SerializeToString()
            first = await inside.post("/v1/control/start-run", content=request, headers=PROTOBUF | versions)
            second = await inside.post("/v1/control/register-node", content=key, headers=PROTOBUF | versions)
            return first.status_code, second.status_code

    assert 401 not in asyncio.run(asked()) and 403 not in asyncio.run(asked())
    with shared_coordinator.http() as http:
        assert http.post("/v1/control/start-run", content=request, headers=PROTOBUF).status_code == 404


def test_nobody_acquires_a_task_of_somebody_elses_run(coordinator: Any) -> None:
    client = connect(RuntimeHttpClient, coordinator.address, coordinator.authority, "SuperExec")
    with closing(client), pytest.raises(httpx.HTTPStatusError, match="404"):
        client.AcquireTask(AcquireTaskRequest(supported_task_types=[TaskType.SERVER_APP]))


def test_a_run_cannot_be_driven_without_its_token(coordinator: Any) -> None:
    grid = coordinator.grid()
    with closing(grid):
        stranger = DeployedGrid(coordinator.client())
        stranger.set_run(grid.run)
        stranger._runtime = connect(RuntimeHttpClient, coordinator.address, coordinator.authority, "flwr-serverapp")
        with pytest.raises(CoordinatorError, match=r"40[13]"):
            stranger.pull_messages(["0" * 64])


def test_two_researchers_get_runs_of_their_own(coordinator: Any) -> None:
    with closing(coordinator.grid()) as first, closing(coordinator.grid()) as second:
        assert first.run.run_id != second.run.run_id


def test_a_canary_of_what_flower_keeps_private() -> None:
    """Names that the deployment rests on; a new release of Flower has to be looked at where one is gone."""
    from flwr.app.message.message import make_message
    from flwr.supercore.inflatable.inflatable_object import get_object_id, no_object_id_recompute
    from flwr.supercore.protobuf.client import ProtobufClient
    from flwr.superlink.cli.flower_superlink import SuperLinkLifespan
    from flwr.superlink.config_loader import SuperLinkLifespanConfig
    from flwr.superlink.servicer.control.control_handlers import start_run
    from flwr.superlink.servicer.runtime.runtime_handlers import acquire_task
    from flwr.supernode.fleet_http_client import FleetHttpClient

    assert issubclass(FleetHttpClient, ProtobufClient) and issubclass(RuntimeHttpClient, ProtobufClient)
    assert isinstance(FleetHttpClient("https://127.0.0.1:1")._client, httpx.Client)
    assert {"isolation", "database", "enable_supernode_auth"} <= set(SuperLinkLifespanConfig.__dataclass_fields__)
    named = (make_message, get_object_id, no_object_id_recompute, SuperLinkLifespan, start_run, acquire_task)
    assert all(map(callable, (*named, RuntimeVersionHttpInterceptor)))


NODE, RUN = ("node", 7), ("run", 9)


async def still_there() -> Any:
    """The ``receive`` of a peer that does not hang up."""
    await asyncio.sleep(3600)


async def timed(wait: Any) -> tuple[Any, float]:
    started = time.monotonic()
    return await wait, time.monotonic() - started


def test_a_pull_that_does_not_ask_to_wait_is_passed_on_at_once() -> None:
    seen, waited = asyncio.run(timed(Waiting().wait(NODE, b"", still_there)))
    assert seen is not None and waited < 5


def test_a_pull_waits_for_a_push_and_no_longer_than_it_asks() -> None:
    async def story() -> tuple[float, float, int]:
        waiting = Waiting()
        seen = await waiting.wait(NODE, b"5 0", still_there)
        _, in_vain = await timed(waiting.wait(NODE, f"0.3 {seen}".encode(), still_there))
        pull = asyncio.create_task(timed(waiting.wait(NODE, f"20 {seen}".encode(), still_there)))
        await asyncio.sleep(0.2)
        waiting.pushed({NODE})
        now, woken = await pull
        return in_vain, woken, now - seen

    in_vain, woken, counted = asyncio.run(story())
    assert 0.3 <= in_vain < 5 and woken < 10 and counted == 1


def test_what_others_are_sent_wakes_nobody() -> None:
    async def story() -> float:
        waiting = Waiting()
        seen = await waiting.wait(NODE, b"1 0", still_there)
        pull = asyncio.create_task(timed(waiting.wait(NODE, f"0.5 {seen}".encode(), still_there)))
        await asyncio.sleep(0.1)
        waiting.pushed({RUN, ("node", 8), ("run", 7)})
        return (await pull)[1]

    assert asyncio.run(story()) >= 0.5


def test_a_newer_pull_ends_the_older_one_which_gets_nothing() -> None:
    """Else a pull whose line was cut would be handed the message that the node waits for on its new connection."""

    async def story() -> tuple[Any, Any]:
        waiting = Waiting()
        seen = await waiting.wait(NODE, b"1 0", still_there)
        older = asyncio.create_task(waiting.wait(NODE, f"20 {seen}".encode(), still_there))
        await asyncio.sleep(0.1)
        newer = asyncio.create_task(waiting.wait(NODE, f"20 {seen}".encode(), still_there))
        ended = await older
        waiting.pushed({NODE})
        return ended, await newer

    older, newer = asyncio.run(story())
    assert older is None and newer is not None


def test_a_pull_whose_peer_hung_up_gets_nothing() -> None:
    async def hung_up() -> Any:
        return {"type": "http.disconnect"}

    async def story() -> Any:
        waiting = Waiting()
        seen = await waiting.wait(NODE, b"1 0", still_there)
        return await timed(waiting.wait(NODE, f"20 {seen}".encode(), hung_up))

    seen, waited = asyncio.run(story())
    assert seen is None and waited < 10


def test_nobody_waits_at_a_coordinator_that_ends() -> None:
    async def story() -> float:
        waiting = Waiting()
        seen = await waiting.wait(NODE, b"1 0", still_there)
        pull = asyncio.create_task(timed(waiting.wait(NODE, f"20 {seen}".encode(), still_there)))
        await asyncio.sleep(0.1)
        waiting.end()
        return (await pull)[1]

    assert asyncio.run(story()) < 10


@pytest.mark.parametrize("header", ["", "x", "1", "1 2 3", "-1 0", "1e9 0", "99 " + "9" * 30, "nan 0"])
def test_a_malformed_wait_is_no_wait(header: str) -> None:
    assert asyncio.run(timed(Waiting().wait(NODE, header.encode(), still_there)))[1] < 10


def test_an_answer_that_is_too_large_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("belmont.federated.deployed.http.MAX_ANSWER_BYTES", 1000)
    transport = httpx.MockTransport(lambda request: httpx.Response(200, stream=httpx.ByteStream(bytes(1001))))
    with BoundedClient(transport=transport) as client, pytest.raises(CoordinatorError, match="larger than 1000"):
        client.get("https://here/")
    transport = httpx.MockTransport(lambda request: httpx.Response(200, stream=httpx.ByteStream(bytes(1000))))
    with BoundedClient(transport=transport) as client:
        assert len(client.get("https://here/").content) == 1000


def test_a_redirect_is_not_followed() -> None:
    headers = {"location": "https://elsewhere/"}
    transport = httpx.MockTransport(lambda request: httpx.Response(307, headers=headers, stream=httpx.ByteStream(b"")))
    with BoundedClient(transport=transport, follow_redirects=True) as client:
        assert client.get("https://here/").status_code == 307


def test_an_answer_that_is_compressed_is_refused_unread() -> None:
    bomb = gzip.compress(bytes(10_000_000))
    headers = {"content-encoding": "gzip"}
    transport = httpx.MockTransport(lambda request: httpx.Response(200, headers=headers, stream=httpx.ByteStream(bomb)))
    with BoundedClient(transport=transport) as client, pytest.raises(CoordinatorError, match="compressed"):
        client.get("https://here/")
