"""What a hostile study can do in the node's own process, and cannot in a process of its own.

Each attack reports ``got``. It has to work in process, or it would show nothing where it fails.
"""

import contextlib
import os
import socket
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from belmont.federated.executor import compute
from belmont.federated.executor.protocol import Answer, Failed
from belmont.federated.node import data

SECRET = "the hospital's signing key"


def got(runner, task):
    """What the attack reports; an attack that raises got nothing."""
    outcome = runner.run(task)
    if isinstance(outcome, Failed):
        return 0
    assert isinstance(outcome, Answer), outcome
    return int(outcome.metrics["got"])


def works_only_in_process(task, in_process, isolated):
    assert got(in_process, task) == 1, "the attack does not work where nothing stops it"
    assert got(isolated, task) == 0
    return True


@pytest.fixture
def attack(study, in_process, isolated):
    return lambda body, **config: works_only_in_process(study(body, config), in_process, isolated)


def test_reading_a_file_of_the_hospital(attack, tmp_path):
    key = tmp_path / "key"
    key.write_text(SECRET)
    key.chmod(0o644)
    assert attack("return answer(message, got=int('key' in Path(config['path']).read_text()))", path=str(key))


def test_listing_the_hospitals_folders(attack, tmp_path):
    (tmp_path / "ledger.sqlite").touch()
    assert attack("return answer(message, got=len(os.listdir(config['path'])) > 0 and 1)", path=str(tmp_path))


def test_reading_the_ledger_from_the_working_directory(attack, tmp_path, monkeypatch):
    (tmp_path / "ledger.sqlite").touch()
    monkeypatch.chdir(tmp_path)
    assert attack("return answer(message, got=int(os.path.exists('ledger.sqlite')))")


@pytest.mark.parametrize("family", ["tcp", "udp", "unix", "abstract"])
def test_sending_rows_through_a_socket(attack, tmp_path, family):
    kind = socket.SOCK_DGRAM if family == "udp" else socket.SOCK_STREAM
    address = {"unix": str(tmp_path / "s"), "abstract": f"\0belmont-test-{os.getpid()}"}.get(family, ("127.0.0.1", 0))
    with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET, kind) as listener:
        listener.bind(address)
        if kind == socket.SOCK_STREAM:
            listener.listen()
        port = listener.getsockname()[1] if family in ("tcp", "udp") else 0
        path = str(address).replace("\0", "@") if port == 0 else ""
        body = """
            path = config["path"].replace("@", chr(0))
            with socket.socket(socket.AF_UNIX if path else socket.AF_INET,
                               socket.SOCK_DGRAM if config["udp"] else socket.SOCK_STREAM) as sock:
                sock.settimeout(2)
                sock.connect(path or ("127.0.0.1", config["port"]))
                return answer(message, got=int(sock.send(b"rows") == 4))
        """
        assert attack(body, path=path, port=port, udp=family == "udp")


def test_reading_a_secret_of_the_environment(attack, monkeypatch):
    monkeypatch.setenv("HOSPITAL_KEY", SECRET)
    assert attack("return answer(message, got=int('HOSPITAL_KEY' in os.environ))")


def test_reading_the_environment_of_the_node_in_proc(attack):
    body = "return answer(message, got=int(len(Path(f'/proc/{config[\"pid\"]}/environ').read_bytes()) > 0))"
    assert attack(body, pid=os.getpid())


def test_reading_the_memory_of_the_node_in_proc(attack):
    body = """
        with open(f"/proc/{config['pid']}/mem", "rb") as memory:
            memory.seek(config["address"])
            return answer(message, got=int(memory.read(3) == b"key"))
    """
    held = np.frombuffer(b"key" * 8, np.uint8).copy()
    assert attack(body, pid=os.getpid(), address=held.ctypes.data)


def test_reading_the_memory_of_the_node_with_process_vm_readv(attack):
    body = """
        libc, out = ctypes.CDLL(None, use_errno=True), ctypes.create_string_buffer(3)
        local = (ctypes.c_void_p * 2)(ctypes.addressof(out), 3)
        remote = (ctypes.c_void_p * 2)(config["address"], 3)
        count = libc.process_vm_readv(config["pid"], local, 1, remote, 1, 0)
        return answer(message, got=int(count == 3 and out.raw == b"key"))
    """
    held = np.frombuffer(b"key" * 8, np.uint8).copy()
    assert attack(body, pid=os.getpid(), address=held.ctypes.data)


class Key:
    """What a node holds."""

    secret = SECRET


def test_finding_a_key_of_the_node_in_memory(attack):
    held = Key()
    assert attack("""
        found = [each for each in gc.get_objects() if type(each).__name__ == "Key" and hasattr(each, "secret")]
        return answer(message, got=int(bool(found)))
    """)
    assert held.secret


def test_finding_what_the_node_imported(attack, monkeypatch):
    assert attack("return answer(message, got=int('coincurve' in sys.modules or 'eth_account' in sys.modules))")


def test_signalling_the_node(attack):
    assert attack("os.kill(config['pid'], 0)\nreturn answer(message, got=1)", pid=os.getpid())


def test_learning_which_row_is_whose(attack):
    assert attack("""
        from belmont.federated.node import data
        (offer,) = data._offers.values()
        return answer(message, got=int(offer.table.pseudonyms[0] == 1))
    """)


def test_writing_where_others_read(attack, tmp_path):
    body = "Path(config['path'], 'mine').write_text('x')\nreturn answer(message, got=1)"
    assert attack(body, path=str(tmp_path))
    assert attack(body, path="/dev/shm")  # noqa: S108
    Path("/dev/shm/mine").unlink()  # noqa: S108


@pytest.mark.skipif(not os.access(compute.__file__, os.W_OK), reason="the packages are not this user's to change")
def test_changing_the_packages_that_every_task_imports(attack):
    assert attack("""
        import belmont.federated.table as table
        path = Path(table.__file__).parent / "belmont-attack"
        path.write_text("x")
        path.unlink()
        return answer(message, got=1)
    """)


def test_running_a_program(attack):
    assert attack("""
        import subprocess
        return answer(message, got=int(subprocess.run(["/bin/true"]).returncode == 0))
    """)
    assert attack("""
        import subprocess
        return answer(message, got=int(subprocess.run([sys.executable, "-c", ""]).returncode == 0))
    """)


def two_tasks(runner, study, first, second, **config):
    got(runner, study(first, config))
    return got(runner, study(second, config))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Path(config['path']).write_text('row')", "return answer(message, got=int(Path(config['path']).exists()))"),
        ("sys.belmont_attack = 'row'", "return answer(message, got=int(hasattr(sys, 'belmont_attack')))"),
        ("os.environ['ROW'] = '1'", "return answer(message, got=int('ROW' in os.environ))"),
        ("os.umask(0)", "return answer(message, got=int(os.umask(0) == 0))"),
        (
            "from belmont.federated.node import data\nreal = data.training_data\n"
            "def spying(*a, **k):\n    spying.seen = real(*a, **k)\n    return spying.seen\n"
            "data.training_data = spying",
            "from belmont.federated.node import data\n"
            "return answer(message, got=int(data.training_data.__name__ == 'spying'))",
        ),
        (
            "def later():\n    time.sleep(0.2)\n    sys.belmont_attack = 1\nthreading.Thread(target=later).start()",
            "time.sleep(0.5)\nreturn answer(message, got=int(hasattr(sys, 'belmont_attack')))",
        ),
    ],
    ids=["file", "module", "environment", "umask", "patched function", "thread that outlives its task"],
)
def test_leaving_something_behind_for_the_next_task(first, second, in_process, isolated, study, tmp_path, monkeypatch):
    monkeypatch.setattr(data, "training_data", data.training_data)
    monkeypatch.setattr(sys, "belmont_attack", None, raising=False)
    monkeypatch.delattr(sys, "belmont_attack")
    monkeypatch.setenv("ROW", "")
    monkeypatch.delenv("ROW")
    mask = os.umask(0o022)
    try:
        assert two_tasks(in_process, study, first, second, path=str(tmp_path / "left")) == 1
    finally:
        os.umask(mask)
        with contextlib.suppress(AttributeError):
            del sys.belmont_attack
        os.environ.pop("ROW", None)
    for path in ("/tmp/left", "/task-home/left", "left"):  # noqa: S108
        assert two_tasks(isolated, study, first, second, path=path) == 0


class Unconfined:
    """What two nodes of one machine do whose code shares its files: `InProcessRunner`, but several at a time."""

    def run(self, task):
        return compute.compute(task)


def test_reading_the_files_of_a_task_that_is_running(study, isolated):
    writes = study("""
        path = Path(tempfile.gettempdir(), "belmont-attack-row")
        path.write_text("row")
        try:
            time.sleep(1.0)
        finally:
            path.unlink()
        return answer(message, got=1)
    """)
    reads = study("""
        path = Path(tempfile.gettempdir(), "belmont-attack-row")
        for _ in range(80):
            if path.exists():
                return answer(message, got=1)
            time.sleep(0.01)
        return answer(message, got=0)
    """)
    for runner, expected in ((Unconfined(), 1), (isolated, 0)):
        first = threading.Thread(target=got, args=(runner, writes))
        first.start()
        assert got(runner, reads) == expected
        first.join()


def test_weakening_the_reader_of_answers_releases_what_a_node_may_not(study, in_process, isolated, monkeypatch):
    monkeypatch.setattr(compute, "read_metrics", compute.read_metrics)
    task = study("""
        from belmont.federated.executor import compute
        compute.read_metrics = lambda record: {"got": 1, "patient": float("nan")}
        return answer(message, got=1)
    """)
    assert got(in_process, task) == 1
    assert isinstance(isolated.run(task), Failed)


def test_drawing_the_same_random_numbers_as_another_task(study, isolated):
    """Forks of one process share the state of generators that were seeded before."""
    task = study("""
        import random, secrets, uuid
        each = [np.random.random(), np.random.default_rng().random(), random.random(), secrets.randbits(50) / 2**50]
        return answer(message, {"drawn": np.array(each)}, got=1)
    """)
    drawn = np.array([isolated.run(task).arrays["drawn"] for _ in range(3)])
    assert all(len(set(column)) == 3 for column in drawn.T)
