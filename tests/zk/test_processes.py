"""Workers compute what one process computes, and end with it whatever happens."""

import operator
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from belmont.zk import processes
from belmont.zk.commitment import commit_table
from belmont.zk.curve import GENERATOR, multiply, multiply_sum, parse_compressed
from belmont.zk.errors import ProofMalformed, ProofRefused, WorkerLost
from belmont.zk.processes import ProcessChunks, spread
from belmont.zk.prover import LocalChunks
from belmont.zk.validity import prove_part
from belmont.zk.verifiers import native

BOTH = pytest.mark.parametrize("fork", [True, False], ids=["forked", "fresh"])
SCRIPT = """
import signal, sys, time
from belmont.zk.processes import ProcessChunks
signal.signal(signal.SIGINT, signal.default_int_handler)
chunks = ProcessChunks([60, 60, 60], 2, lambda done: None, sys.argv[1] == "fork")
chunks.each(str, ())
print(*(worker.pid for worker in chunks._workers), flush=True)
chunks.each(time.sleep, ())
"""


def silent(done):
    """Nobody listens."""


def refuse(each, step):
    raise ProofRefused(step, str(each))


def test_a_proof_by_two_workers_is_accepted_and_says_how_far_it_is(long_table, statement_of):
    heard = []
    proof = prove_part(long_table, statement_of(long_table), heard.append, processes=2)
    native.verify(proof)
    assert heard == [1, 2, 3] * (len(heard) // 3) and heard


def test_a_proof_beside_other_threads_is_made_by_fresh_interpreters(long_table, statement_of, monkeypatch):
    started = []
    monkeypatch.setattr(processes, "START_SECONDS", 0.0)
    monkeypatch.setattr(processes, "_Forked", lambda *_: pytest.fail("forked beside a thread"))
    monkeypatch.setattr(processes, "_Fresh", lambda *a, make=processes._Fresh: started.append(make(*a)) or started[-1])
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        native.verify(prove_part(long_table, statement_of(long_table), processes=2))
    finally:
        stop.set()
        thread.join()
    assert len(started) == 2
    assert all(gone(worker.pid) for worker in started)


@pytest.mark.parametrize(("count", "seconds", "here"), [(2, 1.0, True), (8, 0.2, True), (8, 1.0, False)])
def test_interpreters_are_started_only_where_that_saves_time(monkeypatch, count, seconds, here):
    started = SimpleNamespace(close=lambda: None)
    monkeypatch.setattr(processes, "_may_fork", lambda: False)
    monkeypatch.setattr(processes, "ProcessChunks", lambda *_: started)
    with spread([0] * count, 2, silent, seconds) as chunks:
        assert isinstance(chunks, LocalChunks) is here
        assert (chunks is started) is not here


def test_commitments_by_workers_are_the_same(small_layout, rows_of, long_table):
    heard = []
    table = commit_table(
        small_layout,
        *rows_of(small_layout, long_table.rows),
        seed=long_table.seed,
        tell=lambda done, of: heard.append((done, of)),
        processes=8,
    )
    assert table.root == long_table.root
    assert heard == [(12, 36), (24, 36), (36, 36)]


@BOTH
def test_results_come_in_the_chunks_order(fork):
    chunks = ProcessChunks([1, 2, 3, 4, 5], 2, silent, fork)
    try:
        assert chunks.count == 5
        assert chunks.each(operator.add, (10,)) == [11, 12, 13, 14, 15]
        assert chunks.each(operator.sub, [(k,) for k in range(5)]) == [1] * 5
    finally:
        chunks.close()


@BOTH
def test_points_go_and_come_back_infinity_too(fork):
    chunks = ProcessChunks([[multiply(GENERATOR, k)] for k in range(3)], 2, silent, fork)
    try:
        assert chunks.each(multiply_sum, ([5],)) == [multiply(GENERATOR, 5 * k) for k in range(3)]
    finally:
        chunks.close()


@BOTH
def test_an_exception_arrives_as_it_is_and_the_workers_go_on(fork):
    chunks = ProcessChunks([b"", b"short", bytes(48)], 2, silent, fork)
    try:
        with pytest.raises(ProofMalformed, match="48 bytes"):
            chunks.each(parse_compressed, ())
        assert chunks.each(len, ()) == [0, 5, 48]
    finally:
        chunks.close()


def test_an_exception_that_does_not_travel_is_told_in_words():
    chunks = ProcessChunks([1, 2], 2, silent, fork=True)  # a fresh interpreter does not find this module's functions
    try:
        with pytest.raises(WorkerLost, match="ProofRefused: V8: 1"):
            chunks.each(refuse, ("V8",))
    finally:
        chunks.close()


def test_one_chunk_or_one_process_stays_here():
    for held, count in (([1], 4), ([1, 2], 1), ([], 2)):
        with spread(held, count) as chunks:
            assert isinstance(chunks, LocalChunks)


@BOTH
def test_a_worker_that_dies_is_noticed_at_once(fork):
    chunks = ProcessChunks([30, 30], 2, silent, fork)
    chunks.each(str, ())
    killer = threading.Timer(0.3, os.kill, (chunks._workers[1].pid, signal.SIGKILL))
    killer.start()
    started = time.monotonic()
    with pytest.raises(WorkerLost):
        chunks.each(time.sleep, ())
    assert time.monotonic() - started < 15
    with pytest.raises(WorkerLost):
        chunks.each(str, ())
    chunks.close()


def test_leaving_the_block_ends_workers_whatever_they_do():
    def interrupt(done):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), spread([0, 60], 2, interrupt, seconds=60) as chunks:
        pids = [worker.pid for worker in chunks._workers]
        chunks.each(time.sleep, ())
    assert all(gone(pid) for pid in pids)


@pytest.mark.parametrize(
    ("fork", "how"),
    [(True, signal.SIGKILL), (True, signal.SIGINT), (False, signal.SIGKILL), (False, signal.SIGINT)],
    ids=["forked-killed", "forked-interrupted", "fresh-killed", "fresh-interrupted"],
)
def test_workers_end_with_their_parent(fork, how):
    parent = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, "fork" if fork else "fresh"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    pids = [int(word) for word in parent.stdout.readline().split()]
    assert len(pids) == 2
    if how == signal.SIGINT:  # as a terminal does: to all of them
        os.killpg(parent.pid, how)
    else:
        parent.send_signal(how)
    _, told = parent.communicate(timeout=30)
    assert parent.returncode != 0
    assert told.count("Traceback") == (how == signal.SIGINT)
    until = time.monotonic() + 15
    while not all(gone(pid) for pid in pids) and time.monotonic() < until:
        time.sleep(0.05)
    assert all(gone(pid) for pid in pids)


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
