"""A register that is killed while it writes holds all of a change or nothing of it."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from eth_utils import to_checksum_address

from belmont.registry.consents.register import ConsentRegister, Patient
from belmont.registry.consents.scope import NO_SCOPE, Scope
from belmont.registry.consents.statements import NO_STATEMENTS, Statement, account_key, chained, consent_root
from belmont.registry.consents.tree import ConsentTree
from belmont.registry.types import Address, DatasetId

DATASET = DatasetId(b"\x01" * 32)
SCOPE = Scope(1 << 37, 255, 0, 1000)
ACCOUNT = Address(to_checksum_address(b"\x01" * 20))
PATIENTS = 300
PER_CHANGE = 7
KILLS = 6

WORKER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from test_register_killed import DATASET, changes, statement
from belmont.registry.consents.register import ConsentRegister

register = ConsentRegister(Path(sys.argv[1]), DATASET)
for step in range(int(sys.argv[2]), 1_000_000):
    register.attest(changes(step))
    register.take([statement(step + 1)])
    print(step + 1, flush=True)
"""


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


def changes(step: int) -> dict[bytes, Scope | None]:
    """Each change turns some patients' consents on or off, so that half of one gives a root that never was."""
    scope = SCOPE if step * PER_CHANGE // PATIENTS % 2 else None
    return {key(number % PATIENTS + 1): scope for number in range(step * PER_CHANGE, (step + 1) * PER_CHANGE)}


def statement(number: int) -> Statement:
    return Statement(number, DATASET, ACCOUNT, number, SCOPE if number % 2 else None, number)


def roots(step: int) -> set[bytes]:
    """The roots there are after so many whole steps, and in the middle of the next one."""
    own = NO_STATEMENTS
    for number in range(1, step + 1):
        own = chained(own, ACCOUNT, number, statement(number).scope_hash)
    attested: dict[bytes, Scope | None] = {key(number + 1): SCOPE for number in range(PATIENTS)}
    for each in range(step):
        attested |= changes(each)
    return {consent_root(batch_root(attested), own), consent_root(batch_root(attested | changes(step)), own)}


def batch_root(attested: dict[bytes, Scope | None]) -> bytes:
    """With the account, for which nothing is attested."""
    leaves = [(each, scope.hash) for each, scope in attested.items() if scope]
    return ConsentTree([(account_key(ACCOUNT), NO_SCOPE), *leaves]).batch.root


def test_a_register_that_is_killed_at_any_moment_stands_at_a_root_that_was_written_whole(tmp_path):
    path, folder = tmp_path / "consents.db", Path(__file__).parent
    with ConsentRegister(path, DATASET) as register:
        register.admit(Patient(key(number + 1), number + 1, SCOPE) for number in range(PATIENTS))
        register.admit([Patient(key(PATIENTS + 1), PATIENTS + 1, None, ACCOUNT)])
    done = 0
    for kill in range(KILLS):
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(path), str(done), str(folder)], stdout=subprocess.PIPE, text=True
        )
        assert worker.stdout is not None
        acknowledged = int(worker.stdout.readline())
        time.sleep(0.05 + 0.013 * kill)
        worker.send_signal(signal.SIGKILL)
        for line in worker.stdout:
            acknowledged = int(line)
        worker.wait()
        with ConsentRegister(path, DATASET) as register:
            view = register.view()
            assert view.applied in (acknowledged, acknowledged + 1)
            assert view.root in roots(view.applied)
        done = view.applied
    assert done > KILLS
