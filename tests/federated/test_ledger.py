"""The node's ledger: once each, durable before anything is computed, also when the process is killed."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from belmont.federated.errors import LedgerError
from belmont.federated.gate.ledger import Ledger
from belmont.registry.types import DatasetId, PermitId, UseKind

DATASET = DatasetId(b"\1" * 32)
ROUND = UseKind.ROUND


@pytest.fixture
def ledger(tmp_path):
    made = Ledger(tmp_path / "ledger", "consortium", DATASET)
    yield made
    made.close()


def admit(ledger, n=1, message_id="m", permit=1, kind=ROUND, head=5):
    return ledger.admit(PermitId(permit), kind, n, message_id, b"\2" * 32, head, 100.0)


def test_a_round_and_a_message_are_admitted_once(ledger):
    assert admit(ledger)
    assert not admit(ledger)
    assert not admit(ledger, message_id="other")
    assert not admit(ledger, n=2)
    assert admit(ledger, n=2, message_id="other")
    assert admit(ledger, kind=UseKind.QUERY, message_id="third")
    assert ledger.served(PermitId(1), ROUND) == 2


def test_a_result_is_released_once_and_only_if_admitted(ledger):
    with pytest.raises(LedgerError):
        ledger.release(PermitId(1), ROUND, 1, b"\3" * 32, 6, 101.0)
    admit(ledger)
    ledger.release(PermitId(1), ROUND, 1, b"\3" * 32, 6, 101.0)
    with pytest.raises(LedgerError):
        ledger.release(PermitId(1), ROUND, 1, b"\3" * 32, 6, 101.0)
    assert ledger.entries()[0].result_hash == b"\3" * 32


def test_the_highest_head_never_goes_down(ledger):
    for head, expected in ((5, 5), (9, 9), (7, 9)):
        admit(ledger, n=head, message_id=str(head), head=head)
        assert ledger.highest_head == expected


def test_entries_and_head_survive_a_restart(tmp_path):
    first = Ledger(tmp_path / "ledger", "consortium", DATASET)
    admit(first, head=8)
    first.close()
    second = Ledger(tmp_path / "ledger", "consortium", DATASET)
    assert not admit(second) and second.highest_head == 8
    second.close()


def test_a_ledger_of_another_dataset_or_consortium_is_refused(tmp_path):
    Ledger(tmp_path / "ledger", "consortium", DATASET).close()
    for name, dataset in (("other", DATASET), ("consortium", DatasetId(b"\2" * 32))):
        with pytest.raises(LedgerError, match="another"):
            Ledger(tmp_path / "ledger", name, dataset)


def test_a_file_that_is_no_ledger_is_refused(tmp_path):
    (tmp_path / "ledger").write_bytes(b"not a database" * 100)
    with pytest.raises(LedgerError):
        Ledger(tmp_path / "ledger", "consortium", DATASET)
    with pytest.raises(LedgerError):
        Ledger(tmp_path / "no" / "such" / "folder", "consortium", DATASET)


def test_of_many_threads_and_two_handles_exactly_one_is_admitted(tmp_path):
    handles = [Ledger(tmp_path / "ledger", "consortium", DATASET) for _ in range(2)]
    start = threading.Barrier(8)

    def attempt(i):
        start.wait()
        return admit(handles[i % 2], message_id=f"m{i}")

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(8))) == 1
    for handle in handles:
        handle.close()


KILLED = """
import os, signal, sys
from pathlib import Path
from belmont.federated.gate.ledger import Ledger
from belmont.registry.types import DatasetId, PermitId, UseKind
ledger = Ledger(Path(sys.argv[1]), "consortium", DatasetId(b"\\1" * 32))
n = 0
while True:
    n += 1
    assert ledger.admit(PermitId(1), UseKind.ROUND, n, f"m{n}", b"\\2" * 32, n, 0.0)
    print(n, flush=True)
"""


def test_every_admission_that_was_reported_survives_sigkill(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path / "ledger")], stdout=subprocess.PIPE)
    last = 0
    for line in process.stdout:
        last = int(line)
        if last == 40:
            os.kill(process.pid, signal.SIGKILL)
            break
    last = max([last, *(int(line) for line in process.stdout.read().split())])
    process.wait()
    process.stdout.close()
    ledger = Ledger(tmp_path / "ledger", "consortium", DATASET)
    assert ledger.served(PermitId(1), ROUND) >= last
    assert ledger.highest_head >= last
    assert not any(admit(ledger, n=n, message_id=f"again {n}") for n in range(1, last + 1))
    ledger.close()


class LedgerModel(RuleBasedStateMachine):
    """The ledger against two sets and a number."""

    def __init__(self):
        super().__init__()
        import tempfile
        from pathlib import Path

        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "ledger"
        self.ledger = Ledger(self.path, "consortium", DATASET)
        self.uses, self.messages, self.released, self.head = set(), set(), set(), 0

    @rule(permit=st.integers(1, 2), kind=st.sampled_from(UseKind), n=st.integers(1, 3), m=st.integers(0, 6))
    def admit(self, permit, kind, n, m):
        expected = (permit, kind, n) not in self.uses and m not in self.messages
        head = permit + n + m
        assert self.ledger.knows(PermitId(permit), kind, n, str(m)) is not expected
        assert self.ledger.admit(PermitId(permit), kind, n, str(m), bytes(32), head, 0.0) is expected
        if expected:
            self.uses.add((permit, kind, n))
            self.messages.add(m)
            self.head = max(self.head, head)

    @rule(permit=st.integers(1, 2), kind=st.sampled_from(UseKind), n=st.integers(1, 3), head=st.integers(0, 20))
    def release(self, permit, kind, n, head):
        use = (permit, kind, n)
        try:
            self.ledger.release(PermitId(permit), kind, n, bytes(32), head, 1.0)
        except LedgerError:
            assert use not in self.uses or use in self.released
        else:
            assert use in self.uses and use not in self.released
            self.released.add(use)
            self.head = max(self.head, head)

    @rule()
    def restart(self):
        self.ledger.close()
        self.ledger = Ledger(self.path, "consortium", DATASET)

    @invariant()
    def holds_what_the_model_holds(self):
        assert {(e.permit_id, e.kind, e.n) for e in self.ledger.entries()} == self.uses
        assert self.ledger.highest_head == self.head

    def teardown(self):
        self.ledger.close()
        self.folder.cleanup()


LedgerModel.TestCase.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
TestLedgerModel = LedgerModel.TestCase
