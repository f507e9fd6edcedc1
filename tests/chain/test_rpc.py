"""The JSON-RPC server as a stranger meets it: standard answers, and every kind of bad input survived."""

from __future__ import annotations

import http.client
import json
import secrets
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from belmont.chain.limits import CALL_SECONDS_MAX
from belmont.chain.process import ChainProcess

Post = Callable[..., tuple[int, Any]]
TIME_IS_OVER = "execution aborted (timeout = 5s for all calls of a request)"


@pytest.fixture
def post(chain: ChainProcess) -> Post:
    """Post raw bytes; (status, parsed answer)."""

    def send(body: bytes, headers: dict[str, str] | None = None, method: str = "POST") -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", chain.port, timeout=20)
        try:
            connection.request(method, "/", body, {"Content-Type": "application/json"} | (headers or {}))
            response = connection.getresponse()
            raw = response.read()
            return response.status, json.loads(raw, parse_constant=pytest.fail) if raw else None
        finally:
            connection.close()

    return send


@pytest.fixture
def rpc(post: Post) -> Callable[..., Any]:
    """The whole answer object to one request."""

    def request(method: str, *parameters: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": list(parameters)}
        status, answer = post(json.dumps(body).encode())
        assert status == 200
        assert answer["id"] == 7
        return answer

    return request


def alive(post: Post) -> bool:
    return post(b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}')[1]["result"] == "0x539"


@pytest.mark.parametrize(
    ("method", "result"),
    [
        ("eth_chainId", "0x539"),
        ("net_version", "1337"),
        ("eth_syncing", False),
        ("eth_accounts", []),
        ("eth_gasPrice", "0x0"),
        ("eth_maxPriorityFeePerGas", "0x0"),
    ],
)
def test_constant_answers_are_the_standards(rpc: Any, method: str, result: Any) -> None:
    assert rpc(method)["result"] == result


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"not json", -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId"', -32700),
        (b"\xff\xfe\x00", -32700),
        (b"[" * 100_000, -32700),
        (b"[" * 100_000 + b"]" * 100_000, -32700),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, -32700),
        (b'{"jsonrpc":"2.0","id":NaN,"method":"eth_chainId"}', -32700),
        (b'{"jsonrpc":"2.0","id":-Infinity,"method":"eth_chainId"}', -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[Infinity]}', -32700),
        (b'{"jsonrpc":"2.0","id":1e999,"method":"eth_chainId"}', -32600),
        (b'{"jsonrpc":"2.0","id":true,"method":"eth_chainId"}', -32600),
        (b"[]", -32600),
        (b"1", -32600),
        (b'"text"', -32600),
        (b"null", -32600),
        (b"{}", -32600),
        (b'{"jsonrpc":"1.0","id":1,"method":"eth_chainId"}', -32600),
        (b'{"jsonrpc":"2.0","id":{},"method":"eth_chainId"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":5}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":{"a":1}}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"admin_peers"}', -32601),
        (b'{"jsonrpc":"2.0","id":1,"method":"__class__"}', -32601),
        (b'{"jsonrpc":"2.0","id":1,"method":"eth_sendTransaction","params":[{}]}', -32601),
    ],
)
def test_what_is_no_request_gets_the_standards_error(post: Post, body: bytes, code: int) -> None:
    status, answer = post(body)
    assert status == 200
    assert answer["id"] in (None, 1)
    assert answer["error"]["code"] == code
    assert alive(post)


def test_a_batch_is_answered_entry_by_entry(post: Post) -> None:
    batch = [
        {"jsonrpc": "2.0", "id": "a", "method": "eth_chainId"},
        {"jsonrpc": "2.0", "id": 2, "method": "nothing"},
        {"jsonrpc": "2.0", "method": "eth_chainId"},
        5,
    ]
    _, answers = post(json.dumps(batch).encode())
    assert [(a["id"], "result" in a) for a in answers] == [("a", True), (2, False), (None, False)]


def test_many_slots_in_one_batch_each_have_their_own_answer(post: Post, counter: Any) -> None:
    """They are read several at a time; what is wrong with one is said of that one only."""
    places = [[counter.address, hex(slot), "latest"] for slot in range(70)]
    places[3], places[40] = ["0x12", "0x0", "latest"], [counter.address, "0x0", "0xffffff"]
    requests = [
        {"jsonrpc": "2.0", "id": place, "method": "eth_getStorageAt", "params": each}
        for place, each in enumerate(places)
    ]
    _, answers = post(json.dumps([*requests, {"jsonrpc": "2.0", "id": 70, "method": "eth_chainId"}]).encode())
    assert [each["id"] for each in answers] == list(range(71))
    assert [each["id"] for each in answers if "error" in each] == [3, 40]
    alone = [post(json.dumps(each).encode())[1] for each in requests[:6]]
    assert [{**each, "id": 0} for each in alone] == [{**each, "id": 0} for each in answers[:6]]
    assert {len(each["result"]) for each in answers[:70] if "result" in each} == {66}
    _, nobodys = post(
        json.dumps(
            {"jsonrpc": "2.0", "id": 1, "method": "eth_getStorageAt", "params": ["0x" + "ee" * 20, "0x0"]}
        ).encode()
    )
    assert int(nobodys["result"], 16) == 0


def test_too_large_batches_and_bodies_are_refused(post: Post) -> None:
    request = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"}
    assert post(json.dumps([request] * 1001).encode())[1]["error"]["code"] == -32600
    assert len(post(json.dumps([request] * 1000).encode())[1]) == 1000
    status, answer = post(b'"' + b"x" * (5 * 1024 * 1024) + b'"')
    assert (status, answer["error"]["code"]) == (413, -32600)
    assert alive(post)


def test_web_pages_and_rebound_names_are_kept_out(post: Post) -> None:
    body = b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}'
    assert post(body, {"Content-Type": "text/plain"})[0] == 415
    assert post(body, {"Host": "attacker.example"})[0] == 403
    assert post(body, {"Host": "localhost:1"})[0] == 200
    assert post(b"", method="GET")[0] == 405


def test_broken_http_does_not_stop_the_server(chain: ChainProcess, post: Post) -> None:
    for junk in (b"\x00\x01\x02", b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n", b"POST / HTTP/9\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", chain.port), timeout=5) as connection:
            connection.sendall(junk)
    with socket.create_connection(("127.0.0.1", chain.port), timeout=5) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{")
    assert alive(post)


ADDRESS = "0x" + "22" * 20


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("eth_getBalance", []),
        ("eth_getBalance", ["0x12"]),
        ("eth_getBalance", [ADDRESS[2:]]),
        ("eth_getBalance", [ADDRESS, "newest"]),
        ("eth_getBalance", [ADDRESS, {"blockHash": "0x12"}]),
        ("eth_getStorageAt", [ADDRESS, "0x" + "f" * 65]),
        ("eth_getProof", [ADDRESS, "0x0", "latest"]),
        ("eth_call", ["0x"]),
        ("eth_call", [{"to": "nobody"}]),
        ("eth_call", [{"to": ADDRESS, "data": "0x1"}]),
        ("eth_call", [{"to": ADDRESS, "data": "0x01", "input": "0x02"}]),
        ("eth_call", [{"to": ADDRESS}, "latest", {ADDRESS: {"balance": "0x1"}}]),
        ("eth_getTransactionReceipt", ["0x12"]),
        ("eth_getBlockByNumber", ["0xzz", False]),
        ("eth_getLogs", ["everything"]),
        ("eth_getLogs", [{"topics": "0x00"}]),
        ("eth_getLogs", [{"topics": [["0x00"]]}]),
        ("eth_getLogs", [{"fromBlock": "0x2", "toBlock": "0x1"}]),
        ("eth_getLogs", [{"address": ["0x1"]}]),
        ("eth_feeHistory", ["many", "latest", []]),
        ("eth_sendRawTransaction", ["zz"]),
        ("eth_sendRawTransaction", [5]),
    ],
)
def test_invalid_parameters_are_named(rpc: Any, post: Post, method: str, parameters: list[Any]) -> None:
    error = rpc(method, *parameters)["error"]
    assert error["code"] == -32602
    assert len(error["message"]) > 10
    assert alive(post)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
METHODS = [
    "eth_call",
    "eth_estimateGas",
    "eth_getLogs",
    "eth_getProof",
    "eth_getBlockByNumber",
    "eth_getBlockReceipts",
    "eth_feeHistory",
    "eth_newFilter",
    "eth_getFilterChanges",
    "eth_getTransactionCount",
    "eth_getTransactionByBlockNumberAndIndex",
    "eth_sendRawTransaction",
]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(method=st.sampled_from(METHODS), parameters=st.lists(JSON, max_size=4))
def test_no_parameters_whatever_make_a_method_fail_inside(rpc: Any, method: str, parameters: list[Any]) -> None:
    answer = rpc(method, *parameters)
    assert "result" in answer or answer["error"]["code"] != -32603


def test_what_does_not_exist_is_null_and_unknown_states_are_errors(rpc: Any) -> None:
    missing = "0x" + "00" * 32
    assert rpc("eth_getTransactionReceipt", missing)["result"] is None
    assert rpc("eth_getTransactionByHash", missing)["result"] is None
    assert rpc("eth_getBlockByHash", missing, False)["result"] is None
    assert rpc("eth_getBlockByNumber", "0xffffff", False)["result"] is None
    assert rpc("eth_getBlockReceipts", "0xffffff")["result"] is None
    assert rpc("eth_getBalance", ADDRESS, "0xffffff")["error"]["message"] == "header not found"
    assert rpc("eth_getBalance", ADDRESS, {"blockHash": missing})["error"]["message"] == "header not found"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"chainId": 5}, "invalid chain id"),
        ({"gas": 30_000_001}, "exceeds block gas limit"),
        ({"value": 1}, "balance"),
        ({"nonce": 7}, "nonce too high: next nonce 0, tx nonce 7"),
    ],
)
def test_refused_transactions_get_an_error_that_says_why(rpc: Any, sign: Any, fields: Any, message: str) -> None:
    stranger = Account.from_key(secrets.token_bytes(32))
    error = rpc("eth_sendRawTransaction", "0x" + sign(stranger, **fields).hex())["error"]
    assert error["code"] == -32000
    assert message in error["message"]


def test_a_transaction_sent_twice_is_already_known_and_a_used_nonce_too_low(
    rpc: Any, sign: Any, account: LocalAccount
) -> None:
    raw = "0x" + sign(account).hex()
    assert "result" in rpc("eth_sendRawTransaction", raw)
    assert rpc("eth_sendRawTransaction", raw)["error"]["message"] == "already known"
    other = "0x" + sign(account, gas=50_000).hex()
    assert rpc("eth_sendRawTransaction", other)["error"]["message"].startswith("nonce too low")


def test_unprotected_transactions_are_refused(rpc: Any) -> None:
    raw = "0xf85f808082520894" + "11" * 20 + "80801ba0" + "22" * 32 + "a0" + "11" * 32
    assert "replay-protected" in rpc("eth_sendRawTransaction", raw)["error"]["message"]


def test_an_acknowledged_transaction_has_its_receipt_at_once(rpc: Any, sign: Any, account: LocalAccount) -> None:
    transaction_hash = rpc("eth_sendRawTransaction", "0x" + sign(account).hex())["result"]
    receipt = rpc("eth_getTransactionReceipt", transaction_hash)["result"]
    assert receipt["status"] == "0x1"
    assert receipt["gasUsed"] == "0x5208"
    block = rpc("eth_getBlockByHash", receipt["blockHash"], True)["result"]
    (document,) = [t for t in block["transactions"] if t["hash"] == transaction_hash]
    assert document == rpc("eth_getTransactionByHash", transaction_hash)["result"]
    index = receipt["transactionIndex"]
    assert rpc("eth_getTransactionByBlockNumberAndIndex", block["number"], index)["result"] == document
    assert receipt in rpc("eth_getBlockReceipts", block["number"])["result"]
    assert rpc("eth_getBlockTransactionCountByNumber", block["number"])["result"] == hex(len(block["transactions"]))


def test_a_batch_holds_one_senders_transactions_in_any_order(post: Post, sign: Any, account: LocalAccount) -> None:
    raws = [sign(account, nonce=nonce) for nonce in (2, 0, 1)]
    batch = [
        {"jsonrpc": "2.0", "id": i, "method": "eth_sendRawTransaction", "params": ["0x" + raw.hex()]}
        for i, raw in enumerate(raws)
    ]
    _, answers = post(json.dumps(batch).encode())
    assert all("result" in answer for answer in answers), answers


def test_a_transaction_waits_a_moment_for_the_one_before_it(rpc: Any, sign: Any, account: LocalAccount) -> None:
    with ThreadPoolExecutor(2) as pool:
        later = pool.submit(rpc, "eth_sendRawTransaction", "0x" + sign(account, nonce=1).hex())
        time.sleep(0.3)
        assert rpc("eth_getTransactionCount", account.address, "pending")["result"] == "0x0"
        earlier = pool.submit(rpc, "eth_sendRawTransaction", "0x" + sign(account, nonce=0).hex())
        assert "result" in earlier.result()
        assert "result" in later.result()
    assert rpc("eth_getTransactionCount", account.address, "pending")["result"] == "0x2"


def test_fee_history_is_all_zero(rpc: Any) -> None:
    history = rpc("eth_feeHistory", "0x2", "latest", [50])["result"]
    assert set(history["baseFeePerGas"]) == {"0x0"}
    assert history["reward"] == [["0x0"]] * len(history["gasUsedRatio"])


def test_long_calls_do_not_hold_up_the_server(counter: Any, rpc: Any, sign: Any) -> None:
    """More calls than threads for calls, each a good while: reads and transactions still go through.

    A call uses up its gas, unless its five seconds are over first, as on a busy machine; then they were.
    """
    account = Account.from_key(secrets.token_bytes(32))
    call = {"to": counter.address, "data": counter.encode_abi("forever", []), "gas": hex(1_500_000)}

    def timed() -> tuple[dict[str, Any], float]:
        began = time.perf_counter()
        return rpc("eth_call", call, "latest")["error"], time.perf_counter() - began

    with ThreadPoolExecutor(5) as pool:
        slow = [pool.submit(timed) for _ in range(5)]
        time.sleep(0.1)
        started = time.perf_counter()
        rpc("eth_chainId")
        assert "result" in rpc("eth_getBalance", counter.address)
        assert "result" in rpc("eth_sendRawTransaction", "0x" + sign(account).hex())
        reading = time.perf_counter() - started
        assert not all(future.done() for future in slow)
        for error, seconds in (future.result() for future in slow):
            in_time = error == {"code": -32000, "message": "out of gas"}
            assert in_time or (seconds >= CALL_SECONDS_MAX and error == {"code": -32000, "message": TIME_IS_OVER})
        assert reading < (time.perf_counter() - started) / 2, "a small part of what the calls took"
    shorter = call | {"gas": hex(150_000)}
    assert rpc("eth_call", shorter, "latest")["error"] == {"code": -32000, "message": "out of gas"}
