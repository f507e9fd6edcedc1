"""Durable transactions and calls of the embedded chain, beside plain py-evm in memory, in one run.

    python -m benchmarks.chain [--json] [--quick]

Ours is the real thing: a server process, HTTP, SQLite with one fsync per block; a transaction counts when its block is
on disk. The peer is py-evm's own Prague `MiningChain` over a dict, inside this process: no network, no disk, nothing
kept; it stands for eth-tester, which runs the same. The transactions are the same contract call, signed beforehand by
both sides' clients, so signing is not measured except in `send_ms_median`, the whole of `ChainClient.send`.
"""

from __future__ import annotations

import json
import secrets
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount

from belmont.chain.client import ChainClient
from belmont.chain.compiler import Compiled, compile_contract
from belmont.chain.deployment import deploy, predict_address
from belmont.chain.process import ChainProcess
from benchmarks import options

CHAIN_ID = 1337
CONTRACT = """# pragma version 0.4.3
event Recorded:
    by: indexed(address)
    number: uint256
count: public(uint256)
last: public(HashMap[address, uint256])

@external
def record(number: uint256):
    assert number > self.last[msg.sender], "NOT_NEWER"
    self.last[msg.sender] = number
    self.count += 1
    log Recorded(by=msg.sender, number=number)
"""


def run(quick: bool = False) -> dict[str, Any]:
    """All figures of one run; `quick` takes a few seconds and is rougher."""
    per_client = 6 if quick else 40
    calls = 30 if quick else 200
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "Ledger.vy").write_text(CONTRACT)
        compiled = compile_contract("Ledger", Path(folder))
        with ChainProcess.start(Path(folder) / "chain") as server:
            client = ChainClient(server.url)
            owner = new_account()
            contract = client.contract_at(compiled.abi, deploy(client, owner, compiled).address)
            ours: dict[str, Any] = {"durable_tx_per_second": {}, "tx_per_block": {}}
            for clients in (1, 8, 16):
                rate, median_ms, per_block = durable_rate(client, contract, clients, per_client)
                ours["durable_tx_per_second"][str(clients)] = round(rate, 1)
                ours["tx_per_block"][str(clients)] = round(per_block, 1)
                if clients == 1:
                    ours["durable_ms_median"] = round(median_ms, 2)
            sends = [
                timed(lambda n=n: client.send(owner, contract.functions.record(n))) for n in range(1, per_client + 1)
            ]
            ours["send_ms_median"] = round(statistics.median(sends), 2)
            latencies = sorted(timed(lambda: client.call(contract.functions.last(owner.address))) for _ in range(calls))
            ours["call_ms_median"] = round(statistics.median(latencies), 2)
            ours["call_ms_p95"] = round(latencies[int(len(latencies) * 0.95)], 2)
    peer = peer_figures(compiled, max(per_client, 10), calls)
    return {
        **ours,
        "peer": peer,
        "ratio": {
            "tx_per_second_1_client": round(ours["durable_tx_per_second"]["1"] / peer["tx_per_second"], 2),
            "tx_per_second_16_clients": round(ours["durable_tx_per_second"]["16"] / peer["tx_per_second"], 2),
            "call_ms": round(ours["call_ms_median"] / peer["call_ms_median"], 2),
        },
        "signatures": signature_backend(),
    }


def new_account() -> LocalAccount:
    """A fresh account; nobody needs funds here."""
    return Account.from_key(secrets.token_bytes(32))


def signed(account: LocalAccount, to: str, data: str, nonce: int, gas: int = 200_000) -> bytes:
    """A raw transaction of type 2 at price zero."""
    fields = {"to": to, "data": data, "nonce": nonce, "gas": gas, "value": 0, "chainId": CHAIN_ID}
    return bytes(account.sign_transaction({**fields, "maxFeePerGas": 0, "maxPriorityFeePerGas": 0}).raw_transaction)


def timed(function: Any) -> float:
    """Milliseconds of one call."""
    started = time.perf_counter()
    function()
    return 1000 * (time.perf_counter() - started)


def durable_rate(client: ChainClient, contract: Any, clients: int, per_client: int) -> tuple[float, float, float]:
    """(transactions per second, median ms from sending to durable, transactions per block)."""
    queues = []
    for _ in range(clients):
        account = new_account()
        data = [contract.encode_abi("record", [n + 1]) for n in range(per_client)]
        queues.append([signed(account, contract.address, data[n], n) for n in range(per_client)])
    latencies: list[float] = []
    ready = threading.Barrier(clients + 1)

    def work(raws: list[bytes]) -> None:
        client.transport.request("eth_blockNumber")
        ready.wait()
        for raw in raws:
            parameters = ["0x" + raw.hex()]
            latencies.append(timed(lambda p=parameters: client.transport.request("eth_sendRawTransaction", p, 60)))

    threads = [threading.Thread(target=work, args=(queue,)) for queue in queues]
    for thread in threads:
        thread.start()
    first = client.head().number
    ready.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    count = clients * per_client
    return count / seconds, statistics.median(latencies), count / (client.head().number - first)


def peer_figures(compiled: Compiled, transactions: int, calls: int) -> dict[str, Any]:
    """py-evm as it comes, in memory, one block per transaction."""
    from eth.chains.base import MiningChain
    from eth.consensus.noproof import NoProofConsensus
    from eth.db.atomic import AtomicDB
    from eth.vm.forks.prague import PragueVM
    from eth.vm.spoof import SpoofTransaction
    from eth_utils.crypto import keccak

    vm = PragueVM.configure(consensus_class=NoProofConsensus)
    chain_class = MiningChain.configure("PeerChain", vm_configuration=((0, vm),), chain_id=CHAIN_ID)
    genesis = {"gas_limit": 60_000_000, "difficulty": 0, "base_fee_per_gas": 0, "timestamp": int(time.time()) - 10**6}
    chain = chain_class.from_genesis(AtomicDB(), genesis, {})
    account = new_account()
    address = predict_address(account.address, 0)
    builder = vm.get_transaction_builder()

    def data(n: int) -> str:
        return "0x" + (keccak(text="record(uint256)")[:4] + n.to_bytes(32, "big")).hex()

    creation = signed(account, "", "0x" + compiled.bytecode.hex(), 0, gas=3_000_000)
    chain.mine_all([builder.decode(creation)])
    raws = [signed(account, address, data(n), n) for n in range(1, transactions + 1)]
    latencies = [timed(lambda r=raw: chain.mine_all([builder.decode(r)])) for raw in raws]
    view = keccak(text="count()")[:4]
    to = bytes.fromhex(address[2:])
    call = builder.create_unsigned_transaction(nonce=0, gas_price=0, gas=1_000_000, to=to, value=0, data=view)
    head = chain.get_canonical_head()
    spoofed = SpoofTransaction(call, from_=bytes(20))
    counted = int.from_bytes(chain.get_transaction_result(spoofed, head), "big")
    if counted != transactions:
        raise RuntimeError(f"the peer counted {counted} of {transactions} transactions")
    call_ms = [timed(lambda: chain.get_transaction_result(spoofed, head)) for _ in range(calls)]
    return {
        "what": "py-evm MiningChain, in memory, in this process, nothing durable",
        "tx_per_second": round(1000 * transactions / sum(latencies), 1),
        "tx_ms_median": round(statistics.median(latencies), 2),
        "call_ms_median": round(statistics.median(call_ms), 2),
    }


def signature_backend() -> str:
    """Which secp256k1 both sides use: coincurve when installed, else pure Python."""
    from eth_keys import keys

    return type(keys.PrivateKey(b"\x01" * 32).backend).__name__


def main(argv: list[str] | None = None) -> int:
    """Entry of `python -m benchmarks.chain`."""
    asked = options.parse("chain", __doc__, "fewer transactions", argv)
    figures = run(asked.quick)
    if asked.json:
        print(json.dumps(figures))
        return 0
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"Embedded chain ({figures['signatures']})")
    for column in ("", "ours, durable over JSON-RPC", "py-evm in memory", "ratio"):
        table.add_column(column, justify="left" if not column else "right")
    rates, peer, ratio = figures["durable_tx_per_second"], figures["peer"], figures["ratio"]
    for clients in ("1", "8", "16"):
        per_block = figures["tx_per_block"][clients]
        label = f"tx/s, {clients} client{'s' if clients != '1' else ''} ({per_block} per block)"
        shown = f"{rates[clients] / peer['tx_per_second']:.2f}"
        table.add_row(label, str(rates[clients]), str(peer["tx_per_second"]), shown)
    table.add_row("ms per durable transaction", str(figures["durable_ms_median"]), str(peer["tx_ms_median"]), "")
    table.add_row("ms per ChainClient.send", str(figures["send_ms_median"]), "", "")
    table.add_row("ms per call", str(figures["call_ms_median"]), str(peer["call_ms_median"]), str(ratio["call_ms"]))
    table.add_row("ms per call, 95th percentile", str(figures["call_ms_p95"]), "", "")
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
