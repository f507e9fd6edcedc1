"""`ChainClient`: calls, transactions and events through it, and errors that tell "unreachable" from "reverted"."""

from __future__ import annotations

import http.server
import json
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak

from belmont.chain.client import ChainClient
from belmont.chain.compiler import Compiled, compile_contract
from belmont.chain.deployment import deploy, predict_address
from belmont.chain.errors import (
    BadChainData,
    ChainUnreachable,
    ContractReverted,
    DeploymentError,
    RpcRefused,
    TransactionRefused,
    WrongChain,
)
from belmont.chain.process import ChainProcess


def test_the_head_is_the_latest_block_and_fresh(client: ChainClient) -> None:
    head = client.head()
    assert head.number >= 1
    assert len(head.hash) == 32
    assert abs(time.time() - head.timestamp) < 60


def test_a_contract_is_deployed_where_it_was_predicted(
    client: ChainClient, account: LocalAccount, counter_source: Compiled
) -> None:
    assert deploy(client, account, counter_source, [5]).address == predict_address(account.address, 0)
    assert deploy(client, account, counter_source, [6]).address == predict_address(account.address, 1)


def test_a_constructor_that_refuses_says_why_and_nothing_is_sent(
    client: ChainClient, account: LocalAccount, counter_source: Compiled
) -> None:
    with pytest.raises(ContractReverted) as caught:
        deploy(client, account, counter_source, [0])
    assert caught.value.reason == "LIMIT_ZERO"
    assert client.transport.request("eth_getTransactionCount", [account.address, "latest"]) == "0x0"


def test_values_come_back_as_web3_gives_them(client: ChainClient, counter: Any, account: LocalAccount) -> None:
    client.send(account, counter.functions.name("one"))
    snapshot = client.call(counter.functions.snapshot())
    assert snapshot == (account.address, 0, ["one"])
    assert client.call(counter.functions.pair()) == [account.address, 1000]
    assert snapshot == counter.functions.snapshot().call()
    assert client.call(counter.functions.of(account.address)) == 0


def test_a_sent_transaction_is_seen_by_the_next_call(client: ChainClient, counter: Any, account: LocalAccount) -> None:
    receipt = client.send(account, counter.functions.add(7))
    assert client.call(counter.functions.total()) == 7
    assert client.call(counter.functions.total(), block=receipt.block_number - 1) == 0
    assert receipt.logs[0].address == counter.address
    assert receipt.block_number <= client.head().number


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda c: c.functions.add(1001), "OVER_LIMIT"),
        (lambda c: c.functions.without_reason(), ""),
    ],
)
def test_a_transaction_that_would_revert_is_not_sent(
    client: ChainClient, counter: Any, account: LocalAccount, function: Any, reason: str
) -> None:
    nonce = client.transport.request("eth_getTransactionCount", [account.address, "latest"])
    with pytest.raises(ContractReverted) as caught:
        client.send(account, function(counter))
    assert caught.value.reason == reason
    assert client.transport.request("eth_getTransactionCount", [account.address, "latest"]) == nonce


def test_a_stranger_gets_the_contracts_reason(client: ChainClient, counter: Any) -> None:
    stranger = Account.from_key(secrets.token_bytes(32))
    with pytest.raises(ContractReverted) as caught:
        client.send(stranger, counter.functions.name("mine"))
    assert caught.value.reason == "NOT_OWNER"
    with pytest.raises(ContractReverted, match="NOT_OWNER"):
        client.call(counter.functions.name("mine"), sender=stranger.address)


def test_a_revert_that_comes_between_simulation_and_inclusion_is_reported(
    client: ChainClient, counter: Any, account: LocalAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another sender uses up the limit after the simulation."""
    prepare = ChainClient._prepare

    def and_then_others(self: ChainClient, fields: Any) -> Any:
        prepared = prepare(self, fields)
        monkeypatch.setattr(ChainClient, "_prepare", prepare)
        client.send(Account.from_key(secrets.token_bytes(32)), counter.functions.add(999))
        return prepared

    monkeypatch.setattr(ChainClient, "_prepare", and_then_others)
    with pytest.raises(ContractReverted, match="OVER_LIMIT"):
        client.send(account, counter.functions.add(500))
    assert client.call(counter.functions.total()) == 999


def test_one_account_may_send_from_many_threads_and_many_clients(
    chain: ChainProcess, counter: Any, account: LocalAccount
) -> None:
    clients = [ChainClient(chain.url), ChainClient(chain.url)]
    with ThreadPoolExecutor(4) as pool:
        sent = [pool.submit(clients[i % 2].send, account, counter.functions.add(1)) for i in range(8)]
        included = 0
        for future in sent:
            try:
                future.result()
                included += 1
            except TransactionRefused as error:
                assert str(error).startswith(("nonce too low", "already known"))  # the other was always quicker
    assert clients[0].call(counter.functions.total()) == included
    assert included >= 4


def test_events_of_several_contracts_come_decoded_and_in_order(
    client: ChainClient, account: LocalAccount, counter: Any, counter_source: Compiled
) -> None:
    other = client.contract_at(counter_source.abi, deploy(client, account, counter_source, [10]).address)
    client.send(account, counter.functions.add(3))
    client.send(account, other.functions.name("two"))
    client.send(account, counter.functions.add(4))
    events = client.events([counter, other])
    assert [(e.name, e.address == counter.address) for e in events] == [
        ("Moved", True),
        ("Named", False),
        ("Moved", True),
    ]
    assert events[0].args == {"by": account.address, "parity": 1, "amount": 3}
    assert [e.block_number for e in events] == sorted(e.block_number for e in events)


def test_logs_are_found_by_address_topics_and_range(client: ChainClient, counter: Any, account: LocalAccount) -> None:
    first = client.send(account, counter.functions.add(3)).block_number
    last = client.send(account, counter.functions.add(4)).block_number
    client.send(account, counter.functions.name("n"))
    moved, named = keccak(text="Moved(address,uint256,uint256)"), keccak(text="Named(string)")
    by = bytes(12) + bytes.fromhex(account.address[2:])
    odd, even = (1).to_bytes(32, "big"), (0).to_bytes(32, "big")

    def count(topics: list[Any] | None, **limits: int) -> int:
        return len(client.logs(counter.address, topics, **limits))

    assert count(None) == 3
    assert count([moved]) == 2
    assert count([[moved, named]]) == 3
    assert count([moved, by]) == 2
    assert count([moved, None, odd]) == 1
    assert count([moved, None, [odd, even]]) == 2
    assert count([None, None, even]) == 1
    assert count([None, None]) == 2  # Named has one topic only
    assert count([moved, bytes(32)]) == 0
    assert count(None, from_block=first, to_block=first) == 1
    assert count(None, from_block=first, to_block=last) == 2
    assert len(client.logs([counter.address, "0x" + "00" * 20], [moved])) == 2
    by_hash = client.logs(counter.address, [moved])[0]
    found = client.transport.request("eth_getLogs", [{"blockHash": "0x" + by_hash.block_hash.hex()}])
    assert [entry["address"] for entry in found] == [counter.address]


def test_a_contract_that_is_not_there_is_bad_data_and_not_a_value(
    client: ChainClient, counter_source: Compiled
) -> None:
    nobody = client.contract_at(counter_source.abi, "0x" + "77" * 20)
    with pytest.raises(BadChainData, match="returned nothing"):
        client.call(nobody.functions.total())


def test_code_that_is_another_contract_is_a_deployment_error(
    client: ChainClient, account: LocalAccount, counter_source: Compiled
) -> None:
    forged = Compiled("Counter", counter_source.abi, counter_source.bytecode, counter_source.runtime + b"\x00", 64)
    with pytest.raises(DeploymentError, match="not the compiled contract"):
        deploy(client, account, forged, [5])


def test_the_expected_chain_id_is_checked(chain: ChainProcess) -> None:
    assert ChainClient(chain.url, expected_chain_id=1337).chain_id == 1337
    with pytest.raises(WrongChain, match="serves chain 1337, expected 5"):
        _ = ChainClient(chain.url, expected_chain_id=5).chain_id


def test_an_unknown_method_is_refused_and_not_unreachable(client: ChainClient) -> None:
    with pytest.raises(RpcRefused) as caught:
        client.transport.request("eth_nonsense")
    assert caught.value.code == -32601
    assert not isinstance(caught.value, ContractReverted)


def test_a_closed_port_and_a_name_that_does_not_exist_are_unreachable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ChainUnreachable, match="no answer"):
        ChainClient(f"http://127.0.0.1:{port}").head()
    with pytest.raises(ChainUnreachable):
        ChainClient("http://no-such-host.invalid:1").head()
    with pytest.raises(ChainUnreachable, match="no http"):
        ChainClient("ftp://127.0.0.1")


def test_a_server_that_accepts_and_says_nothing_is_unreachable_in_time() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        started = time.monotonic()
        with pytest.raises(ChainUnreachable, match=r"timed out|TimeoutError"):
            ChainClient(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_seconds=0.3).head()
        assert time.monotonic() - started < 3


Answer = Callable[[dict[str, Any]], tuple[int, bytes]]


@pytest.fixture
def lying_server() -> Iterator[Callable[[Answer], str]]:
    """A server whose answers the test writes; its URL."""
    servers: list[http.server.ThreadingHTTPServer] = []

    def start(answer: Answer) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, body = answer(request)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_transaction_that_takes_longer_to_estimate_than_an_answer_may_is_sent_all_the_same(
    chain: ChainProcess, counter: Any, account: LocalAccount, lying_server: Callable[[Answer], str]
) -> None:
    """As that of a proof does on a busy machine. Every answer comes from the chain, that one late."""

    def busy(request: Any) -> tuple[int, bytes]:
        if isinstance(request, list):
            time.sleep(1.0)
        return 200, httpx.post(chain.url, json=request, timeout=60).content

    client = ChainClient(lying_server(busy), timeout_seconds=0.5)
    client.send(account, counter.functions.add(3))
    assert client.call(counter.functions.total()) == 3


def result(value: Any) -> Answer:
    return lambda request: (200, json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": value}).encode())


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (lambda _: (502, b"bad gateway"), ChainUnreachable),
        (lambda _: (404, b""), ChainUnreachable),
        (lambda _: (200, b"<html>"), BadChainData),
        (lambda _: (200, b""), BadChainData),
        (lambda _: (200, b"[]"), BadChainData),
        (lambda _: (200, b"{}"), BadChainData),
        (lambda _: (200, b'{"jsonrpc":"2.0","id":99999,"result":"0x1"}'), BadChainData),
        (result(None), BadChainData),
        (result("0x1"), BadChainData),
        (result({"number": "0x1"}), BadChainData),
        (result({"number": 5, "hash": "0x00", "timestamp": "0x1"}), BadChainData),
        (result({"number": "0x1", "hash": "zz", "timestamp": "0x1"}), BadChainData),
        (lambda r: (200, json.dumps({"id": r["id"], "error": {"code": -32000, "message": "no"}}).encode()), RpcRefused),
        (lambda r: (200, json.dumps({"id": r["id"], "error": "odd"}).encode()), RpcRefused),
    ],
)
def test_lying_and_broken_servers_give_typed_errors(
    lying_server: Callable[[Answer], str], answer: Answer, error: type[Exception]
) -> None:
    with pytest.raises(error):
        ChainClient(lying_server(answer)).head()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ({"code": 3, "message": "execution reverted: WHY", "data": "0x"}, "WHY"),
        ({"code": 3, "message": "execution reverted"}, ""),
        ({"code": -32000, "message": "Execution reverted: WHY"}, "WHY"),
        (
            {
                "code": -32000,
                "message": "execution reverted",
                "data": "0x08c379a0" + "20".rjust(64, "0") + "03".rjust(64, "0") + b"WHY".hex().ljust(64, "0"),
            },
            "WHY",
        ),
    ],
)
def test_reverts_as_other_servers_report_them_are_reverts(
    lying_server: Callable[[Answer], str], error: dict[str, Any], reason: str
) -> None:
    url = lying_server(lambda request: (200, json.dumps({"id": request["id"], "error": error}).encode()))
    with pytest.raises(ContractReverted) as caught:
        ChainClient(url).head()
    assert caught.value.reason == reason


def test_a_restarted_server_is_reached_again_through_the_same_client(tmp_path: Path) -> None:
    with ChainProcess.start(tmp_path) as first:
        client = ChainClient(first.url)
        number = client.head().number
        port = first.port
    with pytest.raises(ChainUnreachable):
        client.head()
    with ChainProcess.start(tmp_path, port=port):
        assert client.head().number > number


def test_a_connection_that_was_closed_meanwhile_is_opened_again(chain: ChainProcess) -> None:
    client = ChainClient(chain.url)
    client.head()
    connection = client.transport._connection()
    assert connection is not None
    assert connection.sock is not None
    connection.sock.shutdown(socket.SHUT_RDWR)
    assert client.head().number >= 1


def test_a_permit_check_stays_under_ten_milliseconds(client: ChainClient, counter: Any) -> None:
    """Median here; the 95th percentile is the benchmark's, for tests share their machine."""
    durations = []
    for _ in range(40):
        started = time.perf_counter()
        client.call(counter.functions.snapshot())
        durations.append(time.perf_counter() - started)
    assert sorted(durations)[20] < 0.010


# -- compiler --


def test_compiling_twice_takes_the_cache_and_a_damaged_cache_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from belmont.chain import compiler

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    sources = tmp_path / "sources"
    sources.mkdir()
    source = sources / "One.vy"
    source.write_text("value: public(uint256)\n")
    first = compile_contract("One", sources)
    (cached,) = (tmp_path / "cache/belmont/contracts").iterdir()
    compiler._compiled.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(compiler, "_compile", lambda *_: pytest.fail("the cache was not used"))
        assert compile_contract("One", sources) == first
    for damaged in ("{}", "not json", '{"abi": [], "bytecode": "zz", "runtime": "", "immutable_bytes": 0}'):
        cached.write_text(damaged)
        compiler._compiled.cache_clear()
        assert compile_contract("One", sources) == first


def test_a_contract_is_compiled_again_when_what_it_imports_or_where_it_keeps_things_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "One.vy").write_text(
        "import helper\n_value: uint256\n@external\ndef set():\n    self._value = helper.N"
    )
    (tmp_path / "helper.vy").write_text("N: constant(uint256) = 7")
    first = compile_contract("One", tmp_path)
    (tmp_path / "unrelated.vy").write_text("N: constant(uint256) = 8")
    assert compile_contract("One", tmp_path) is first
    (tmp_path / "helper.vy").write_text("N: constant(uint256) = 9")
    second = compile_contract("One", tmp_path)
    layout = {"_value": {"type": "uint256", "n_slots": 1, "slot": 0x1234}}
    (tmp_path / "One.layout.json").write_text(json.dumps(layout))
    third = compile_contract("One", tmp_path)
    assert len({each.runtime for each in (first, second, third)}) == 3
    assert b"\x61\x12\x34\x55" in third.runtime  # PUSH2 0x1234 SSTORE
    assert len(list((tmp_path / "cache/belmont/contracts").iterdir())) == 3


def test_a_layout_that_does_not_fit_the_contract_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from belmont.chain.errors import CompilationError

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "One.vy").write_text("_value: uint256\n@external\ndef set():\n    self._value = 1")
    for text in ('{"_other": {"type": "uint256", "n_slots": 1, "slot": 1}}', "{}", "not json", "[]"):
        (tmp_path / "One.layout.json").write_text(text)
        with pytest.raises(CompilationError):
            compile_contract("One", tmp_path)


def test_sources_that_do_not_compile_or_do_not_exist_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from belmont.chain.errors import CompilationError

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "Broken.vy").write_text("this is not vyper")
    with pytest.raises(CompilationError, match=r"Broken\.vy does not compile"):
        compile_contract("Broken", tmp_path)
    with pytest.raises(CompilationError, match="does not exist"):
        compile_contract("Missing", tmp_path)
    with pytest.raises(CompilationError, match="not a contract's name"):
        compile_contract("../Broken", tmp_path)


def test_deployed_code_matches_whatever_its_immutables_are(counter_source: Compiled) -> None:
    runtime = counter_source.runtime
    assert counter_source.immutable_bytes == 64
    assert counter_source.matches(runtime + secrets.token_bytes(64))
    assert not counter_source.matches(runtime + bytes(63))
    assert not counter_source.matches(runtime[:-1] + bytes([runtime[-1] ^ 1]) + bytes(64))
    assert not counter_source.matches(b"")
