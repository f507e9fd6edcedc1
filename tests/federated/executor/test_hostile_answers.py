"""A task's process says and does what it likes: nothing but one well-formed answer in time is ever used."""

import os
import struct
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from belmont.federated.errors import FederatedError
from belmont.federated.executor import answer as wire
from belmont.federated.executor.isolated import IsolatedRunner
from belmont.federated.executor.protocol import Answer, Failed, Stopped, TooSmall

from .conftest import ALLOWED, LIMITS

RIGHT = b"".join(wire.write_outcome(Answer({"w": np.arange(3.0)}, {"n": 3, "loss": 0.5})))
BODY = RIGHT[wire.HEAD.size :]


def answers_like_nothing_happened(isolated, study):
    """Whatever one task did, the next one is served."""
    outcome = isolated.run(study("return answer(message, got=1)"))
    return isinstance(outcome, Answer) and outcome.metrics == {"got": 1}


@pytest.fixture
def said(isolated, study):
    """What becomes of bytes that the task writes into its pipe itself, before it ends."""

    def run(body, **config):
        outcome = isolated.run(
            study(f"right = bytes.fromhex(config['right'])\n{body}\nos._exit(0)", {"right": RIGHT.hex()} | config)
        )
        assert answers_like_nothing_happened(isolated, study)
        return outcome

    return run


def test_one_right_answer_that_the_code_writes_itself_is_an_answer(said):
    outcome = said("os.write(3, right)")
    assert isinstance(outcome, Answer) and outcome.metrics == {"n": 3, "loss": 0.5}


@pytest.mark.parametrize(
    "body",
    [
        "pass",
        "os.close(3)",
        "os.write(3, right[:-1])",
        "os.write(3, right[:5])",
        "os.write(3, right * 2)",
        "os.write(3, right + b'x')",
        "os.write(3, b'x' * 1000)",
        "os.write(3, right[:1] + bytes(8))",
        "os.write(3, bytes([9]) + right[1:])",
        "os.write(3, right)\nreturn answer(message, got=1)",
        "import pickle\nos.write(3, pickle.dumps([1]))",
        "os.kill(os.getpid(), signal.SIGSEGV)\nctypes.string_at(0)",
        "os.abort()",
    ],
)
def test_an_answer_that_is_missing_half_double_or_malformed_is_a_failure(said, body):
    assert isinstance(said(body), Failed)


@pytest.mark.parametrize(
    "body",
    [
        f"os.write(3, struct.pack('>BQ', 1, {wire.MAX_ANSWER_BYTES + 1}))",
        "os.write(3, struct.pack('>BQ', 1, 2**64 - 1))\nwhile True: os.write(3, bytes(1 << 16))",
    ],
    ids=["larger than allowed", "endless"],
)
def test_an_answer_larger_than_a_model_may_be_stops_the_task(said, body):
    assert isinstance(said(body), Stopped)


@pytest.fixture
def hasty():
    """A runner with very little time."""
    try:
        runner = IsolatedRunner(type(LIMITS)(**(vars(LIMITS) | {"wall_seconds": 3.0})), allow_weaker=ALLOWED)
    except FederatedError as error:
        pytest.skip(str(error))
    yield runner
    runner.close()


@pytest.mark.parametrize(
    "body",
    [
        "time.sleep(600)",
        "os.write(3, right[:20])\ntime.sleep(600)",
        "os.write(3, right)\ntime.sleep(600)",
        "for byte in right:\n    os.write(3, bytes([byte]))\n    time.sleep(0.2)",
        "time.sleep(3.5)\nos.write(3, right)",
        "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\ntime.sleep(600)",
        "os.kill(os.getpid(), signal.SIGSTOP)\nos.kill(0, signal.SIGSTOP)\ntime.sleep(600)",
        "threading.Thread(target=time.sleep, args=(600,)).start()\nreturn answer(message, {}, got=time.sleep(600))",
    ],
    ids=["silent", "half", "right but never ending", "byte by byte", "late", "deaf", "stopping itself", "threads"],
)
def test_a_task_that_is_not_done_in_time_is_ended_and_nothing_of_it_is_used(hasty, study, body):
    started = time.monotonic()
    outcome = hasty.run(study(f"right = bytes.fromhex(config['right'])\n{body}\nos._exit(0)", {"right": RIGHT.hex()}))
    assert isinstance(outcome, Stopped), outcome
    assert time.monotonic() - started < 30
    assert answers_like_nothing_happened(hasty, study)


def test_a_task_with_threads_that_outlive_its_answer_is_ended_with_it(isolated, study):
    outcome = isolated.run(
        study("threading.Thread(target=time.sleep, args=(600,)).start()\nreturn answer(message, got=1)")
    )
    assert isinstance(outcome, Answer)


def test_a_task_that_takes_more_processor_time_than_it_may_is_stopped(study):
    try:
        runner = IsolatedRunner(type(LIMITS)(**(vars(LIMITS) | {"cpu_seconds": 1})), allow_weaker=ALLOWED)
    except FederatedError as error:
        pytest.skip(str(error))
    try:
        outcome = runner.run(study("while True: pass"))
        assert isinstance(outcome, Stopped) and "signal 9" in outcome.limit
    finally:
        runner.close()


@pytest.mark.parametrize(
    "body",
    [
        "held = []\nwhile True: held.append(bytearray(1 << 24))",
        "np.ones(1 << 30)",
        "import mmap\nheld = [mmap.mmap(-1, 1 << 26) for _ in range(100)]",
        "while True: os.fork()",
        "os.fork()",
        "held = [threading.Thread(target=time.sleep, args=(60,)) for _ in range(100)]\nfor each in held: each.start()",
        "while True: Path(tempfile.mkstemp()[1]).write_bytes(bytes(1 << 20))",
        "Path('big').write_bytes(bytes(LIMIT + 1))".replace("LIMIT", str(LIMITS.home_bytes)),
        "for n in range(10**6): Path(str(n)).touch()",
        "held = [open('/dev/null') for _ in range(100)]",
        "os.memfd_create('x')",
        "import ctypes\nassert ctypes.CDLL(None).shmget(0, 1 << 20, 0o1600) >= 0",
    ],
    ids=[
        "memory",
        "one array",
        "maps",
        "fork bomb",
        "fork",
        "threads",
        "disk",
        "file",
        "inodes",
        "descriptors",
        "memory files",
        "shared memory",
    ],
)
def test_taking_more_than_there_is_harms_nobody_else(isolated, study, body):
    outcome = isolated.run(study(body))
    assert isinstance(outcome, Failed | Stopped), outcome
    assert answers_like_nothing_happened(isolated, study)


def test_a_place_that_does_not_look_like_one_does_not_reach_the_hospitals_log():
    for place in (b"patient 17 has it", b"KeyError < a.py:1\nERROR forged line", b"\x1b[2J", b"x" * 3000, "ä".encode()):
        with_place = wire.read_outcome(3, place) if len(place) <= 2000 else None
        assert with_place is None or place.decode("utf-8", "replace") not in with_place.place
    assert wire.read_outcome(3, b"KeyError < <bundle>/a/b.py:12 < /x/y-z.py:3") == Failed(
        "KeyError < <bundle>/a/b.py:12 < /x/y-z.py:3"
    )


def test_what_is_written_is_what_is_read():
    outcome = wire.read_outcome(1, BODY)
    assert isinstance(outcome, Answer) and np.array_equal(outcome.arrays["w"], np.arange(3.0))
    assert wire.read_outcome(2, b"") == TooSmall()


def test_where_noise_is_added_metrics_are_left_out_also_of_a_process_that_sends_them():
    plain, noisy = wire.read_outcome(1, BODY), wire.read_outcome(1, BODY, noisy=True)
    assert isinstance(plain, Answer) and isinstance(noisy, Answer)
    assert plain.metrics and noisy.metrics == {} and np.array_equal(noisy.arrays["w"], plain.arrays["w"])


@pytest.mark.parametrize("kind", [0, 2, 4, 255])
def test_no_other_kind_of_frame_is_read(kind):
    with pytest.raises(wire.MalformedAnswer):
        wire.read_outcome(kind, BODY)


def test_no_beginning_of_an_answer_is_one():
    for cut in range(len(BODY)):
        with pytest.raises(FederatedError):
            wire.read_outcome(1, BODY[:cut])


@given(place=st.integers(0, len(BODY) - 1), value=st.integers(0, 255))
@settings(max_examples=250, deadline=None)
def test_a_changed_byte_is_refused_or_gives_another_well_formed_answer(place, value):
    changed = BODY[:place] + bytes([value]) + BODY[place + 1 :]
    try:
        outcome = wire.read_outcome(1, changed)
    except FederatedError:
        return
    assert isinstance(outcome, Answer)
    assert all(np.isfinite(array).all() for array in outcome.arrays.values())
    assert all(np.isfinite(value) for value in outcome.metrics.values())


@given(st.binary(max_size=300), st.integers(0, 255))
@settings(max_examples=250, deadline=None)
def test_any_bytes_are_refused_or_read_and_nothing_else(body, kind):
    try:
        outcome = wire.read_outcome(kind, body)
    except FederatedError:
        return
    assert isinstance(outcome, Answer | TooSmall | Failed)


@pytest.mark.parametrize("count", [1, 2**16 - 1])
def test_a_count_is_not_believed(count):
    with pytest.raises(FederatedError):
        wire.read_outcome(1, struct.pack(">H", count) + os.urandom(50))


def test_one_name_twice_is_refused():
    one = BODY[2:]
    array = one[: one.index(b"\x02")]
    with pytest.raises(wire.MalformedAnswer):
        wire.read_outcome(1, struct.pack(">H", 2) + array + array)
