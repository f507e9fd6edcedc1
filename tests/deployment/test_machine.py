"""Processes that end in order, and ``up`` and ``down`` that do not get into each other's way."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from belmont.deployment.errors import ConfigError, DeploymentError
from belmont.deployment.hospital_config import HospitalConfig
from belmont.deployment.lock import locked
from belmont.lab import Consortium
from belmont.lab.running import Deployment


def process(*words: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "belmont.cli", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(running: "subprocess.Popen[str]", number: int = signal.SIGTERM) -> tuple[int, str]:
    """The exit status of a process once it was told to end, and what it said."""
    running.send_signal(number)
    try:
        _, said = running.communicate(timeout=60)
    finally:
        running.kill()
    return running.returncode, said


def running(home: Path) -> Deployment:
    found = Deployment.read(home)
    assert found is not None
    return found


# --- signals ---


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_coordinator_that_is_told_to_end_is_no_failure(up: Path, tmp_path: Path, number: int) -> None:
    serving = process("coordinator", "serve", "--dir", str(tmp_path), "--chain", running(up).chain, "--port", "0")
    assert serving.stdout is not None
    assert json.loads(serving.stdout.readline())["address"]
    status, said = ended(serving, number)
    assert status == 0, said
    assert "Traceback" not in said


def test_a_node_that_is_told_to_end_is_no_failure(up: Path, belmont: Any) -> None:
    before = running(up).processes["hospital-3"]
    os.kill(before.pid, signal.SIGTERM)
    while before.runs:
        time.sleep(0.05)
    serving = process("node", "serve", "--config", str(up / "deployment" / "hospital-3.toml"))
    try:
        assert serving.stdout is not None
        assert json.loads(serving.stdout.readline())["state"] == "serving"
        status, said = ended(serving)
        assert status == 0, said
        assert "Traceback" not in said
    finally:
        serving.kill()
        assert belmont("up", "--home", str(up)).returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_service_that_is_told_to_end_is_no_failure(up: Path, number: int) -> None:
    serving = process("service", "serve", "--config", str(up / "deployment" / "service.toml"), "--port", "0")
    assert serving.stdout is not None
    url = json.loads(serving.stdout.readline())["url"]
    assert url.startswith("http://localhost:") and not url.endswith((":0", ":8600"))
    status, said = ended(serving, number)
    assert status == 0, said
    assert "Traceback" not in said


# --- up and down at the same time ---


@pytest.fixture
def own(tmp_path: Path, belmont: Any) -> Iterator[Path]:
    """A home of its own, that is ended whatever happens."""
    home = tmp_path / 'a "home" of one\'s own'
    yield home
    belmont("down", "--home", str(home))


def test_two_ups_of_a_new_home_make_one_consortium_and_start_it_once(own: Path) -> None:
    words = ("up", "--hospitals", "3", "--patients", "600", "--seed", "3", "--home", str(own), "--in-process")
    both = [process(*words) for _ in range(2)]
    said = [each.communicate(timeout=400)[1] for each in both]
    assert [each.returncode for each in both] == [0, 0], said
    assert sum("waiting for it" in each for each in said) == 1
    names = {"chain", "coordinator", "hospital-1", "hospital-2", "hospital-3", "service"}
    assert set(running(own).processes) == names
    assert len(belmont_processes(own)) == len(names)
    for name in ("hospital-2", "coordinator"):
        os.kill(running(own).processes[name].pid, signal.SIGKILL)
    restart = process("up", "--home", str(own), "--in-process")
    while not is_held(own):
        time.sleep(0.05)
    down = process("down", "--home", str(own))
    down_said, up_said = down.communicate(timeout=200)[1], restart.communicate(timeout=200)[1]
    assert (restart.returncode, down.returncode) == (0, 0), (up_said, down_said)
    assert running(own).processes == {} and belmont_processes(own) == []


def test_an_up_that_fails_ends_what_it_started_itself_and_nothing_that_ran_before(own: Path, belmont: Any) -> None:
    up, configured = ("up", "--home", str(own), "--in-process"), own / "deployment" / "service.toml"
    Consortium.local(hospitals=3, patients=600, seed=3, home=own).close()
    configured.parent.mkdir()
    configured.write_text("no TOML")
    refused = belmont(*up)
    assert refused.returncode == 2 and "Mend it, or move it away" in refused.stderr
    assert "ended what this belmont up had started: coordinator, chain; what ran before runs on" in refused.stderr
    assert running(own).processes == {} and belmont_processes(own) == []
    configured.unlink()
    assert belmont(*up).returncode == 0
    for name in ("hospital-2", "service"):
        os.kill(running(own).processes[name].pid, signal.SIGKILL)
    ran = {name: each for name, each in running(own).processes.items() if name not in ("hospital-2", "service")}
    content = configured.read_text()
    configured.write_text(content.replace("port = 0", "port = 0\nunknown = 1"))
    failed = belmont(*up)
    assert failed.returncode == 2 and "service ended before it was ready" in failed.stderr
    assert "had started: hospital-2; what ran before runs on" in failed.stderr
    assert running(own).processes == ran and running(own).ended == [], "hospital-2 was started, and ended again"
    configured.write_text("no TOML")
    nothing = belmont(*up)
    assert nothing.returncode == 2 and "nothing was left started; what ran before runs on" in nothing.stderr
    assert running(own).processes == ran and running(own).ended == []


def is_held(home: Path) -> bool:
    try:
        with locked(home, lambda state: None, 0):
            return False
    except DeploymentError:
        return True


def belmont_processes(home: Path) -> list[int]:
    """Those that serve something of a home, without their own children."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"serve" in words and any(word.startswith(bytes(home)) for word in words):
            found.append(int(path.parent.name))
    parents = {pid: parent_of(pid) for pid in found}
    return [pid for pid in found if parents[pid] not in found]


def parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def test_without_a_lock_two_would_be_at_work_and_with_it_one_waits(tmp_path: Path) -> None:
    inside: list[str] = []
    said: list[str] = []

    def work(name: str) -> None:
        with locked(tmp_path, said.append):
            inside.append(name)
            time.sleep(0.3)
            inside.append(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert inside in (["a", "a", "b", "b"], ["b", "b", "a", "a"])
    assert len(said) == 1 and "waiting for it" in said[0]


def test_a_lock_is_gone_with_the_process_that_held_it_and_leaves_nothing(tmp_path: Path) -> None:
    source = (
        "import sys, time; from pathlib import Path; from belmont.deployment.lock import locked\n"
        "with locked(Path(sys.argv[1]), print):\n    print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", source, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    with pytest.raises(DeploymentError, match="another belmont"), locked(tmp_path, lambda state: None, 0.3):
        pytest.fail("two hold it")
    holder.kill()
    holder.communicate()
    with locked(tmp_path, lambda state: None, 10):
        assert list(tmp_path.iterdir()) == []


def test_what_is_no_consortium_is_not_made_one_by_ending_it(tmp_path: Path, belmont: Any) -> None:
    done = belmont("down", "--home", str(tmp_path / "nothing"))
    assert done.returncode == 2 and "not a consortium" in done.stderr
    assert not (tmp_path / "nothing").exists()


# --- configurations with anything in them ---

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)


@given(TEXT, TEXT, TEXT, TEXT, st.lists(TEXT, max_size=3))
def test_a_configuration_reads_back_whatever_its_paths_have_in_them(
    tmp_path_factory: pytest.TempPathFactory, home: str, member: str, chain: str, address: str, weaker: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("config").resolve()
    config = HospitalConfig(
        folder / home, member, chain, f"{address}:1", folder / f"{home}.pem", "isolated", tuple(weaker)
    )
    path = folder / "hospital.toml"
    path.write_text(config.to_toml(), encoding="utf-8", newline="")
    assert HospitalConfig.read(path) == config


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", 'x"\nmember = "hospital-2', "\x7f", "\\u0041"])
def test_a_path_says_nothing_else_than_a_path(tmp_path: Path, name: str) -> None:
    config = HospitalConfig(tmp_path / name, "hospital-1", "c", "a:1", tmp_path / "x.pem", "isolated", ())
    path = tmp_path / "hospital.toml"
    path.write_text(config.to_toml(), encoding="utf-8", newline="")
    assert HospitalConfig.read(path) == config


def test_a_path_that_is_not_text_is_refused() -> None:
    config = HospitalConfig(Path(os.fsdecode(b"/\xff")), "m", "c", "a", Path("x"), "isolated", ())
    with pytest.raises(ConfigError, match="not text"):
        config.to_toml()
