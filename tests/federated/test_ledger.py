"""The node's ledger: once each, durable before anything is computed, also when the process is killed."""

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from belmont.federated.errors import LedgerError
from belmont.federated.gate.ledger import Ledger, Prepared, forget_results
from belmont.registry.simulated import SimulatedRegistry
from belmont.registry.types import DatasetId, PermitId, UseKind

DATASET = DatasetId(b"\1" * 32)
ROUND = UseKind.ROUND


@pytest.fixture
def ledger(tmp_path):
    made = Ledger(tmp_path / "ledger", "consortium", DATASET)
    yield made
    made.close()


ASKED = b"\4" * 32


def admit(ledger, n=1, message_id="m", permit=1, kind=ROUND, head=5, asked=ASKED):
    return ledger.admit(PermitId(permit), kind, n, message_id, b"\2" * 32, head, 100.0, asked)


def prepare(ledger, n=1, result=b"\3" * 32, reply=b"reply", kind=ROUND):
    ledger.prepare(PermitId(1), kind, n, result, "request", reply)


def test_a_round_and_a_message_are_admitted_once(ledger):
    assert admit(ledger)
    assert not admit(ledger)
    assert not admit(ledger, message_id="other")
    assert not admit(ledger, n=2)
    assert admit(ledger, n=2, message_id="other")
    assert admit(ledger, kind=UseKind.QUERY, message_id="third")
    assert ledger.served(PermitId(1), ROUND) == 2


def test_a_result_is_released_once_and_only_if_prepared(ledger):
    with pytest.raises(LedgerError):
        prepare(ledger)
    admit(ledger)
    with pytest.raises(LedgerError):
        ledger.release(PermitId(1), ROUND, 1, b"\3" * 32, 6, 101.0)
    prepare(ledger)
    with pytest.raises(LedgerError):
        prepare(ledger)
    with pytest.raises(LedgerError):
        ledger.release(PermitId(1), ROUND, 1, b"\5" * 32, 6, 101.0)
    ledger.release(PermitId(1), ROUND, 1, b"\3" * 32, 6, 101.0)
    with pytest.raises(LedgerError):
        ledger.release(PermitId(1), ROUND, 1, b"\3" * 32, 6, 101.0)
    assert ledger.entries()[0].result_hash == b"\3" * 32


def test_a_result_is_kept_for_the_request_that_it_answers_until_the_next_one(ledger):
    admit(ledger)
    assert ledger.prepared(PermitId(1), ROUND, 1, ASKED) is None
    prepare(ledger)
    kept = ledger.prepared(PermitId(1), ROUND, 1, ASKED)
    assert kept == Prepared(b"\3" * 32, "request", b"reply", is_released=False)
    assert ledger.prepared(PermitId(1), ROUND, 1, b"\5" * 32) is None
    ledger.release(PermitId(1), ROUND, 1, b"\3" * 32, 6, 101.0)
    assert ledger.prepared(PermitId(1), ROUND, 1, ASKED).is_released
    admit(ledger, n=2, message_id="m2")
    prepare(ledger, n=2)
    assert ledger.prepared(PermitId(1), ROUND, 1, ASKED) is None
    assert ledger.entries()[0].result_hash == b"\3" * 32


def test_a_result_that_has_not_left_stays_when_the_next_one_comes(ledger):
    admit(ledger)
    prepare(ledger)
    admit(ledger, n=2, message_id="m2")
    prepare(ledger, n=2)
    assert ledger.prepared(PermitId(1), ROUND, 1, ASKED).reply == b"reply"


def test_a_round_whose_result_was_prepared_is_never_computed_again(tmp_path):
    first = Ledger(tmp_path / "ledger", "consortium", DATASET)
    admit(first)
    prepare(first)
    first.close()
    forget_results(tmp_path / "ledger")
    second = Ledger(tmp_path / "ledger", "consortium", DATASET)
    assert second.refuses(PermitId(1), ROUND, 1, "m2", ASKED)
    assert not admit(second, message_id="m2")


def test_the_files_are_closed_to_others(ledger, tmp_path):
    admit(ledger)
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.iterdir())
    ledger.close()
    (tmp_path / "ledger").chmod(0o644)
    with pytest.raises(LedgerError, match="chmod 600"):
        Ledger(tmp_path / "ledger", "consortium", DATASET)


def test_a_round_that_a_process_did_not_end_is_taken_up_again_three_times_in_all(tmp_path):
    for attempt, expected in enumerate([True, True, True, False]):
        ledger = Ledger(tmp_path / "ledger", "consortium", DATASET)
        assert attempt == 0 or not admit(ledger, message_id="other", asked=b"\5" * 32), "another request for it"
        assert ledger.refuses(PermitId(1), ROUND, 1, f"m{attempt}", ASKED) is not expected
        assert admit(ledger, message_id=f"m{attempt}") is expected
        assert not admit(ledger, message_id="again"), "the process that has it is at it"
        ledger.close()
    assert len(Ledger(tmp_path / "ledger", "consortium", DATASET).entries()) == 1


def test_a_query_that_a_process_did_not_end_is_not_taken_up_again(tmp_path):
    first = Ledger(tmp_path / "ledger", "consortium", DATASET)
    assert admit(first, kind=UseKind.QUERY)
    first.close()
    second = Ledger(tmp_path / "ledger", "consortium", DATASET)
    assert not admit(second, kind=UseKind.QUERY, message_id="other")
    second.close()


def test_what_was_prepared_survives_a_restart_and_is_not_computed_again(tmp_path):
    first = Ledger(tmp_path / "ledger", "consortium", DATASET)
    admit(first)
    prepare(first)
    first.close()
    second = Ledger(tmp_path / "ledger", "consortium", DATASET)
    assert not admit(second, message_id="other")
    assert second.prepared(PermitId(1), ROUND, 1, ASKED).reply == b"reply"
    second.release(PermitId(1), ROUND, 1, b"\3" * 32, 6, 101.0)
    second.close()


def test_a_process_that_lost_its_round_to_another_prepares_nothing(tmp_path):
    first, second = (Ledger(tmp_path / "ledger", "consortium", DATASET) for _ in range(2))
    assert admit(first)
    assert admit(second, message_id="other")
    with pytest.raises(LedgerError):
        prepare(first)
    prepare(second)
    first.close()
    second.close()


def test_what_is_forgotten_is_in_no_byte_of_the_files(tmp_path):
    ledger = Ledger(tmp_path / "ledger", "consortium", DATASET)
    admit(ledger)
    prepare(ledger, reply=b"sums over somebody's rows" * 500)
    root = ledger.root(PermitId(1))
    ledger.close()
    forget_results(tmp_path / "ledger")
    for path in tmp_path.iterdir():
        assert b"somebody's rows" not in path.read_bytes() and root not in path.read_bytes()
    again = Ledger(tmp_path / "ledger", "consortium", DATASET)
    assert again.prepared(PermitId(1), ROUND, 1, ASKED) is None
    assert len(again.entries()) == 1
    again.close()
    forget_results(tmp_path / "no ledger")


def test_a_ledger_of_an_earlier_release_is_refused(tmp_path):
    with sqlite3.connect(tmp_path / "ledger") as db:
        db.execute("CREATE TABLE uses (permit_id INTEGER)")
    (tmp_path / "ledger").chmod(0o600)
    with pytest.raises(LedgerError, match="another release"):
        Ledger(tmp_path / "ledger", "consortium", DATASET)


def test_the_highest_head_never_goes_down(ledger):
    for head, expected in ((5, 5), (9, 9), (7, 9)):
        admit(ledger, n=head, message_id=str(head), head=head)
        assert ledger.highest_head == expected


def test_entries_and_head_survive_a_restart(tmp_path):
    first = Ledger(tmp_path / "ledger", "consortium", DATASET)
    admit(first, head=8)
    first.close()
    second = Ledger(tmp_path / "ledger", "consortium", DATASET)
    assert not admit(second, asked=b"\5" * 32) and second.highest_head == 8
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
        return admit(handles[i % 2], message_id=f"m{i}", asked=bytes([i]) * 32)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(8))) == 1
    for handle in handles:
        handle.close()


KILLED = """
import os, signal, sys
from pathlib import Path
from belmont.federated.gate.ledger import Ledger, Prepared, forget_results
from belmont.registry.simulated import SimulatedRegistry
from belmont.registry.types import DatasetId, PermitId, UseKind
ledger = Ledger(Path(sys.argv[1]), "consortium", DatasetId(b"\\1" * 32))
n = 0
while True:
    n += 1
    assert ledger.admit(PermitId(1), UseKind.ROUND, n, f"m{n}", b"\\2" * 32, n, 0.0, b"\\4" * 32)
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
    assert not any(admit(ledger, n=n, message_id=f"again {n}", asked=bytes(32)) for n in range(1, last + 1))
    ledger.close()


class LedgerModel(RuleBasedStateMachine):
    """The ledger against dictionaries and a number."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "ledger"
        self.ledger = Ledger(self.path, "consortium", DATASET)
        self.process, self.head = 0, 0
        self.uses: dict = {}
        """By use: what was asked, the process that has it, attempts, whether prepared and released, its message."""

    @rule(
        permit=st.integers(1, 2),
        kind=st.sampled_from(UseKind),
        n=st.integers(1, 3),
        m=st.integers(0, 6),
        asked=st.integers(0, 1),
    )
    def admit(self, permit, kind, n, m, asked):
        use, head = (permit, kind, n), permit + n + m
        known = self.uses.get(use)
        taken = any(each["message"] == m for other, each in self.uses.items() if other != use)
        again = (
            known is not None
            and kind is ROUND
            and known["asked"] == asked
            and known["process"] != self.process
            and known["attempts"] < 3
            and not known["prepared"]
        )
        expected = (known is None or again) and not taken
        hashed = bytes([asked]) * 32
        assert self.ledger.refuses(PermitId(permit), kind, n, str(m), hashed) is not expected
        assert self.ledger.admit(PermitId(permit), kind, n, str(m), bytes(32), head, 0.0, hashed) is expected
        if expected:
            attempts = known["attempts"] + 1 if known else 1
            self.uses[use] = {
                "asked": asked,
                "process": self.process,
                "attempts": attempts,
                "prepared": False,
                "released": False,
                "message": m,
            }
            self.head = max(self.head, head)

    @rule(permit=st.integers(1, 2), kind=st.sampled_from(UseKind), n=st.integers(1, 3))
    def prepare(self, permit, kind, n):
        known = self.uses.get((permit, kind, n))
        expected = known is not None and known["process"] == self.process and not known["prepared"]
        try:
            self.ledger.prepare(PermitId(permit), kind, n, bytes(32), "request", b"reply")
        except LedgerError:
            assert not expected
        else:
            assert expected
            known["prepared"] = True
            known["kept"] = True
            for use, each in self.uses.items():
                if use[:2] == (permit, kind) and use[2] != n and each["released"]:
                    each["kept"] = False  # what has not left stays

    @rule(permit=st.integers(1, 2), kind=st.sampled_from(UseKind), n=st.integers(1, 3), head=st.integers(0, 20))
    def release(self, permit, kind, n, head):
        known = self.uses.get((permit, kind, n))
        try:
            self.ledger.release(PermitId(permit), kind, n, bytes(32), head, 1.0)
        except LedgerError:
            assert known is None or not known["prepared"] or known["released"]
        else:
            assert known["prepared"] and not known["released"]
            known["released"] = True
            self.head = max(self.head, head)

    @rule()
    def restart(self):
        self.ledger.close()
        self.ledger = Ledger(self.path, "consortium", DATASET)
        self.process += 1

    @invariant()
    def holds_what_the_model_holds(self):
        assert {(e.permit_id, e.kind, e.n) for e in self.ledger.entries()} == set(self.uses)
        assert self.ledger.highest_head == self.head
        for (permit, kind, n), each in self.uses.items():
            kept = self.ledger.prepared(PermitId(permit), kind, n, bytes([each["asked"]]) * 32)
            assert (kept is not None) is each.get("kept", False)
            assert kept is None or kept.is_released is each["released"]

    def teardown(self):
        self.ledger.close()
        self.folder.cleanup()


LedgerModel.TestCase.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
TestLedgerModel = LedgerModel.TestCase


def durability(ledger):
    return ledger._db.execute("PRAGMA synchronous").fetchone()[0]


OFF, FULL = 0, 2


def test_an_entry_is_on_disk_before_anything_is_computed_unless_the_ledger_is_told_to_be_short_lived(tmp_path):
    paths = (tmp_path / name for name in ("usual", "short-lived"))
    for path, given, expected in zip(paths, ({}, {"is_lasting": False}), (FULL, OFF), strict=True):
        ledger = Ledger(path, "eip155:1:0xA", DATASET, **given)
        assert durability(ledger) == expected
        ledger.close()


def test_only_a_registry_in_this_process_memory_makes_a_nodes_ledger_short_lived(study):
    expected = OFF if isinstance(study.registry, SimulatedRegistry) else FULL
    assert {durability(node.ledger) for node in study.nodes} == {expected}
