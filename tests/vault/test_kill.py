"""A process is killed with SIGKILL while it writes."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from belmont.vault.cid import Cid
from belmont.vault.dag import Layout
from belmont.vault.errors import DatasetShredded
from belmont.vault.vault import Vault

PUT = """
import sys
from belmont.vault.dag import Layout
from belmont.vault.vault import Vault
vault = Vault.open(sys.argv[1], bytes(32), layout=Layout(1024, 8))
for number in range(10_000):
    data = number.to_bytes(4, "big") * 25_000
    print(vault.put(f"label {number % 3}", data), number, flush=True)
"""

SHRED = """
import sys
from belmont.vault.vault import Vault
vault = Vault.open(sys.argv[1], bytes(32))
print("ready", flush=True)
vault.shred("ward")
vault.rotate_wrapping_key(type(vault._wrapping_key)(bytes(32)))
print("done", flush=True)
"""


@pytest.mark.parametrize("seed", range(4))
def test_a_kill_loses_nothing_acknowledged_and_stores_nothing_half(path: Path, seed: int) -> None:
    process = subprocess.Popen([sys.executable, "-c", PUT, path], stdout=subprocess.PIPE, text=True)
    if process.stdout is None:
        raise AssertionError
    lines = [process.stdout.readline() for _ in range(1 + seed)]
    time.sleep(random.Random(seed).uniform(0, 0.05))
    process.send_signal(signal.SIGKILL)
    lines += [line for line in process.stdout.readlines() if line.endswith("\n")]
    process.stdout.close()
    process.wait(timeout=30)
    with Vault.open(path, bytes(32)) as vault:
        for line in lines:
            cid, number = line.split()
            assert vault.get(Cid.parse(cid)) == int(number).to_bytes(4, "big") * 25_000
        report = vault.check()
        assert report.ok
        assert report.objects - len(lines) in (0, 1)  # one may be committed and not yet acknowledged


@pytest.mark.parametrize("delay_ms", [0, 1, 3, 6, 10, 20])
def test_a_kill_leaves_a_dataset_whole_or_shredded(path: Path, delay_ms: int) -> None:
    data = bytes(40_000)
    with Vault.open(path, bytes(32), layout=Layout(64, 32)) as vault:
        cid, kept = vault.put("ward", data), vault.put("kept", data)
        wrapped = vault._database.execute("SELECT wrapped FROM data_keys WHERE label_id = 1")[0][0]
    process = subprocess.Popen([sys.executable, "-c", SHRED, path], stdout=subprocess.PIPE, text=True)
    if process.stdout is None:
        raise AssertionError
    assert process.stdout.readline() == "ready\n"
    time.sleep(delay_ms / 1000)
    process.kill()
    process.wait(timeout=30)
    process.stdout.close()
    with Vault.open(path, bytes(32)) as vault:
        assert vault.get(kept) == data
        if "ward" in vault.labels():
            assert vault.get(cid) == data
            assert vault.check().ok
        else:
            with pytest.raises(DatasetShredded):
                vault.get(cid)
            assert not any(wrapped in file.read_bytes() for file in path.parent.iterdir())
        vault.shred("ward")
        report = vault.check()
        assert report.ok
        assert report.objects == 1
    assert not any(wrapped in file.read_bytes() for file in path.parent.iterdir())
