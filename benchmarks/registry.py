"""What the registry costs: gas, bytes and milliseconds of each operation, and reads on a chain that is full.

    python -m benchmarks.registry [--json] [--quick] [--datasets N] [--permits N] [--consents N] [--directory DIR]

Writes are measured as a member's machine sends them: simulated, signed, sent over JSON-RPC, in a durable block. Bytes
on chain are the call data of a write and the data of its events; a record is 1 KB at most, proofs excepted, and a
registration brings two records, the dataset's and its conditions. Reads are the node's own, over JSON-RPC; the peer of
a read is a bare `eth_getStorageAt` of the same server in the same run, the least that reading anything can cost.
A permit check is what a gate does for each request: the highest head from its ledger, the view, ``decide``, and the
admission on disk.
``--directory`` keeps the full chain for another run.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from eth_account import Account

from belmont.chain.client import ChainClient
from belmont.chain.process import ChainProcess
from belmont.federated.gate.ledger import Ledger
from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.consents.statements import account_key
from belmont.registry.consents.tree import ConsentTree
from belmont.registry.decide import Decision, decide
from belmont.registry.types import Address, MemberProfile, MicroRho, PermitId, Request, Role, StudyId, UseKind
from benchmarks.populated import BROAD, HASH, YEAR, Populated, Size, study_terms

RECORD_BYTES_MAX = 1024
READ_MS_MAX = 50
PERMIT_CHECK_MS_MAX = 10
BLOCK_SECONDS_MAX = 1.0
TX_PER_SECOND_MIN = 60
FULL = Size(datasets=10_000, permits=1_000, consents=100_000)
QUICK = Size(datasets=40, permits=10, consents=40)
CID = b"\x01\x71\x12\x20" + bytes(32)


def run(quick: bool = False, size: Size | None = None, directory: Path | None = None) -> dict[str, Any]:
    """All figures of one run."""
    wanted = size or (QUICK if quick else FULL)
    with tempfile.TemporaryDirectory() as folder:
        place = directory or Path(folder) / "chain"
        people = Populated(place, lambda note: print(note, file=sys.stderr, flush=True))
        if not (place / "chain.sqlite").exists() and not any(place.glob("*")):
            people.make(wanted)
        with ChainProcess.start(place) as chain:
            registry = people.open(chain.url)
            client = ChainClient(chain.url)
            figures: dict[str, Any] = {
                "datasets": wanted.datasets,
                "permits": wanted.permits,
                "consents": wanted.consents,
                "directory_mb": round(sum(each.stat().st_size for each in place.glob("*")) / 1e6),
                "permit_checks": _checks(people.open(chain.url), people, wanted, Path(folder), 60 if quick else 300),
                "reads": _reads(registry, client, people, wanted, 60 if quick else 300),
                "operations": _operations(registry, client, people),
                **_rate(client, people, registry, 4 if quick else 40),
            }
    figures["largest_write_bytes"] = max(
        max(each["calldata_bytes"], each["event_bytes"]) for each in figures["operations"].values()
    )
    figures["read_p95_ms"] = max(each["p95_ms"] for each in figures["reads"].values())
    figures["permit_check_p95_ms"] = figures["permit_checks"]["permit check"]["p95_ms"]
    figures["block_s_max"] = max(each["ms"] for each in figures["operations"].values()) / 1000
    figures["limits"] = {
        "largest_write_bytes": RECORD_BYTES_MAX,
        "read_p95_ms": READ_MS_MAX,
        "permit_check_p95_ms": PERMIT_CHECK_MS_MAX,
        "block_s_max": BLOCK_SECONDS_MAX,
        "durable_tx_per_second": TX_PER_SECOND_MIN,
    }
    return figures


def _checks(registry: ChainRegistry, people: Populated, size: Size, folder: Path, count: int) -> dict[str, Any]:
    """A gate's check of one request, at permits that it read before, and at each permit for the first time.

    The first ones of all find nothing in the server's memory, and have it translate the code: they are in the figures.
    """
    ledger = Ledger(folder / "ledger", registry.identity, people.dataset(0))
    numbers = itertools.count(1)

    def check(place: int) -> Decision:
        permit, dataset, n = PermitId(place + 1), people.dataset(4 * place), next(numbers)
        floor = ledger.highest_head
        view = replace(registry.view(permit, dataset, UseKind.ROUND, 1), highest_head_seen=floor)
        now = int(time.time())
        request = Request(
            UseKind.ROUND, permit, 1, dataset, 1 << 37, HASH, HASH, HASH, (dataset,), 20, 1, HASH, now + YEAR, 0
        )
        decision = decide(view.permit, request, view, now)
        if view.head is None or not ledger.admit(permit, UseKind.ROUND, n, f"{n}", HASH, view.head.number, now):
            raise RuntimeError("nothing could be checked")
        return decision

    places = {
        "permit check": [k % 4 for k in range(count)],
        # Every other one: the rest is left for the reads, which are of what is new to the server as well.
        "permit check, permit not read before": list(range(4, size.permits, 2))[:count],
    }
    found = {}
    for name, asked in places.items():
        if not asked:
            continue
        times = sorted(_timed(lambda place=place: check(place)) for place in asked)
        found[name] = {
            "p50_ms": round(statistics.median(times), 2),
            "p95_ms": round(times[int(0.95 * len(times))], 2),
            "count": len(times),
        }
    ledger.close()
    return found


def _reads(registry: ChainRegistry, client: ChainClient, people: Populated, size: Size, count: int) -> dict[str, Any]:
    """Each read at places all over the chain, beside the least that a read can cost."""
    address = registry.addresses["Datasets"]

    def spread(place: int, of: int) -> int:
        return place * 7_919 % of

    reads: dict[str, Callable[[int], Any]] = {
        "node view": lambda k: registry.view(PermitId(k % 4 + 1), people.dataset(4 * (k % 4)), UseKind.ROUND, 1),
        "node view, permit not read before": lambda k: registry.view(
            PermitId(spread(k, size.permits) + 1), people.dataset(4 * spread(k, size.permits)), UseKind.ROUND, 1
        ),
        "dataset": lambda k: registry.dataset(people.dataset(spread(k, size.datasets))),
        "permit": lambda k: registry.permit(PermitId(spread(k, size.permits) + 1)),
        "study": lambda k: registry.study(StudyId(spread(k, size.permits) + 1)),
        "consent of a patient": lambda k: registry.consents.own(
            people.dataset(spread(k, size.consents) // 1_000), Address(people.patient(spread(k, size.consents)).address)
        ),
        "consent root": lambda k: registry.consents.root(people.dataset(spread(k, size.datasets))),
        "member": lambda k: registry.member(Address(people.board[k % 3].address)),
        "rule": lambda k: registry.rules.settings(),
        "credits": lambda k: registry.credits.balance(Address(people.holders[k % 4].address)),
        "bare storage slot (peer)": lambda k: client.transport.request("eth_getStorageAt", [address, hex(k), "latest"]),
    }
    found = {}
    for name, read in reads.items():
        if any(read(k) is None for k in range(4)):
            raise RuntimeError(f"{name}: nothing is there")
        times = sorted(_timed(lambda read=read, k=k: read(k)) for k in range(count))
        found[name] = {"p50_ms": round(statistics.median(times), 2), "p95_ms": round(times[int(0.95 * count)], 2)}
    peer = found["bare storage slot (peer)"]["p50_ms"]
    for each in found.values():
        each["times_peer"] = round(each["p50_ms"] / peer, 1)
    return found


def _operations(registry: ChainRegistry, client: ChainClient, people: Populated) -> dict[str, Any]:
    """Gas, bytes and time of one write of each kind, in an order in which each is possible."""
    user, board, holders = people.researcher, people.board, people.holders
    salt = f"{time.time_ns()}"
    made: dict[str, Any] = {}
    patient = Account.create()
    newcomer = Account.create()
    until = int(time.time()) + 2 * YEAR
    found: dict[str, Any] = {}

    def measure(name: str, write: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        result = write()
        elapsed = 1000 * (time.perf_counter() - started)
        gas, calldata, events = _newest(client)
        found[name] = {"gas": gas, "calldata_bytes": calldata, "event_bytes": events, "ms": round(elapsed, 1)}
        return result

    as_ = registry.as_
    profile = MemberProfile(
        Address(newcomer.address), f"newcomer {salt}"[:64], "did:ethr:0x539:" + newcomer.address.lower(), Role.AUDITOR
    )
    proposal = measure("propose a member", lambda: as_(board[0]).propose_admission(profile, CID))
    measure("support a member", lambda: as_(board[1]).support(proposal))
    rule = measure("propose a rule", lambda: as_(board[0]).rules.propose_rule(8, 40))  # type: ignore[arg-type]
    measure("support a rule", lambda: as_(board[1]).rules.support(rule))
    for place, holder in enumerate(holders):
        name = f"operations {salt} {place}"
        register = lambda h=holder, n=name: as_(h).register_dataset(n, 1 << 4, HASH, 1, 255, until, MicroRho(10))  # noqa: E731
        made[str(place)] = measure("register a dataset", register)
    first = made["0"]
    tree = ConsentTree([(account_key(Address(patient.address)), bytes(32)), (HASH, BROAD.hash)])
    shown = tree.membership(account_key(Address(patient.address)))
    measure("publish a batch of consents", lambda: as_(holders[0]).consents.publish_batch(first, tree.batch))
    measure("enrol a patient", lambda: as_(holders[0]).consents.enrol(first, Address(patient.address), shown))
    measure("grant consent", lambda: as_(patient).consents.grant(first, BROAD, 1))
    measure("revoke consent", lambda: as_(patient).consents.revoke(first, 2))
    root = registry.consents.root(first)
    measure("add a version", lambda: as_(holders[0]).add_version(first, CID, 1_000, HASH, root))
    datasets = tuple(made[str(place)] for place in range(4))
    study = measure("apply for a permit", lambda: as_(user).propose(study_terms("operations", datasets)))
    for each in board[:2]:
        measure("vote on a study", lambda each=each: as_(each).vote(study, True, "sound"))
    for holder, id_ in zip(holders, datasets, strict=True):
        measure("accept a study", lambda holder=holder, id_=id_: as_(holder).accept(study, id_))
    permit = measure("issue a permit", lambda: as_(user).issue(study))
    measure("open a round", lambda: as_(user).open_round(permit, 1, HASH, datasets))
    measure("open a query", lambda: as_(user).open_query(permit, 1, HASH, datasets))
    measure("freeze a permit", lambda: as_(board[0]).freeze_permit(permit, 60, "a question"))
    measure("lift a freeze", lambda: as_(board[0]).vote_lift(permit))
    measure("revoke a permit", lambda: as_(board[0]).vote_revoke(permit, "answered"))
    measure("destroy a dataset", lambda: as_(holders[1]).destroy_dataset(made["1"], HASH))
    return found


def _newest(client: ChainClient) -> tuple[int, int, int]:
    """Gas, call data and event data of the newest transaction."""
    number = client.head().number
    while True:
        block = client.transport.request("eth_getBlockByNumber", [hex(number), True])
        if block["transactions"]:
            break
        number -= 1  # a heartbeat came after it
    sent = block["transactions"][-1]
    receipt = client.transport.request("eth_getTransactionReceipt", [sent["hash"]])
    events = max((len(log["data"]) // 2 - 1 + 32 * len(log["topics"]) for log in receipt["logs"]), default=0)
    return int(receipt["gasUsed"], 16), len(sent["input"]) // 2 - 1, events


def _rate(client: ChainClient, people: Populated, registry: ChainRegistry, per_client: int) -> dict[str, Any]:
    """Durable transactions a second: grants of eight patients at once, signed beforehand, each after its last block."""
    holder, dataset = people.holders[0], people.dataset(0)
    patients = [Account.create() for _ in range(8)]
    tree = ConsentTree([(account_key(Address(each.address)), bytes(32)) for each in patients])
    consents = registry.as_(holder).consents
    consents.publish_batch(dataset, tree.batch)
    for each in patients:
        consents.enrol(dataset, Address(each.address), tree.membership(account_key(Address(each.address))))
    scope = BROAD.purposes, BROAD.categories, [], BROAD.valid_from, BROAD.valid_until
    queues = [
        [people.raw(each, "Consents", "grant", each.address, dataset, *scope, n + 1) for n in range(per_client)]
        for each in patients
    ]
    latencies: list[float] = []
    ready = threading.Barrier(len(queues) + 1)

    def work(raws: list[bytes]) -> None:
        client.transport.request("eth_blockNumber")
        ready.wait()
        for raw in raws:
            parameters = ["0x" + raw.hex()]
            latencies.append(_timed(lambda p=parameters: client.transport.request("eth_sendRawTransaction", p, 60)))

    threads = [threading.Thread(target=work, args=(queue,)) for queue in queues]
    for thread in threads:
        thread.start()
    ready.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    return {
        "durable_tx_per_second": round(len(latencies) / seconds, 1),
        "block_after_submission_ms_p95": round(sorted(latencies)[int(0.95 * len(latencies))], 1),
    }


def _timed(function: Callable[[], Any]) -> float:
    started = time.perf_counter()
    function()
    return 1000 * (time.perf_counter() - started)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.registry", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--quick", action="store_true", help="a small chain: a look, not a measurement")
    parser.add_argument("--datasets", type=int, default=FULL.datasets)
    parser.add_argument("--permits", type=int, default=FULL.permits, help="each takes four datasets")
    parser.add_argument("--consents", type=int, default=FULL.consents, help="of patients with keys of their own")
    parser.add_argument("--directory", type=Path, help="keep the full chain here")
    options = parser.parse_args(arguments)
    size = QUICK if options.quick else Size(options.datasets, options.permits, options.consents)
    figures = run(options.quick, size, options.directory)
    if options.json:
        print(json.dumps(figures))
        return 0
    from rich.console import Console
    from rich.table import Table

    reads = Table(title=f"Reads with {figures['datasets']:,} datasets, {figures['consents']:,} consents")
    for column in ("read", "p50 ms", "p95 ms", "times a bare slot"):
        reads.add_column(column)
    for name, each in figures["reads"].items():
        reads.add_row(name, *(str(each[key]) for key in ("p50_ms", "p95_ms", "times_peer")))
    checks = Table(title="A gate's check of one request, on disk")
    for column in ("check", "p50 ms", "p95 ms", "count"):
        checks.add_column(column)
    for name, each in figures["permit_checks"].items():
        checks.add_row(name, *(str(each[key]) for key in ("p50_ms", "p95_ms", "count")))
    writes = Table(title="One write of each kind")
    for column in ("operation", "gas", "call data", "largest event", "ms until durable"):
        writes.add_column(column)
    for name, each in figures["operations"].items():
        writes.add_row(name, *(str(each[key]) for key in ("gas", "calldata_bytes", "event_bytes", "ms")))
    console = Console()
    console.print(checks, reads, writes)
    console.print({key: figures[key] for key in figures["limits"] if key in figures}, "limits", figures["limits"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
