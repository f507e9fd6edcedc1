"""Nonsense of every kind against a real server: each piece gets an error of JSON-RPC or HTTP 4xx, and a good request is
answered right afterwards. In the end its log holds no traceback, and its memory is bounded.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from belmont.chain import connections
from belmont.chain.connections import CONNECTIONS_MAX, OPEN_FILES_WANTED
from belmont.chain.engine import Engine
from belmont.chain.filters import FILTER_VALUES_MAX
from belmont.chain.lanes import ANSWER_BYTES_MAX, Share
from belmont.chain.methods import Methods
from belmont.chain.node import Node
from belmont.chain.parameters import RpcError
from belmont.chain.process import ChainProcess

ANSWERED_SECONDS = 10.0
"""For a good request after a bad one; the machine that runs this is shared."""
MEMORY_BYTES_MAX = 900 * 1024 * 1024
ADDRESS = "0x" + "22" * 20
HASH = "0x" + "33" * 32


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChainProcess]:
    """A server of its own; what it wrote to its log and took of memory is looked at in the end."""
    directory = tmp_path_factory.mktemp("fuzzed")
    with ChainProcess.start(directory, heartbeat_seconds=1) as chain:
        yield chain
        assert chain.running
        assert memory_bytes(chain) < MEMORY_BYTES_MAX
    log = (directory / "server.log").read_text(errors="replace")
    assert "Traceback" not in log, log[-3000:]


def memory_bytes(chain: ChainProcess) -> int:
    """The most it ever held."""
    status = Path(f"/proc/{chain.pid}/status")
    if not status.exists():
        return 0
    (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def request(method: str, *parameters: Any, identifier: Any = 1) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": identifier, "method": method, "params": list(parameters)}).encode()


def posted(chain: ChainProcess, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", chain.port, timeout=60)
    try:
        connection.request("POST", "/", body, {"Content-Type": "application/json"} | (headers or {}))
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def serves_on(chain: ChainProcess) -> None:
    started = time.monotonic()
    status, answer = posted(chain, request("eth_getBlockByNumber", "latest", False))
    assert status == 200
    head = json.loads(answer)["result"]
    assert time.time() - int(head["timestamp"], 16) < ANSWERED_SECONDS
    assert time.monotonic() - started < ANSWERED_SECONDS


def refused_or_answered(status: int, raw: bytes) -> None:
    """An answer of the protocol: never an internal error, never HTTP 5xx, never no answer."""
    assert status == 200 or 400 <= status < 500, (status, raw[:200])
    if status != 200 or not raw:  # a notification has no answer
        return
    answer = json.loads(raw)
    for each in answer if isinstance(answer, list) else [answer]:
        assert each["jsonrpc"] == "2.0"
        assert ("result" in each) != ("error" in each)
        if "error" in each:
            assert each["error"]["code"] != -32603, each
            assert each["error"]["message"]


# -- every method, every parameter --

GOOD: dict[str, list[Any]] = {
    "eth_getBlockByNumber": ["0x1", True],
    "eth_getBlockByHash": [HASH, True],
    "eth_getBlockTransactionCountByNumber": ["0x1"],
    "eth_getBlockTransactionCountByHash": [HASH],
    "eth_getBlockReceipts": ["0x1"],
    "eth_getTransactionByHash": [HASH],
    "eth_getTransactionByBlockNumberAndIndex": ["0x1", "0x0"],
    "eth_getTransactionByBlockHashAndIndex": [HASH, "0x0"],
    "eth_getTransactionReceipt": [HASH],
    "eth_getTransactionCount": [ADDRESS, "latest"],
    "eth_getBalance": [ADDRESS, "latest"],
    "eth_getCode": [ADDRESS, "latest"],
    "eth_getStorageAt": [ADDRESS, "0x0", "latest"],
    "eth_getProof": [ADDRESS, ["0x0"], "latest"],
    "eth_feeHistory": ["0x2", "latest", [50]],
    "eth_getLogs": [{"fromBlock": "0x0", "toBlock": "latest", "address": ADDRESS, "topics": [HASH]}],
    "eth_newFilter": [{"fromBlock": "0x0", "address": ADDRESS}],
    "eth_getFilterChanges": ["0x1"],
    "eth_getFilterLogs": ["0x1"],
    "eth_uninstallFilter": ["0x1"],
    "debug_getRawHeader": ["0x1"],
    "debug_getRawBlock": ["0x1"],
    "debug_getRawReceipts": ["0x1"],
    "debug_getRawTransaction": [HASH],
    "eth_call": [{"to": ADDRESS, "from": ADDRESS, "data": "0x", "gas": "0x5208", "value": "0x0"}, "latest"],
    "eth_estimateGas": [{"to": ADDRESS, "from": ADDRESS, "data": "0x", "gas": "0x5208", "value": "0x0"}, "latest"],
    "eth_sendRawTransaction": ["0x02c0"],
}
WITHOUT_PARAMETERS = {
    "eth_chainId",
    "eth_blockNumber",
    "net_version",
    "net_listening",
    "web3_clientVersion",
    "eth_syncing",
    "eth_accounts",
    "eth_gasPrice",
    "eth_maxPriorityFeePerGas",
    "eth_blobBaseFee",
    "eth_newBlockFilter",
    "eth_newPendingTransactionFilter",
}

WRONG: list[Any] = [
    None, True, False, 0, -1, 1, 2**53, 2**64, 2**256 - 1, 2**256, -(2**300), 10**3000, 0.5, -0.0, 1e308, 1e-308,
    "", " ", "0", "0x", "0x0", "0x00", "0x-1", "0x 1", "0X1", "0xg", "0x" + "f" * 64, "0x" + "f" * 65,
    "0x" + "0" * 100_000, "0x" + "ab" * 31, "0x" + "ab" * 33, "latest", "earliest", "pending", "LATEST", "ｌatest",
    "0x１", "\x00", "\ud800", "\U0001f4a9", "' or 1=1 --", "../../etc/passwd", "%s%n", "NaN", "__class__",
    [], [[]], [None], [[[[]]]], ["0x0"] * 2_000, [HASH] * 5, [[HASH, None]] * 4, {}, {"": ""}, {"blockHash": None},
    {"blockHash": HASH}, {"blockHash": 5}, {"blockHash": HASH, "requireCanonical": "?"}, {"blockNumber": "0x1"},
    {"blockNumber": {}}, {"blockNumber": -1}, {"fromBlock": "latest", "toBlock": "earliest"}, {"fromBlock": 10**40},
    {"topics": [[[HASH]]]}, {"topics": [HASH] * 5}, {"address": [ADDRESS] * 1001},
    {"blockHash": HASH, "fromBlock": "0x0"},
    {"to": ADDRESS, "data": "0x0"}, {"to": None, "data": "0xfe"}, {"to": ADDRESS, "gas": "0x" + "f" * 64},
    {"to": ADDRESS, "value": "0x" + "f" * 64}, {"data": "0x" + "5b" * 60_000, "gas": -1}, {"from": [], "to": {}},
    {"to": ADDRESS, "accessList": "x", "nonce": {}, "chainId": [], "maxFeePerGas": "?"},
]  # fmt: skip


def test_the_table_holds_every_method(tmp_path: Path) -> None:
    engine = Engine.open(tmp_path)
    node = Node(engine)
    try:
        methods = Methods(node)
        every = {*methods._at_once, *methods._in_thread, *methods._in_lanes, "eth_sendRawTransaction"}
        assert every == {*GOOD, *WITHOUT_PARAMETERS}
    finally:
        node.lanes.stop()
        node.readers.shutdown()
        node._sealer.shutdown()
        engine.close()


@pytest.mark.parametrize("method", [*GOOD, *sorted(WITHOUT_PARAMETERS)])
def test_every_wrong_value_of_every_parameter_is_refused_or_answered(fuzzed: ChainProcess, method: str) -> None:
    good = GOOD.get(method, [])
    calls: list[list[Any]] = [[], good, [*good, None, None], [*good, *WRONG]]
    for position in range(max(1, len(good))):
        for wrong in WRONG:
            calls.append([*good[:position], wrong, *good[position + 1 :]])
            if good and isinstance(good[position], dict):
                for name in good[position]:
                    calls.append([*good[:position], {**good[position], name: wrong}, *good[position + 1 :]])
    batch = [{"jsonrpc": "2.0", "id": place, "method": method, "params": call} for place, call in enumerate(calls)]
    for start in range(0, len(batch), 500):
        part = batch[start : start + 500]
        status, raw = posted(fuzzed, json.dumps(part).encode())
        refused_or_answered(status, raw)
        answers = json.loads(raw)
        assert [answer["id"] for answer in answers] == [each["id"] for each in part]
    serves_on(fuzzed)


@pytest.mark.parametrize("parameters", [*(value for value in WRONG if not isinstance(value, list)), {"to": ADDRESS}])
def test_parameters_that_are_no_list_are_refused(fuzzed: ChainProcess, parameters: Any) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_getBalance", "params": parameters}).encode()
    status, raw = posted(fuzzed, body)
    refused_or_answered(status, raw)
    assert json.loads(raw)["error"]["code"] == -32602


@pytest.mark.parametrize("identifier", [value for value in WRONG if not isinstance(value, str)])
def test_every_identifier_is_given_back_or_refused(fuzzed: ChainProcess, identifier: Any) -> None:
    status, raw = posted(fuzzed, request("eth_chainId", identifier=identifier))
    refused_or_answered(status, raw)
    answer = json.loads(raw)
    if isinstance(identifier, bool | list | dict):
        assert answer["error"]["code"] == -32600
    else:
        assert (answer["id"], answer["result"]) == (identifier, "0x539")


# -- bytes --


NO_UTF8 = [b"\xff\xfe", b"\xc0\x80", b"\xed\xa0\x80", b"\x00", b"\\ud800", b"\xef\xbb\xbf"]
DEEP_OR_LONG = [b"[" * 300, b"{" * 300, b'{"a":' * 300, b"9" * 5_000, b"-", b"1e400"]
DOUBLED_KEYS = [b',"id":2', b',"method":"eth_chainId"', b',"params":[]', b'"jsonrpc":"2.0",']


def mutated(body: bytes, chosen: random.Random) -> bytes:
    """A valid body, cut, flipped, doubled, interrupted."""
    changed = bytearray(body)
    for _ in range(chosen.randint(1, 6)):
        at = chosen.randrange(len(changed) + 1)
        kind = chosen.randrange(7)
        if kind == 0:
            del changed[at:]
        elif kind == 1 and at < len(changed):
            changed[at] = chosen.randrange(256)
        elif kind == 2:
            changed[at:at] = bytes(chosen.randrange(256) for _ in range(chosen.randint(1, 40)))
        elif kind == 3:
            end = min(len(changed), at + chosen.randint(1, 60))
            changed[at:at] = changed[at:end]
        elif kind == 4:
            changed[at:at] = chosen.choice(
                [b"\xff\xfe", b"\xc0\x80", b"\xed\xa0\x80", b"\x00", b"\\ud800", b"\xef\xbb\xbf"]
            )
        elif kind == 5:
            changed[at:at] = chosen.choice(DEEP_OR_LONG)
        else:
            changed[at:at] = chosen.choice(
                [b',"id":2', b',"method":"eth_chainId"', b',"params":[]', b'"jsonrpc":"2.0",']
            )
        if not changed:
            changed += b" "
    return bytes(changed)


def test_thousands_of_broken_bodies_each_get_an_error_or_an_answer(fuzzed: ChainProcess) -> None:
    seed = secrets.randbits(32)
    chosen = random.Random(seed)
    bodies = [request(method, *parameters) for method, parameters in GOOD.items()]
    bodies.append(b"[" + b",".join(bodies) + b"]")
    connection = http.client.HTTPConnection("127.0.0.1", fuzzed.port, timeout=60)
    for number in range(2_000):
        body = mutated(chosen.choice(bodies), chosen) if number % 4 else chosen.randbytes(chosen.randint(0, 300))
        connection.request("POST", "/", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        try:
            refused_or_answered(response.status, response.read())
        except AssertionError as failure:
            raise AssertionError(f"seed {seed}, body {number}: {body!r}") from failure
    connection.close()
    serves_on(fuzzed)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30)
    | st.sampled_from(["latest", "earliest", "0x0", "0x1", ADDRESS, HASH, "0x" + "f" * 64]),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(
            st.sampled_from(["to", "from", "data", "gas", "fromBlock", "toBlock", "topics", "address", "blockHash"])
            | st.text(max_size=6),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries=st.lists(st.tuples(st.sampled_from(list(GOOD)), st.lists(JSON, max_size=4)), min_size=1, max_size=20))
def test_no_batch_of_calls_makes_a_method_fail_inside(
    fuzzed: ChainProcess, entries: list[tuple[str, list[Any]]]
) -> None:
    batch = [{"jsonrpc": "2.0", "id": n, "method": m, "params": p} for n, (m, p) in enumerate(entries)]
    status, raw = posted(fuzzed, json.dumps(batch).encode())
    refused_or_answered(status, raw)
    assert len(json.loads(raw)) == len(batch)


@pytest.mark.parametrize(
    "body",
    [
        b'{"jsonrpc":"2.0","id":1,"id":2,"method":"eth_chainId","method":"eth_blockNumber"}',
        b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[],"params":{}}',
        b'{"jsonrpc":"2.0","id":' + b"9" * 4_000 + b',"method":"eth_chainId"}',
        b'{"jsonrpc":"2.0","id":' + b"9" * 1_000_000 + b',"method":"eth_chainId"}',
        b'{"jsonrpc":"2.0","id":1,"method":"' + b"a" * 4_000_000 + b'"}',
        b'{"jsonrpc":"2.0","id":1,"method":"\\ud800\\udc00\\ud800"}',
        b'{"jsonrpc":"2.0","id":"\\ud800","method":"eth_chainId"}',
        b'\xef\xbb\xbf{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}',
        '{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}'.encode("utf-16"),
        '{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}'.encode("utf-32"),
        b'{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[' + b"[" * 200 + b"]" * 200 + b"]}",
        b'{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[' + b"[" * 900_000 + b"]" * 900_000 + b"]}",
        b"[" + b"[]," * 900 + b"[]]",
        b"[" + b"1," * 2_000_000 + b"1]",
        b"[" + b"{}," * 1_500_000 + b"{}]",
        b'"' + b"\\u0000" * 800_000 + b'"',
        b"  " * 2_000_000,
    ],
    ids=lambda body: f"{len(body)} bytes {body[:24]!r}",
)
def test_what_a_parser_could_stumble_over_is_refused_or_answered(fuzzed: ChainProcess, body: bytes) -> None:
    refused_or_answered(*posted(fuzzed, body))
    serves_on(fuzzed)


# -- HTTP --

GOOD_BODY = request("eth_chainId")
HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        HEAD + b"Content-Length: 10\r\n\r\n" + GOOD_BODY,
        HEAD + b"Content-Length: -1\r\n\r\n" + GOOD_BODY,
        HEAD + b"Content-Length: 1e3\r\n\r\n" + GOOD_BODY,
        HEAD + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n" + GOOD_BODY,
        HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + GOOD_BODY,
        HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}\r\n",
        HEAD + b"Transfer-Encoding: gzip\r\n\r\n" + GOOD_BODY,
        HEAD + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08",
        HEAD + b"X: " + b"a" * 200_000 + b"\r\n\r\n",
        HEAD + b"".join(b"X%d: a\r\n" % n for n in range(20_000)) + b"\r\n",
        HEAD + b"Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n",
        HEAD + b"Expect: 100-continue\r\nContent-Length: 0\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 0\r\n\r\n",
        b"POST " + b"/a" * 50_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
        b"GET / HTTP/0.9\r\n\r\n",
        b"\r\n" * 10_000,
        bytes(range(256)) * 20,
    ],
    ids=lambda sent: f"{len(sent)} bytes {sent[-24:]!r}",
)
def test_lies_about_lengths_and_other_broken_http_end_with_4xx_or_a_closed_connection(
    fuzzed: ChainProcess, sent: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", fuzzed.port), timeout=20) as connection:
        try:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while part := connection.recv(65536):
                answer += part
        except OSError:  # closed or reset while it was still sending
            answer = b""
    if answer:
        status = int(answer.split(b" ")[1])
        assert status in (100, 200) or 400 <= status < 500, answer[:200]
    serves_on(fuzzed)


def test_hundreds_of_slow_and_half_open_connections_leave_room_for_a_good_request(fuzzed: ChainProcess) -> None:
    connections.allow_open_files()
    held = []
    try:
        for number in range(CONNECTIONS_MAX + 200):
            connection = socket.create_connection(("127.0.0.1", fuzzed.port), timeout=20)
            held.append(connection)
            beginning = [b"", b"P", HEAD, HEAD + b"Content-Length: 4000000\r\n\r\n" + b"x" * 30_000][number % 4]
            if beginning:
                try:
                    connection.sendall(beginning)
                except ConnectionError:
                    continue
        serves_on(fuzzed)
        assert posted(fuzzed, GOOD_BODY)[0] == 200
    finally:
        for connection in held:
            connection.close()
    serves_on(fuzzed)


def test_room_for_connections_is_made_where_the_system_begins_with_less() -> None:
    code = (
        "import resource; hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1];"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard));"
        "from belmont.chain.connections import allow_open_files; allow_open_files();"
        "print(*resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    soft, hard = (int(word) for word in done.stdout.split())
    assert soft == (OPEN_FILES_WANTED if hard < 0 else min(hard, OPEN_FILES_WANTED))


def test_a_request_that_does_not_come_to_an_end_is_closed_after_its_time_and_a_whole_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process, where the time can be made short."""
    import uvicorn

    from belmont.chain.rpc import RpcApplication

    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.5)
    engine = Engine.open(tmp_path)
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    config = uvicorn.Config(
        RpcApplication(Node(engine)), http=connections.BoundedProtocol, lifespan="on", log_level="error"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    try:
        for beginning in (b"", b"POST", HEAD + b"Content-Length: 100\r\n\r\n{"):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                connection.sendall(beginning)
                started = time.monotonic()
                with contextlib.suppress(ConnectionResetError):
                    assert connection.recv(1) == b""
                assert 0.3 < time.monotonic() - started < 5
        loop = json.dumps(
            {
                "jsonrpc": "2.0",
                "id": 1,
                "method": "eth_call",
                "params": [{"data": "0x5b600056"}, "latest"],
            }
        )
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("POST", "/", loop, {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())
        assert "timeout" in answer["error"]["message"], "a long call is not cut off by the request's time"
        time.sleep(0.8)
        connection.request("POST", "/", GOOD_BODY, {"Content-Type": "application/json"})
        assert json.loads(connection.getresponse().read())["result"] == "0x539", "an idle connection may be used again"
        connection.close()
    finally:
        server.should_exit = True
        thread.join(30)
        engine.close()


# -- much at once --


def test_many_large_bodies_at_once_are_bounded_in_memory_and_small_ones_go_through(fuzzed: ChainProcess) -> None:
    large = b"[" + b"{}," * 1_500_000 + b"{}]"

    def flood(_: int) -> int:
        try:
            return posted(fuzzed, large)[0]
        except (ConnectionError, http.client.HTTPException):
            return 0  # closed while it was still sending

    with ThreadPoolExecutor(24) as pool:
        floods = [pool.submit(flood, number) for number in range(24)]
        time.sleep(0.2)
        serves_on(fuzzed)
        statuses = {each.result() for each in floods}
    assert statuses <= {0, 200, 429}
    serves_on(fuzzed)


def test_oversized_calldata_and_nonce_gaps_from_parallel_clients_are_refused_and_others_are_sealed(
    fuzzed: ChainProcess, sign: Any
) -> None:
    def attempt(number: int) -> Any:
        account = Account.from_key(secrets.token_bytes(32))
        kind = number % 4
        fields: dict[str, Any] = [
            {},
            {"nonce": 1 + number},
            {"data": secrets.token_bytes(131_072), "gas": 30_000_000},
            {"data": secrets.token_bytes(90_000), "gas": 21_000},
        ][kind]
        answer = json.loads(posted(fuzzed, request("eth_sendRawTransaction", "0x" + sign(account, **fields).hex()))[1])
        return kind, answer

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(attempt, range(64)))
    reasons = {1: "nonce too high", 2: "oversized transaction", 3: "intrinsic gas too low"}
    for kind, answer in answers:
        if kind == 0:
            assert "result" in answer, answer
        else:
            assert reasons[kind] in answer["error"]["message"]
    serves_on(fuzzed)


def test_the_answers_to_one_request_are_bounded_together(fuzzed: ChainProcess, sign: Any) -> None:
    """Each call gives back a megabyte of its memory."""
    returns = bytes.fromhex("621000005ff3")
    init = bytes([0x60, len(returns), 0x60, 0x0A, 0x5F, 0x39, 0x60, len(returns), 0x5F, 0xF3]) + returns
    raw = sign(Account.from_key(secrets.token_bytes(32)), to="", data=init, gas=200_000)
    sent = json.loads(posted(fuzzed, request("eth_sendRawTransaction", "0x" + raw.hex()))[1])["result"]
    contract = json.loads(posted(fuzzed, request("eth_getTransactionReceipt", sent))[1])["result"]["contractAddress"]
    batch = [
        {"jsonrpc": "2.0", "id": n, "method": "eth_call", "params": [{"to": contract}, "latest"]} for n in range(60)
    ]
    status, raw = posted(fuzzed, json.dumps(batch).encode())
    assert status == 200
    answers = json.loads(raw)
    assert len(answers) == 60
    assert len(raw) < 1.2 * ANSWER_BYTES_MAX
    assert "result" in answers[0]
    assert answers[-1]["error"]["code"] in (-32005, -32000)
    share = Share()
    share.refuse_when_spent()
    share.answer_bytes = 0
    with pytest.raises(RpcError, match="ask for less at once"):
        share.refuse_when_spent()


def test_filters_keep_a_bounded_number_of_values_however_many_are_asked_for(tmp_path: Path) -> None:
    engine = Engine.open(tmp_path)
    node = Node(engine)
    try:
        filters = Methods(node).filters
        hashes = ["0x" + n.to_bytes(32).hex() for n in range(1_000)]
        installed = []
        with pytest.raises(RpcError, match="too many addresses and topics"):
            for _ in range(100):
                installed.append(filters.add_logs({"topics": [hashes] * 4}))
        assert len(installed) == FILTER_VALUES_MAX // 4_000
        filters.add_logs({})
        assert filters.remove(installed[0])
        filters.add_logs({"topics": [hashes] * 4})
    finally:
        node.lanes.stop()
        node.readers.shutdown()
        node._sealer.shutdown()
        engine.close()
