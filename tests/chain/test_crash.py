"""SIGKILL under load: whatever was acknowledged is there after the restart, and the chain holds together."""

from __future__ import annotations

import itertools
import random
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from eth_account import Account

from belmont.chain.client import ChainClient
from belmont.chain.compiler import Compiled
from belmont.chain.deployment import deploy
from belmont.chain.engine import Engine
from belmont.chain.errors import ChainError
from belmont.chain.process import ChainProcess

ROUNDS = 4
THREADS = 8


def test_no_acknowledged_transaction_is_lost_when_the_server_is_killed_under_load(
    tmp_path: Path, counter_source: Compiled, replay: Callable[[Path], int]
) -> None:
    accounts = [Account.from_key(secrets.token_bytes(32)) for _ in range(THREADS)]
    acknowledged: list[bytes] = []
    total = [0]
    guard = threading.Lock()
    chain = ChainProcess.start(tmp_path)
    address = deploy(ChainClient(chain.url), accounts[0], counter_source, [10**9]).address

    def work(client: ChainClient, account: Any) -> None:
        contract = client.contract_at(counter_source.abi, address)
        try:
            while True:
                receipt = client.send(account, contract.functions.add(1))
                with guard:
                    acknowledged.append(receipt.transaction_hash)
                    total[0] += 1
        except ChainError:
            return

    for _ in range(ROUNDS):
        client = ChainClient(chain.url)
        before = len(acknowledged)
        threads = [threading.Thread(target=work, args=(client, account)) for account in accounts]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 20
        wanted = before + random.randint(10, 40)
        while len(acknowledged) < wanted and time.monotonic() < deadline:
            time.sleep(0.002)
        chain.kill()
        for thread in threads:
            thread.join()
        chain = ChainProcess.start(tmp_path)
        client = ChainClient(chain.url)
        for transaction_hash in acknowledged[before:]:
            receipt = client.transport.request("eth_getTransactionReceipt", ["0x" + transaction_hash.hex()])
            assert receipt is not None, "an acknowledged transaction is lost"
            assert receipt["status"] == "0x1"

    contract = client.contract_at(counter_source.abi, address)
    counted = client.call(contract.functions.total())
    # a transaction may have been included and killed before its answer, never the other way round
    assert total[0] <= counted <= total[0] + ROUNDS * THREADS
    assert len(set(acknowledged)) == len(acknowledged) >= ROUNDS * 10

    blocks = client.transport.batch(
        [("eth_getBlockByNumber", [hex(n), False]) for n in range(client.head().number + 1)]
    )
    for parent, child in itertools.pairwise(blocks):
        assert child["parentHash"] == parent["hash"]
    assert any(len(block["transactions"]) > 1 for block in blocks), "no block held several transactions"
    chain.stop()

    engine = Engine.open(tmp_path)
    state = engine.state(engine.head.header)
    assert state.get_storage(bytes.fromhex(address[2:]), 0) == counted
    engine.close()
    assert replay(tmp_path) >= len(acknowledged)
    with sqlite3.connect(tmp_path / "chain.sqlite") as database:
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)
