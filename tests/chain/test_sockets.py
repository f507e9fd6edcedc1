"""JSON-RPC over WebSocket: what is told of new heads, who is refused, and who is cut off."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from belmont.chain import heads
from belmont.chain.client import ChainClient
from belmont.chain.heads import HeadWatch
from belmont.chain.process import ChainProcess
from belmont.chain.sockets import MESSAGE_BYTES_MAX, SOCKETS_MAX, SUBSCRIPTIONS_MAX


@pytest.fixture(scope="module")
def beating(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChainProcess]:
    """A chain with a block every fifth of a second; its log holds no traceback in the end."""
    directory = tmp_path_factory.mktemp("beating")
    with ChainProcess.start(directory, heartbeat_seconds=0.2) as chain:
        yield chain
        assert chain.running
    assert "Traceback" not in (directory / "server.log").read_text(errors="replace")


def opened(chain: ChainProcess, **options: Any) -> ClientConnection:
    return connect(chain.url.replace("http", "ws"), compression=None, proxy=None, **options)


@pytest.fixture
def connection(beating: ChainProcess) -> Iterator[ClientConnection]:
    with opened(beating) as made:
        yield made


def ask(connection: ClientConnection, method: str, *parameters: Any, key: Any = 1) -> Any:
    """The answer with this id; what is told meanwhile is left out."""
    connection.send(json.dumps({"jsonrpc": "2.0", "id": key, "method": method, "params": list(parameters)}))
    while True:
        answer = json.loads(connection.recv(timeout=10))
        if "method" not in answer:
            return answer


def told(connection: ClientConnection) -> dict[str, Any]:
    notice = json.loads(connection.recv(timeout=10))
    assert notice["jsonrpc"] == "2.0" and notice["method"] == "eth_subscription" and "id" not in notice
    return notice["params"]


def test_every_new_head_is_told_once_and_in_order(connection, beating):
    head = ChainClient(beating.url).head().number
    key = ask(connection, "eth_subscribe", "newHeads")["result"]
    notices = [told(connection) for _ in range(5)]
    assert {each["subscription"] for each in notices} == {key}
    numbers = [int(each["result"]["number"], 16) for each in notices]
    assert numbers == list(range(numbers[0], numbers[0] + 5))
    assert numbers[0] > head


def test_a_told_head_is_the_blocks_header_without_what_the_block_holds(connection, beating):
    ask(connection, "eth_subscribe", "newHeads")
    header = told(connection)["result"]
    block = ChainClient(beating.url).transport.request("eth_getBlockByNumber", [header["number"], False])
    left_out = {"size", "uncles", "withdrawals", "transactions", "totalDifficulty"}
    assert header == {name: value for name, value in block.items() if name not in left_out}


def test_subscriptions_of_one_connection_are_told_apart_and_end_one_by_one(connection):
    first = ask(connection, "eth_subscribe", "newHeads")["result"]
    second = ask(connection, "eth_subscribe", "newHeads")["result"]
    assert {told(connection)["subscription"] for _ in range(4)} == {first, second}
    assert ask(connection, "eth_unsubscribe", first)["result"] is True
    for _ in range(3):
        assert told(connection)["subscription"] == second
    assert ask(connection, "eth_unsubscribe", first)["error"] == {"code": -32000, "message": "subscription not found"}


@pytest.mark.parametrize("key", ["0x1", 1, None, [], {}, "\ud800"])
def test_what_names_no_subscription_ends_none(connection, key):
    assert "error" in ask(connection, "eth_unsubscribe", key)


def test_a_subscription_ends_only_on_its_own_connection(connection, beating):
    key = ask(connection, "eth_subscribe", "newHeads")["result"]
    with opened(beating) as other:
        assert ask(other, "eth_unsubscribe", key)["error"]["message"] == "subscription not found"
    assert told(connection)["subscription"] == key


@pytest.mark.parametrize("kind", ["logs", "newPendingTransactions", "syncing", "", 1, None, [], {"a": 1}, "x" * 1000])
def test_only_new_heads_can_be_subscribed_to(connection, kind):
    assert ask(connection, "eth_subscribe", kind)["error"]["code"] in (-32601, -32602)


def test_over_http_there_is_nothing_to_tell_on(beating):
    for method, parameters in (("eth_subscribe", ["newHeads"]), ("eth_unsubscribe", ["0x1"])):
        with pytest.raises(Exception, match="notifications not supported"):
            ChainClient(beating.url).transport.request(method, parameters)


def test_every_other_method_is_answered_as_over_http(connection, beating):
    client = ChainClient(beating.url)
    for method, parameters in (("eth_chainId", []), ("eth_getBlockByNumber", ["0x1", True]), ("eth_nothing", [])):
        body = json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": parameters}).encode()
        assert ask(connection, method, *parameters, key=7) == client.transport.exchange(body)


def test_a_batch_is_answered_as_a_batch(connection):
    requests = [{"jsonrpc": "2.0", "id": each, "method": "eth_chainId"} for each in range(3)]
    connection.send(json.dumps(requests))
    assert [each["id"] for each in json.loads(connection.recv(timeout=10))] == [0, 1, 2]


@pytest.mark.parametrize("nonsense", ["", "{", "[]", "null", "\0", "[" * 100_000, b"\xff\xfe", b"", "NaN"])
def test_nonsense_is_refused_and_the_connection_goes_on(connection, nonsense):
    connection.send(nonsense)
    assert "error" in json.loads(connection.recv(timeout=10))
    assert ask(connection, "eth_chainId")["result"] == "0x539"


def test_a_message_that_is_too_large_ends_the_connection(beating):
    with opened(beating) as made:
        with contextlib.suppress(ConnectionClosed):
            made.send(" " * (MESSAGE_BYTES_MAX + 1))
        with pytest.raises(ConnectionClosedError) as closed:
            made.recv(timeout=10)
        assert closed.value.rcvd.code == 1009


def test_a_web_page_is_refused(beating):
    for origin in ("http://example.org", "null", f"http://127.0.0.1:{beating.port}"):
        with pytest.raises(InvalidStatus) as refused:
            opened(beating, origin=origin)
        assert refused.value.response.status_code == 403


def test_a_name_that_is_not_this_machines_is_refused(beating):
    handshake = (
        "GET / HTTP/1.1\r\nHost: attacker.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", beating.port), timeout=10) as raw:
        raw.sendall(handshake.encode())
        assert raw.recv(100).startswith(b"HTTP/1.1 403")


def test_subscriptions_and_connections_are_limited(beating):
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(opened(beating))
        for _ in range(SUBSCRIPTIONS_MAX):
            assert "result" in ask(first, "eth_subscribe", "newHeads")
        assert ask(first, "eth_subscribe", "newHeads")["error"]["code"] == -32005
        refusals = 0
        for _ in range(SOCKETS_MAX + 5):
            try:
                stack.enter_context(opened(beating))
            except InvalidStatus as refused:
                assert refused.response.status_code == 503
                refusals += 1
        assert refusals >= 5
        assert ChainClient(beating.url).head().number
    # those that left make room
    deadline = time.monotonic() + 20
    while True:
        try:
            opened(beating).close()
            break
        except InvalidStatus:
            assert time.monotonic() < deadline
            time.sleep(0.1)


SMALL_LIMITS = """
import sys
from belmont.chain import connections, server, sockets
connections.READER_SECONDS, connections.REQUEST_SECONDS, sockets.IDLE_SECONDS = 1.0, 1.0, 1.0
sys.exit(server.main())
"""


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a server whose limits of time are a second each."""
    import subprocess
    import sys

    words = [sys.executable, "-P", "-c", SMALL_LIMITS, str(tmp_path_factory.mktemp("impatient")), "0"]
    process = subprocess.Popen([*words, "--heartbeat-seconds", "0.2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    yield json.loads(process.stdout.readline())["port"]
    process.terminate()
    assert b"Traceback" not in process.communicate(timeout=30)[1]


def test_who_asks_nothing_is_closed_and_who_is_told_stays(impatient):
    url = f"ws://127.0.0.1:{impatient}"
    with connect(url, proxy=None) as idle, connect(url, proxy=None) as following:
        ask(following, "eth_subscribe", "newHeads")
        began = time.monotonic()
        with pytest.raises(ConnectionClosed) as closed:
            idle.recv(timeout=10)
        assert closed.value.rcvd.reason == "idle"
        while time.monotonic() - began < 3:
            told(following)


def test_a_reader_that_does_not_read_is_cut_off_and_holds_nobody_up(impatient):
    request = json.dumps([{"jsonrpc": "2.0", "id": 1, "method": "eth_getBlockByNumber", "params": ["0x0"]}] * 900)
    with connect(f"ws://127.0.0.1:{impatient}", proxy=None, max_queue=1, max_size=None) as slow:
        slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client = ChainClient(f"http://127.0.0.1:{impatient}")
        deadline = time.monotonic() + 30
        with pytest.raises(ConnectionClosed):
            while time.monotonic() < deadline:
                slow.send(request)
                client.head()
    assert client.head().number


def test_a_server_with_open_subscriptions_ends_in_order(tmp_path):
    with ChainProcess.start(tmp_path, heartbeat_seconds=0.2) as chain, opened(chain) as made:
        ask(made, "eth_subscribe", "newHeads")
        told(made)
        began = time.monotonic()
        chain.stop()
        assert time.monotonic() - began < 10
        with pytest.raises(ConnectionClosed):
            while True:
                made.recv(timeout=10)
    assert "Traceback" not in (tmp_path / "server.log").read_text()


# --- waiting for heads ---


def waited(watch: HeadWatch) -> float:
    began = time.monotonic()
    watch.wait()
    return time.monotonic() - began


def test_a_watch_is_told_of_blocks(beating):
    watch = HeadWatch(beating.url)
    watch.wait()
    assert watch.is_told
    head = ChainClient(beating.url).head().number
    watch.wait()
    watch.wait()
    assert ChainClient(beating.url).head().number > head
    watch.close()


def test_a_watch_of_a_server_without_websocket_lets_a_second_pass(monkeypatch):
    monkeypatch.setattr(heads, "LOOK_SECONDS", 0.3)
    with answering(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n") as url:
        watch = HeadWatch(url)
        assert waited(watch) >= 0.3 and not watch.is_told
        assert waited(watch) >= 0.3 and not watch.is_told
        watch.close()
        assert waited(watch) < 0.3


def test_a_watch_goes_on_without_a_server_and_finds_it_again(tmp_path, monkeypatch):
    monkeypatch.setattr(heads, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(heads, "FIRST_PAUSE_SECONDS", 0.2)
    with ChainProcess.start(tmp_path, heartbeat_seconds=0.2) as chain:
        port, watch = chain.port, HeadWatch(chain.url)
        watch.wait()
        assert watch.is_told
        chain.kill()
    while watch.is_told:
        watch.wait()
    watch.wait()
    assert not watch.is_told
    with ChainProcess.start(tmp_path, port=port, heartbeat_seconds=0.2):
        deadline = time.monotonic() + 20
        while not watch.is_told:
            assert time.monotonic() < deadline
            watch.wait()
        watch.close()


def test_closing_wakes_who_waits(tmp_path):
    with ChainProcess.start(tmp_path, heartbeat_seconds=60) as chain:
        watch = HeadWatch(chain.url)
        watch.wait()
        waiting = threading.Thread(target=watch.wait)
        waiting.start()
        time.sleep(0.2)
        watch.close()
        waiting.join(5)
        assert not waiting.is_alive()


@contextlib.contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A server that says the same to everybody."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with connection:
                        connection.recv(65536)
                        connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(5)
