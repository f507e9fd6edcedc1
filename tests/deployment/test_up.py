"""``belmont up``, ``status`` and ``down``: real processes, real TLS, and the notebook of the first study on them."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import nbformat
import pytest
from nbclient import NotebookClient

from belmont.lab import Consortium, LogisticRegression
from belmont.lab.errors import HomeError, LabError
from belmont.lab.home import Home
from belmont.lab.running import Deployment, Started, started
from belmont.registry.types import UseKind

ROOT = Path(__file__).resolve().parents[2]
ALL = {"chain": "running", "coordinator": "running", "service": "running"} | {
    f"hospital-{k}": "connected" for k in range(1, 5)
}


def kill(home: Path, name: str) -> None:
    deployment = Deployment.read(home)
    assert deployment is not None
    os.kill(deployment.processes[name].pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while name not in deployment.ended:  # a signal is on its way when kill returns
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_everything_that_was_started_is_connected(up: Path, states: Callable[[], dict[str, str]]) -> None:
    assert states() == ALL


def test_up_once_more_starts_nothing_and_changes_no_address(up: Path, belmont: Any) -> None:
    before = Deployment.read(up)
    assert belmont("up", "--home", str(up)).returncode == 0
    assert Deployment.read(up) == before


def test_what_was_killed_is_seen_and_started_again(
    up: Path, belmont: Any, states: Callable[[], dict[str, str]]
) -> None:
    for name in ("hospital-3", "coordinator"):
        kill(up, name)
        assert states()[name] == "ended"
        assert belmont("up", "--home", str(up)).returncode == 0
        deadline = time.monotonic() + 60
        while states() != ALL:
            assert time.monotonic() < deadline


def test_a_notebook_connects_while_a_hospital_is_away_and_says_so_but_not_without_coordinator(
    up: Path, belmont: Any
) -> None:
    kill(up, "hospital-3")
    with Consortium.deployed(up) as consortium:
        assert "hospital-3 does not run" in repr(consortium) and "hospital-3 does not run" in consortium._repr_html_()
    kill(up, "coordinator")
    with pytest.raises(HomeError, match=r"^coordinator of .* does not run: belmont up"):
        Consortium.deployed(up)
    assert belmont("up", "--home", str(up)).returncode == 0


def test_a_researcher_elsewhere_trains_with_its_own_key_over_the_coordinators_address(up: Path, tmp_path: Path) -> None:
    running = Deployment.read(up)
    assert running is not None
    with Consortium.deployed(up) as consortium:
        study = consortium.propose("From elsewhere", model=LogisticRegression.default(secure=True), rounds=1, queries=0)
        permit = study.vote(*consortium.board).accept(*consortium.hospitals).permit()
    record = Home(up).read()
    mine = tuple(person for person in record.people if person.slug == "researcher")
    shutil.copytree(up / "members" / "researcher", tmp_path / "members" / "researcher")
    Home(tmp_path).finish(replace(record, people=mine, synthetic=None))
    there = {"coordinator": running.coordinator, "authority": running.authority}
    with Consortium.connect(running.chain, tmp_path, **there) as elsewhere:  # type: ignore[arg-type]
        assert elsewhere.hospitals == [] and "over coordinator" in repr(elsewhere)
        assert (
            elsewhere.permit(permit.id).train(model=LogisticRegression.default(secure=True)).history["rows"].sum() > 0
        )
    with pytest.raises(LabError, match="give both, or neither"):
        Consortium.connect(running.chain, tmp_path, coordinator=running.coordinator)
    with pytest.raises(LabError, match="is no file"):
        Consortium.connect(running.chain, tmp_path, coordinator=running.coordinator, authority=tmp_path / "none.pem")


def test_the_auditor_that_is_made_signs_in_reads_the_trail_and_changes_nothing(
    up: Path, belmont: Any, tmp_path: Path
) -> None:
    running, key = Deployment.read(up), up / "members" / "auditor" / "identity.json"
    assert running is not None and key.stat().st_mode & 0o777 == 0o600
    done = belmont("service", "token", "--url", running.service, "--key", str(key), "--out", str(tmp_path / "token"))
    assert done.returncode == 0, done.stderr
    headers = {"Authorization": f"Bearer {(tmp_path / 'token').read_text().strip()}"}
    with httpx.Client(base_url=running.service + "/api/v1", headers=headers) as auditor:
        assert auditor.get("/session").json()["roles"] == ["auditor"]
        assert auditor.get("/accesses").status_code == 200
        assert auditor.post("/relay", content=b"{}").json()["code"] == "NOT_ALLOWED"


def test_other_sizes_than_those_that_are_there_are_refused(up: Path, belmont: Any) -> None:
    done = belmont("up", "--home", str(up), "--patients", "800")
    assert done.returncode == 2 and "name another directory" in done.stderr


def test_the_processes_do_not_share_a_secret_by_their_command_line_or_log(up: Path) -> None:
    deployment = Deployment.read(up)
    assert deployment is not None
    identity = json.loads((up / "members" / "hospital-1" / "identity.json").read_text())
    secret = next(value for key, value in identity.items() if "key" in key and isinstance(value, str))
    for name, process in deployment.processes.items():
        assert secret.removeprefix("0x") not in Path(f"/proc/{process.pid}/cmdline").read_text()
        assert secret.removeprefix("0x") not in (up / "deployment" / f"{name}.log").read_text(errors="replace")


def test_the_notebook_of_the_first_study_runs_on_processes_with_one_line_changed_and_a_hospital_killed(
    up: Path, belmont: Any, tmp_path: Path
) -> None:
    book = nbformat.read(ROOT / "notebooks" / "01_one_approved_study.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    local = "Consortium.local(hospitals=4, patients=4000, seed=7)"
    changed = [cell for cell in book.cells if local in cell.source]
    assert len(changed) == 1
    changed[0].source = changed[0].source.replace(local, f'Consortium.deployed("{up}")')
    happened: list[str] = []

    def while_it_trains() -> None:
        with Consortium.deployed(up) as consortium:
            deadline = time.monotonic() + 300
            while not any(permit.rounds_opened >= 3 for permit in consortium.registry.permits()):
                assert time.monotonic() < deadline
                time.sleep(0.05)
        kill(up, "hospital-2")
        happened.append("killed")
        assert belmont("up", "--home", str(up)).returncode == 0
        happened.append("started")

    other = threading.Thread(target=while_it_trains)
    other.start()
    NotebookClient(book, timeout=400, resources={"metadata": {"path": str(tmp_path)}}).execute()
    other.join(60)
    assert happened == ["killed", "started"]
    shown = json.dumps([output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs])
    for part in ("COHORT_TOO_SMALL", "PERMIT_FROZEN", "PERMIT_REVOKED", "10 of 10", "processes of their own"):
        assert part in shown
    with Consortium.deployed(up) as consortium:
        permit = consortium.registry.permits()[-1]
        uses = [use for use in consortium.registry.uses(permit.id) if use.kind is UseKind.ROUND]
        assert permit.rounds_opened == 10
        for hospital in consortium.hospitals:
            assert sorted(use.n for use in uses if use.dataset_id == hospital.dataset_id) == list(range(1, 11))


def test_a_node_that_is_told_to_end_lets_go_of_its_ledger(up: Path, belmont: Any) -> None:
    deployment = Deployment.read(up)
    assert deployment is not None
    process = deployment.processes["hospital-4"]
    os.kill(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + 40
    while process.runs:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with sqlite3.connect(up / "members" / "hospital-4" / "ledger.sqlite", timeout=1) as db:
        db.execute("BEGIN EXCLUSIVE")
        db.execute("ROLLBACK")
    assert belmont("up", "--home", str(up)).returncode == 0


def test_the_service_answers_at_the_address_that_it_had_before_and_the_notebook_knows_it(
    up: Path, belmont: Any
) -> None:
    before = Deployment.read(up)
    assert before is not None
    assert httpx.get(f"{before.service}/api/v1/health/live").json() == {"status": "live"}
    assert httpx.get(f"{before.service}/api/v1/health/ready").status_code == 401
    kill(up, "service")
    with Consortium.deployed(up) as consortium:
        study = consortium.propose("Applied for while the service was away", rounds=2, protocol="# Protocol\n")
        assert "study.hand_in()" in study._repr_html_()
        assert belmont("up", "--home", str(up)).returncode == 0
        after = Deployment.read(up)
        assert after is not None and after.service == before.service == consortium.service_url
        assert study.hand_in().is_complete
        assert study.url == f"{before.service}/studies/{study.id}"
        assert consortium.service is not None
        board = consortium.board[0].identity
        assert consortium.service.read(board, study.record.terms.protocol_hash) == b"# Protocol\n"


def test_a_record_of_an_earlier_release_has_no_service(tmp_path: Path) -> None:
    deployment = Deployment("http://127.0.0.1:1", "127.0.0.1:2", tmp_path / "authority.pem", {}, "http://127.0.0.1:3")
    deployment.write(tmp_path)
    assert Deployment.read(tmp_path) == deployment
    path = tmp_path / "deployment" / "deployment.json"
    content = json.loads(path.read_text())
    del content["service"]
    path.write_text(json.dumps(content))
    assert Deployment.read(tmp_path) == replace(deployment, service="")


def test_a_process_number_that_was_given_away_is_not_taken_for_ours() -> None:
    sleeping = subprocess.Popen(["sleep", "30"])
    here = started(sleeping.pid)
    assert here.runs
    assert not Started(here.pid, here.started - 1).runs
    sleeping.kill()
    sleeping.wait()
    assert not here.runs


def test_a_consortium_that_does_not_run_says_how_to_start_it(tmp_path: Path, belmont: Any) -> None:
    with pytest.raises(HomeError, match="belmont up"):
        Consortium.deployed(tmp_path)
    done = belmont("status", "--home", str(tmp_path))
    assert done.returncode == 2 and "belmont up" in done.stderr


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"format": 2, "processes": {}}', "x"])
def test_a_damaged_record_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "deployment").mkdir()
    (tmp_path / "deployment" / "deployment.json").write_text(text)
    with pytest.raises(HomeError, match=r"damaged|format"):
        Deployment.read(tmp_path)
