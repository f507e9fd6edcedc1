"""The warm process: what it has, what it leaves behind, and what becomes of it and its tasks when somebody dies."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import belmont
from belmont.federated.errors import NodeFault, NotIsolated
from belmont.federated.executor.isolated import IsolatedRunner
from belmont.federated.executor.limits import Limits
from belmont.federated.executor.probe import Property
from belmont.federated.executor.protocol import Answer

from .conftest import ALLOWED, LIMITS

only_root_sees_it = pytest.mark.skipif(os.geteuid() != 0, reason="the warm process shows nothing of itself in /proc")


@pytest.fixture
def runner():
    try:
        runner = IsolatedRunner(LIMITS, allow_weaker=ALLOWED)
    except NotIsolated as error:
        pytest.skip(str(error))
    yield runner
    runner.close()


def gone(pid, seconds=10.0):
    """Whether a process ends in time."""
    for _ in range(int(seconds / 0.02)):
        try:
            if "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def below(pid):
    """A process's children; none of one that has ended, as what the probe ran may have at any moment."""
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def task_of(warm):
    """The process that runs a task, seen from outside, once it is there."""
    for _ in range(500):
        for keeper in below(warm):
            for task in below(keeper):
                return task
        time.sleep(0.01)
    raise AssertionError("no task came")


def served(runner, study):
    outcome = runner.run(study("return answer(message, got=1)"))
    return isinstance(outcome, Answer) and outcome.metrics == {"got": 1}


@only_root_sees_it
def test_it_has_nothing_of_the_nodes_but_one_socket(runner):
    warm = Path(f"/proc/{runner._warm.pid}")
    names = {each.split(b"=")[0] for each in (warm / "environ").read_bytes().split(b"\0") if each}
    assert names == {
        b"HOME",
        b"TMPDIR",
        b"FLWR_HOME",
        b"LANG",
        b"FLWR_TELEMETRY_ENABLED",
        b"FLWR_DISABLE_UPDATE_CHECK",
        b"OPENBLAS_NUM_THREADS",
        b"OMP_NUM_THREADS",
        b"MKL_NUM_THREADS",
    }
    targets = [str(each.readlink()) for each in (warm / "fd").iterdir()]
    assert len(targets) == 4 and sum(each.startswith("socket:") for each in targets) == 1
    assert targets.count("/dev/null") == 3
    assert len(list((warm / "task").iterdir())) == 1
    assert str((warm / "root").readlink()) == "/"
    assert not Path(f"/proc/{runner._warm.pid}/root{Path(__file__).parent}").exists()


def test_a_task_has_nothing_but_its_pipe_and_its_parcel(runner, study):
    outcome = runner.run(
        study("""
        held = []
        for number in range(256):
            with contextlib.suppress(OSError):
                os.fstat(number)
                held.append(float(number))
        return answer(message, {"held": np.array(held)})
    """)
    )
    # 0, 1 and 2 lead nowhere; 3 is the pipe, 4 the parcel, and 5 the parcel again, where it is mapped
    assert outcome.arrays["held"].tolist() == [0, 1, 2, 3, 4, 5]


def test_a_task_cannot_change_its_rows_for_whoever_has_the_same_memory(runner, study):
    outcome = runner.run(
        study("""
        tried = 0
        for attempt in (lambda: os.pwrite(4, b"x", 0), lambda: os.ftruncate(4, 0), lambda: os.ftruncate(4, 1 << 20),
                        lambda: __import__("mmap").mmap(4, 0)):
            try:
                attempt()
            except OSError:
                tried += 1
        return answer(message, refused=tried)
    """)
    )
    assert outcome.metrics == {"refused": 4}


def test_what_a_task_sees_of_the_file_system(runner, study):
    outcome = runner.run(
        study(
            """
        roots = set(os.listdir("/"))
        assert roots <= {"dev", "etc", "lib", "lib64", "opt", "root", "task-home", "tmp", "usr", "home", "srv", "var",
                         *config["packages"].split(",")}, roots
        assert os.listdir("/dev") and set(os.listdir("/dev")) <= {"null", "zero", "urandom"}
        assert set(os.listdir("/etc")) <= {"ld.so.cache"}
        assert not set(os.listdir("/usr")) - {"lib", "lib64", "share", "local"}
        assert os.listdir(Path.home()) == [] and Path.cwd() == Path.home() == Path(tempfile.gettempdir())
        assert os.getpid() == 1 and os.getppid() == 0 and socket.gethostname() == "task"
        assert os.getgroups() == [] and os.getuid() == os.geteuid() == os.getgid() != 0
        import json, sqlite3, decimal, zoneinfo, flwr.common  # not loaded before: still found
        return answer(message, got=1)
    """,
            {"packages": ",".join({Path(each).parts[1] for each in runner._view.folders})},
        )
    )
    assert isinstance(outcome, Answer), outcome


@only_root_sees_it
def test_a_home_is_gone_with_its_task_and_nothing_is_on_a_disk(runner, study):
    before = {str(each) for each in Path("/tmp").iterdir()}  # noqa: S108
    mounts = Path("/proc/self/mountinfo").read_text()
    runner.run(study("Path('belmont-row').write_bytes(b'row' * 1000)\nreturn answer(message, got=1)"))
    runner.run(study("Path('belmont-row').write_bytes(b'row' * 1000)\nos._exit(1)"))
    assert not {each for each in Path("/tmp").iterdir() if "row" in each.name and str(each) not in before}  # noqa: S108
    assert Path("/proc/self/mountinfo").read_text() == mounts
    warm = Path(f"/proc/{runner._warm.pid}")
    assert not list((warm / "root/task-home").iterdir())
    assert "/task-home" not in (warm / "mountinfo").read_text()


def test_a_dead_warm_process_is_replaced_and_probed_again(runner, study):
    first = runner._warm.pid
    os.kill(first, signal.SIGKILL)
    assert gone(first)
    for _ in range(500):
        if not runner._warm.alive:
            break
        time.sleep(0.01)
    runner.isolation = None
    assert served(runner, study)
    assert runner._warm.pid != first and Property.NETWORK in runner.isolation.held


def test_a_task_that_a_dying_warm_process_takes_along_is_a_fault_of_the_node(runner, study):
    caught = []

    def run():
        try:
            runner.run(study("time.sleep(600)"))
        except NodeFault as error:
            caught.append(error)

    running = threading.Thread(target=run)
    running.start()
    task = task_of(runner._warm.pid)
    os.kill(runner._warm.pid, signal.SIGKILL)
    running.join(timeout=10)
    assert not running.is_alive() and len(caught) == 1 and "ended under a task" in str(caught[0])
    assert gone(task)
    assert served(runner, study)


def test_a_warm_process_survives_the_thread_that_asked_for_it(study):
    made = []
    thread = threading.Thread(target=lambda: made.append(IsolatedRunner(LIMITS, allow_weaker=ALLOWED)))
    thread.start()
    thread.join()
    if not made:
        pytest.skip("this machine cannot isolate")
    time.sleep(0.2)
    try:
        assert made[0]._warm.alive and served(made[0], study)
    finally:
        made[0].close()


NODE = """
import sys, threading
from pathlib import Path
from belmont.federated.executor.isolated import IsolatedRunner
from belmont.federated.executor.parcel import ArrayTable
from belmont.federated.executor.protocol import Task
from belmont.federated.hashes import code_hash
bundle = Path(sys.argv[1]).read_bytes()
runner = IsolatedRunner(allow_weaker=['other-user'])
print(runner._warm.pid, flush=True)
runner.run(Task(bundle, code_hash(bundle), {}, {}, 1, 1, 1, ArrayTable(0, {}, {}), 1, 1))
"""


def test_warm_process_keeper_and_task_die_with_the_node(runner, study, tmp_path):
    bundle = tmp_path / "sleeper.fab"
    bundle.write_bytes(study("signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\ntime.sleep(600)").bundle)
    path = ":".join(str(Path(each).parent) for each in belmont.__path__)
    with subprocess.Popen(
        [sys.executable, "-c", NODE, str(bundle)], env={"PYTHONPATH": path}, stdout=subprocess.PIPE, text=True
    ) as node:
        warm = int(node.stdout.readline())
        task = task_of(warm)
        (keeper,) = below(warm)
        node.kill()
    assert gone(warm) and gone(keeper) and gone(task)


def test_after_close_nothing_is_left_and_nothing_runs(study):
    try:
        runner = IsolatedRunner(LIMITS, allow_weaker=ALLOWED)
    except NotIsolated as error:
        pytest.skip(str(error))
    warm = runner._warm.pid
    runner.close()
    assert gone(warm, 1)
    with pytest.raises(NodeFault, match="closed"):
        runner.run(study("return answer(message, got=1)"))
    runner.close()


def test_a_task_may_import_from_folders_that_the_hospital_names(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("packages")
    folder.chmod(0o755)
    (folder / "hospital_extra.py").write_text("VALUE = 42")
    try:
        runner = IsolatedRunner(LIMITS, packages=[folder], allow_weaker=ALLOWED)
    except NotIsolated as error:
        pytest.skip(str(error))
    try:
        outcome = runner.run(study("import hospital_extra\nreturn answer(message, got=hospital_extra.VALUE)"))
        assert isinstance(outcome, Answer) and outcome.metrics == {"got": 42}
    finally:
        runner.close()


def test_the_whole_file_system_is_no_folder_of_packages():
    with pytest.raises(NotIsolated, match="too much of the file system"):
        IsolatedRunner(LIMITS, packages=[Path("/")])


def test_what_cannot_be_done_without_cannot_be_allowed_away():
    with pytest.raises(NotIsolated, match="can be done without"):
        IsolatedRunner(LIMITS, allow_weaker=[Property.NETWORK])
    with pytest.raises(ValueError, match="firewall"):
        IsolatedRunner(LIMITS, allow_weaker=["firewall"])  # type: ignore[list-item]


@pytest.mark.parametrize("limit", ["wall_seconds", "cpu_seconds", "memory_bytes", "threads"])
@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan")])
def test_a_limit_is_positive(limit, value):
    with pytest.raises(NodeFault, match=limit):
        Limits(**{limit: value})


def test_a_hospitals_folder_that_tasks_would_see_is_noticed():
    """Named as hidden, and yet among what tasks need."""
    with pytest.raises(NotIsolated, match="files"):
        IsolatedRunner(LIMITS, hidden=[Path(belmont.__path__[0])])
