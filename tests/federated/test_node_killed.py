"""A hospital's node process is killed while it computes: a new process serves the same request, and no other."""

import os
import signal
import subprocess
import sys
import time

from belmont.registry.reasons import Reason
from belmont.registry.types import UseKind

NODE = """
import sys
from pathlib import Path
from belmont.federated.asked_by import Signing
from belmont.federated.grid.in_process import InProcessGrid
from belmont.federated.hashes import Arrays
from belmont.federated.models.glm import initial_model, glm_config
from belmont.federated.node.node import HospitalNode
from belmont.federated.node.requests import Claim, round_content
from belmont.federated.node.stored import StoredVersion
from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.types import DatasetId, PermitId
from belmont.ehr.synthetic import coded_tables, generate_population
from belmont.zk.commitment import commit_table
from belmont.zk.layout import Layout
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from eth_account import Account

url, key, permit, participants, ledger, bundle, layout, seed, consents, researcher = sys.argv[1:]
datasets = tuple(DatasetId(bytes.fromhex(each)) for each in participants.split(","))
table = coded_tables(generate_population(4, 1_200, 7))[0]
account = Account.from_key(key)
registry = ChainRegistry.connect(url).as_(account)
mask_key = X25519PrivateKey.generate()
codes = [table.codes(name) for name in table.columns]
committed = commit_table(Layout.from_bytes(bytes.fromhex(layout)), codes, table.pseudonyms, bytes.fromhex(seed))
stored = StoredVersion(table, committed)
paths = Path(ledger), Path(ledger + "-openings")
node = HospitalNode(
    registry,
    datasets[0],
    lambda number: stored,
    mask_key,
    paths[0],
    account=account,
    openings_path=paths[1],
    consents_path=Path(consents),
)
features = ("age", "hba1c", "systolic")
claim = Claim(PermitId(int(permit)), 1, 1 << 37, datasets)
content = round_content(claim, glm_config(features, "cvd_event"), initial_model(features))
grid = InProcessGrid([node])
grid.deliver(Path(bundle).read_bytes())
asking = Signing(registry.as_(Account.from_key(researcher)))
signed = asking.signed("train", {datasets[0]: content})[datasets[0]]
list(grid.send_and_receive([grid.create_message(signed, "train", node.node_id, "1")]))
"""

SLOW_APP = """
import time
from pathlib import Path
from flwr.app import Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
app = ClientApp()
@app.train()
def train(message, context):
    if not Path({trace!r}).exists():
        Path({trace!r}).write_text("computing")
        time.sleep(600)
    content = RecordDict({{"arrays": message.content["arrays"], "metrics": MetricRecord({{"num-examples": 1}})}})
    return Message(content, reply_to=message)
"""


def test_a_round_under_way_when_the_node_is_killed_is_served_by_the_next_process(on_chain_study, app_builder, refused):
    study = on_chain_study
    study.bundle = app_builder(SLOW_APP.format(trace=str(study.trace)))
    permit = study.issue()
    study.open_round(permit)
    study.nodes[0].close()
    (study.folder / "bundle").write_bytes(study.bundle)
    committed = study.stored(0).committed
    assert committed is not None
    arguments = [
        study.consortium.url,
        study.consortium.hospitals[0].key.hex(),
        str(permit),
        ",".join(dataset.hex() for dataset in study.participants),
        str(study.folder / "ledger-0.sqlite"),
        str(study.folder / "bundle"),
        committed.layout.to_bytes().hex(),
        committed.seed.hex(),
        str(study.consortium.register_path(study.participants[0])),
        study.consortium.researcher.key.hex(),
    ]
    process = subprocess.Popen([sys.executable, "-c", NODE, *arguments])
    deadline = time.monotonic() + 40
    while not study.trace.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert study.trace.exists(), "the node never began to compute"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert study.registry.uses(permit) == []
    study.nodes[0] = study.new_node(0)
    others = tuple(reversed(study.participants))
    assert refused(study.send_round(permit, participants=others)).reason is Reason.PARTICIPANTS_MISMATCH
    assert refused(study.send_round(permit)).reason is Reason.ALREADY_SERVED, "for more purposes"
    assert study.send_round(permit, purpose=1 << 37).has_content()
    assert len(study.registry.uses(permit)) == 1
    assert study.nodes[0].ledger.served(permit, UseKind.ROUND) == 1
