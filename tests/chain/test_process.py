"""Server processes: started, refused, ended, and never orphaned."""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from belmont.chain.client import ChainClient
from belmont.chain.commands import EXAMPLES, add_commands
from belmont.chain.errors import ChainDirectoryError, ChainLocked, ChainStartError, ChainUnreachable
from belmont.chain.process import ChainProcess
from belmont.chain.server import serve


def gone(pid: int, within_seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + within_seconds
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


def test_a_server_starts_on_a_free_port_and_stops_in_order(tmp_path: Path) -> None:
    with ChainProcess.start(tmp_path) as chain:
        assert chain.port > 0
        assert chain.chain_id == 1337
        assert ChainClient(chain.url).head().number >= 1
        assert str(chain.pid) in repr(chain)
    assert not chain.running
    chain.stop()
    chain.kill()
    assert (tmp_path / "server.log").read_text() == ""


def test_a_second_server_for_one_directory_is_refused_with_a_typed_error(chain: ChainProcess) -> None:
    with pytest.raises(ChainLocked, match=f"process {chain.pid}"):
        ChainProcess.start(chain.directory)
    assert ChainClient(chain.url).head().number >= 1


def test_a_taken_port_and_a_wrong_chain_id_are_refused_with_typed_errors(chain: ChainProcess, tmp_path: Path) -> None:
    with pytest.raises(ChainStartError, match="cannot listen"):
        ChainProcess.start(tmp_path, port=chain.port)
    ChainProcess.start(tmp_path, chain_id=99).stop()
    with pytest.raises(ChainDirectoryError, match="holds chain 99"):
        ChainProcess.start(tmp_path, chain_id=98)


@pytest.mark.parametrize(
    ("port", "heartbeat", "why"), [(70_000, 10.0, "port 70000"), (0, 0.0, "heartbeat of 0"), (0, float("nan"), "nan")]
)
def test_impossible_settings_are_refused(tmp_path: Path, port: int, heartbeat: float, why: str) -> None:
    with pytest.raises(ChainStartError, match=why):
        serve(tmp_path, port, heartbeat_seconds=heartbeat)


@pytest.mark.parametrize(
    ("host", "why"),
    [("192.0.2.1", "address of this machine"), ("", "no address"), ("\u00e9..x", "address of this machine")],
)
def test_a_host_that_cannot_be_listened_on_leaves_no_directory(tmp_path: Path, host: str, why: str) -> None:
    with pytest.raises(ChainStartError, match=why):
        serve(tmp_path / "new", 0, host=host)
    assert not (tmp_path / "new").exists()


def test_a_port_that_another_socket_holds_leaves_no_directory(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        with pytest.raises(ChainStartError, match="choose another port"):
            serve(tmp_path / "new", other.getsockname()[1])
    assert not (tmp_path / "new").exists()


def test_a_server_that_cannot_run_shows_the_end_of_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ChainStartError, match="ended before it answered"):
        ChainProcess.start(tmp_path)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_no_orphan_is_left_when_the_parent_dies(tmp_path: Path, end: signal.Signals) -> None:
    program = (
        "import sys, time, pathlib\n"
        "from belmont.chain.process import ChainProcess\n"
        "chain = ChainProcess.start(pathlib.Path(sys.argv[1]))\n"
        "print(chain.pid, chain.url, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid, url = parent.stdout.readline().split()
    assert ChainClient(url).head().number >= 1
    parent.send_signal(end)
    parent.wait(10)
    parent.stdout.close()
    assert gone(int(pid))
    with pytest.raises(ChainUnreachable):
        ChainClient(url).head()
    ChainProcess.start(tmp_path).stop()


def test_the_chain_is_served_from_the_command_line(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    add_commands(parser.add_subparsers())
    options = parser.parse_args(["serve", "--dir", str(tmp_path), "--port", "0", "--chain-id", "7"])
    assert (options.directory, options.port, options.chain_id, options.heartbeat_seconds) == (tmp_path, 0, 7, 10.0)
    assert callable(options.run)
    command = [sys.executable, "-m", "belmont.cli", "chain", "serve", "--dir", str(tmp_path), "--port", "0"]
    server = subprocess.Popen([*command, "--chain-id", "7"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert server.stdout is not None
    facts = json.loads(server.stdout.readline())
    client = ChainClient(facts["url"])
    assert client.chain_id == 7
    number = client.head().number
    os.kill(server.pid, signal.SIGINT)
    _, told = server.communicate(timeout=15)
    assert told.splitlines() == [
        f"chain 7 in {tmp_path} listens on {facts['url']}; Ctrl-C ends it",
        f"stopped at block {number}",
    ]
    assert server.returncode == 0


def test_where_it_listens_is_not_told_when_it_cannot(chain: ChainProcess, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "belmont.cli", "chain", "serve", "--dir", str(tmp_path / "new")]
    refused = subprocess.run([*command, "--port", str(chain.port)], capture_output=True, text=True, timeout=60)
    assert refused.returncode == 2
    assert refused.stdout == ""
    assert refused.stderr.startswith("belmont: cannot listen on")
    assert not (tmp_path / "new").exists()


def test_the_group_and_its_command_have_examples() -> None:
    assert EXAMPLES.startswith("examples:\n  belmont chain serve")


def test_a_server_ended_by_a_signal_has_ended_in_order(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "belmont.chain.server", str(tmp_path), "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    server.stdout.readline()
    server.terminate()
    assert server.wait(15) == 0
    server.stdout.close()
    assert not (tmp_path / "chain.sqlite-wal").exists()


def test_a_server_of_another_process_is_refused_on_the_command_line(chain: ChainProcess) -> None:
    command = [sys.executable, "-m", "belmont.chain.server", str(chain.directory), "0"]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert refused.returncode == 2
    assert json.loads(refused.stdout)["error"] == "ChainLocked"
