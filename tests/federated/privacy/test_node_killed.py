"""A hospital's node process is killed between keeping its noisy vector and releasing it, on a real chain."""

import json
import signal
import subprocess
import sys
from typing import Any

import pytest
from tests.federated.privacy.scenes import RHO, answer, content_of, made_private, packages_of

from belmont.federated.grid.records import pack_records

NODE = """
import json, os, signal, sys
from pathlib import Path
from belmont.ehr.synthetic import coded_tables, generate_population
from belmont.federated.gate.gate import Gate
from belmont.federated.grid.in_process import InProcessGrid
from belmont.federated.grid.records import unpack_records
from belmont.federated.node.node import HospitalNode
from belmont.federated.node.stored import StoredVersion
from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.types import DatasetId
from belmont.zk.commitment import commit_table
from belmont.zk.layout import Layout
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from eth_account import Account

given = json.load(sys.stdin)
recording = Gate._record

def dying(gate, *arguments):
    if given["recorded"]:
        recording(gate, *arguments)
    os.kill(os.getpid(), signal.SIGKILL)

Gate._record = dying
table = coded_tables(generate_population(4, 1_200, 7))[0]
layout, seed = Layout.from_bytes(bytes.fromhex(given["layout"])), bytes.fromhex(given["seed"])
committed = commit_table(layout, [table.codes(name) for name in table.columns], table.pseudonyms, seed)
account, ledger = Account.from_key(given["key"]), Path(given["ledger"])
node = HospitalNode(
    ChainRegistry.connect(given["url"]).as_(account),
    DatasetId(bytes.fromhex(given["dataset"])),
    lambda number: StoredVersion(table, committed),
    X25519PrivateKey.from_private_bytes(bytes.fromhex(given["mask_key"])),
    ledger,
    account=account,
    openings_path=Path(given["ledger"] + "-openings"),
    consents_path=Path(given["consents"]),
)
grid = InProcessGrid([node])
grid.deliver(bytes.fromhex(given["bundle"]))
content = unpack_records(bytes.fromhex(given["content"]))
list(grid.send_and_receive([grid.create_message(content, "train", node.node_id, "1")]))
"""


@pytest.mark.parametrize("recorded", [False, True])
def test_a_node_that_is_killed_before_it_releases_is_charged_once_by_the_chain(
    on_chain_study: Any, recorded: bool
) -> None:
    scene = made_private(on_chain_study)
    packages = packages_of(scene)
    scene.open_round(scene.permit)
    before = scene.registry.dataset(scene.participants[0]).rho_spent
    scene.nodes[0].close()
    committed = scene.stored(0).committed
    given = {
        "recorded": recorded,
        "url": scene.consortium.url,
        "key": scene.consortium.hospitals[0].key.hex(),
        "mask_key": scene.consortium.mask_keys[0].private_bytes_raw().hex(),
        "dataset": scene.participants[0].hex(),
        "ledger": str(scene.folder / "ledger-0.sqlite"),
        "consents": str(scene.consortium.register_path(scene.participants[0])),
        "layout": committed.layout.to_bytes().hex(),
        "seed": committed.seed.hex(),
        "bundle": scene.bundle.hex(),
        "content": pack_records(scene.signed(scene.nodes[0], "train", content_of(scene, packages[0]))).hex(),
    }
    process = subprocess.run([sys.executable, "-c", NODE], input=json.dumps(given), text=True, timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert scene.registry.rho_spent(scene.permit, scene.participants[0]) == RHO * recorded
    scene.nodes[0] = scene.new_node(0)
    first, second = (answer(scene, 0, packages) for _ in range(2))
    assert first.content["masked"] == second.content["masked"]
    assert scene.registry.rho_spent(scene.permit, scene.participants[0]) == RHO
    assert scene.registry.dataset(scene.participants[0]).rho_spent == before + RHO
    assert len(scene.registry.uses(scene.permit)) == 1
