"""Revocations between two rounds: from the hospital's register to the chain and back to a node's rows.

    python -m benchmarks.consents [--json] [--quick]

100,000 patients, of whom 1,000 revoke between two rounds. The register is the real one: SQLite with `synchronous=FULL`,
every change durable. The chain is the embedded one: a server process, HTTP, one fsync per block.

Peers, in the same run: one transaction per revocation on the same chain, which is how consent ledgers in the literature
are built; and the Merkle Patricia trie of the package `trie`, in memory, which changes only the paths that change.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rlp
from eth_account import Account
from trie import HexaryTrie

from belmont.chain.client import ChainClient
from belmont.chain.compiler import compile_contract
from belmont.chain.deployment import deploy
from belmont.chain.process import ChainProcess
from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.consents.register import ConsentRegister, Patient
from belmont.registry.consents.scope import IntendedUse, Scope
from belmont.registry.consents.statements import Statement, account_key, patient_key
from belmont.registry.consents.tree import ConsentTree
from belmont.registry.founding import found
from belmont.registry.types import Address, DatasetId, MemberProfile, MicroRho, Role
from benchmarks import options

DISEASE = 1 << 37
YEAR = 365 * 24 * 3600
PERIODS = 50
"""Distinct scopes."""
LEDGER = """# pragma version 0.4.3
event Revoked:
    patient: indexed(bytes32)
revoked: public(HashMap[bytes32, bool])

@external
def revoke(patient: bytes32):
    assert not self.revoked[patient], "ALREADY_REVOKED"
    self.revoked[patient] = True
    log Revoked(patient=patient)
"""


def run(quick: bool = False) -> dict[str, Any]:
    """All figures of one run; `quick` takes a tenth of the patients."""
    patients, revocations, rounds = (10_000, 100, 3) if quick else (100_000, 1_000, 5)
    figures: dict[str, Any] = {"patients": patients, "revocations": revocations, "distinct_scopes": PERIODS}
    with tempfile.TemporaryDirectory() as folder:
        figures["register"], keys = register_figures(Path(folder), patients, revocations, rounds)
        figures["chain"] = chain_figures(Path(folder), revocations, quick)
    figures["peer_trie"] = trie_figures(keys, revocations)
    ours, one_by_one = figures["register"]["apply_ms"] + figures["chain"]["publish_ms"], figures["chain"]["peer_ms"]
    figures["ratio"] = {
        "one_transaction_each": round(one_by_one / ours, 1),
        "trie_root": round(figures["peer_trie"]["root_ms"] / figures["register"]["root_ms"], 2),
        "trie_proof_bytes": round(figures["peer_trie"]["proof_bytes"] / figures["register"]["membership_bytes"], 2),
    }
    return figures


def register_figures(folder: Path, patients: int, revocations: int, rounds: int) -> tuple[dict[str, Any], list[bytes]]:
    """What the hospital does for each round, and what its node does then."""
    secret, until = secrets.token_bytes(32), 2_000_000_000
    keys = [patient_key(secret, f"MRN-{number}") for number in range(patients)]
    scopes = [Scope(DISEASE, 255, 0, until + number) for number in range(PERIODS)]
    pseudonyms = np.sort(np.random.default_rng(7).choice(2**62, patients, replace=False).astype(np.uint64) + 1)
    use = IntendedUse(DISEASE, 7, Address("0x" + "11" * 20), 1_800_000_000)
    found: dict[str, Any] = {}
    with ConsentRegister(folder / "consents.db", DatasetId(bytes(32))) as register:
        people = zip(keys, pseudonyms.tolist(), strict=True)
        rows = [Patient(key, pseudonym, scopes[place % PERIODS]) for place, (key, pseudonym) in enumerate(people)]
        found["admit_s"] = round(timed(lambda: register.admit(rows)) / 1000, 2)
        apply_ms, view_ms, mask_ms = [], [], []
        for each in range(rounds):
            leaving = dict.fromkeys(keys[each * revocations : (each + 1) * revocations])
            apply_ms.append(timed(lambda changes=leaving: register.attest(changes)))
            view_ms.append(timed(register.view))
            mask_ms.append(timed(lambda: register.view().mask(pseudonyms, use)))
            assert int(register.view().mask(pseudonyms, use).sum()) == patients - (each + 1) * revocations
        leaves = leaves_of(register.tree(), keys)
        root_ms = [timed(lambda: ConsentTree(leaves)) for _ in range(rounds)]
        tree = register.tree()
        shown = [tree.membership(key) for key in keys[-100:]]
        absent = [tree.absence(key) for key in keys[:100]]
        root = tree.batch.root
        assert all(each.holds(root) for each in shown)
        assert all(each.holds(root, key) for each, key in zip(absent, keys, strict=False))
        found |= {
            "apply_ms": median(apply_ms),
            "root_ms": median(root_ms),
            "view_ms": median(view_ms),
            "mask_ms": median(mask_ms),
            "membership_bytes": round(statistics.median(len(each.to_bytes()) for each in shown)),
            "absence_bytes": round(statistics.median(len(each.to_bytes()) for each in absent)),
            "verify_ms": median([timed(lambda one=each: one.holds(root)) for each in shown], 4),
        }
        accounts = {key: new_account().address for key in keys[-revocations:]}
        found["accounts_ms"] = median([timed(lambda: register.give_accounts(accounts))])
        its = enumerate(accounts.values(), start=1)
        stated = [Statement(number, DatasetId(bytes(32)), account, 1, None, number) for number, account in its]
        found["own_statements_ms"] = median([timed(lambda: register.take(stated))])
    return found, keys


def leaves_of(tree: ConsentTree, keys: list[bytes]) -> list[tuple[bytes, bytes]]:
    return [(key, tree.membership(key).leaf.scope_hash) for key in keys if key in tree]


def chain_figures(folder: Path, revocations: int, quick: bool) -> dict[str, Any]:
    """Gas and time on the chain, beside one transaction per revocation."""
    (folder / "Ledger.vy").write_text(LEDGER)
    with ChainProcess.start(folder / "chain", heartbeat_seconds=60) as server:
        client = ChainClient(server.url)
        holder, patient = new_account(), new_account()
        registry = found(server.url, "Consortium", founders(holder))
        until = registry.head().timestamp + 2 * YEAR
        dataset = registry.as_(holder).register_dataset("cases", 1 << 4, bytes([1]) * 32, 1, 255, until, MicroRho(1))
        leaves = [(hashlib.sha256(b"%d" % number).digest(), bytes([2]) * 32) for number in range(100_000)]
        tree = ConsentTree([*leaves, (account_key(Address(patient.address)), bytes(32))])
        as_holder, as_patient = registry.as_(holder).consents, registry.as_(patient).consents
        publish_ms = [timed(lambda: as_holder.publish_batch(dataset, tree.batch)) for _ in range(5)]
        shown = tree.membership(account_key(Address(patient.address)))
        as_holder.enrol(dataset, Address(patient.address), shown)
        scope = Scope(DISEASE, 255, 0, until)
        recipients = sorted((Address(holder.address), Address(patient.address)), key=str.lower)
        named = Scope(DISEASE, 255, 0, until, tuple(recipients))
        as_patient.grant(dataset, scope, 1)
        as_patient.grant(dataset, named, 2)
        as_patient.revoke(dataset, 3)
        compiled = compile_contract("Ledger", folder)
        ledger = client.contract_at(compiled.abi, deploy(client, holder, compiled).address)
        sent = revocations // 10 if quick else revocations
        peer = [timed(lambda k=key: client.send(holder, ledger.functions.revoke(k))) for key, _ in leaves[:sent]]
        return {
            "publish_ms": median(publish_ms),
            "gas": {
                "publish_batch": gas(client, registry, "BatchPublished"),
                "publish_first_batch": gas(client, registry, "BatchPublished", 0),
                "enrol": gas(client, registry, "PatientEnrolled"),
                "grant": gas(client, registry, "ConsentGranted", 0),
                "grant_two_recipients": gas(client, registry, "ConsentGranted"),
                "revoke": gas(client, registry, "ConsentRevoked"),
            },
            "peer": "one transaction for each revocation, one after the other, on the same chain",
            "peer_sent": sent,
            "peer_ms": round(sum(peer) * revocations / sent, 1),
        }


def founders(holder: Any) -> list[MemberProfile]:
    members = [(holder, Role.DATA_HOLDER)] + [(new_account(), Role.ETHICS_BOARD) for _ in range(2)]
    return [
        MemberProfile(Address(each.address), f"Member {place}", f"did:ethr:0x539:{each.address}", role)
        for place, (each, role) in enumerate(members)
    ]


def gas(client: ChainClient, registry: ChainRegistry, event: str, which: int = -1) -> int:
    """Of the transaction that emitted this event."""
    transaction = registry.events_of("Consents", event)[which].transaction
    receipt = client.transport.request("eth_getTransactionReceipt", ["0x" + transaction.hex()])
    return int(receipt["gasUsed"], 16)


def trie_figures(keys: list[bytes], revocations: int) -> dict[str, Any]:
    """The same keys in a Merkle Patricia trie: leave out as many, and take the new root."""
    trie = HexaryTrie({}, prune=True)

    def build() -> None:
        with trie.squash_changes() as batch:
            for key in keys:
                batch[key] = key

    def revoke() -> None:
        with trie.squash_changes() as batch:
            for key in keys[:revocations]:
                del batch[key]

    build_s, root_ms = timed(build) / 1000, timed(revoke)
    nodes = [trie.get_proof(key) for key in keys[-100:]]
    sizes = [sum(len(rlp.encode(node)) for node in proof) for proof in nodes]
    return {
        "what": "trie.HexaryTrie in memory, nothing durable",
        "build_s": round(build_s, 2),
        "root_ms": round(root_ms, 1),
        "proof_bytes": round(statistics.median(sizes)),
    }


def new_account() -> Any:
    return Account.create()


def timed(work: Callable[[], Any]) -> float:
    """Milliseconds."""
    begin = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - begin)


def median(figures: list[float], digits: int = 1) -> float:
    return round(statistics.median(figures), digits)


def main(arguments: list[str] | None = None) -> int:
    """Prints a table, or one JSON object with ``--json``."""
    asked = options.parse("consents", __doc__, "a tenth of the patients", arguments)
    figures = run(asked.quick)
    if asked.json:
        print(json.dumps(figures))
        return 0
    from rich.console import Console
    from rich.table import Table

    from benchmarks.__main__ import flat

    table = Table("figure", "value", title="benchmarks.consents", title_justify="left")
    for name, value in flat(figures):
        table.add_row(name, str(value))
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
