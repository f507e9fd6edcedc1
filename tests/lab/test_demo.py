"""The demonstration as a newcomer meets it: the command, its JSON, its report, the notebook."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]


def belmont(*arguments: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "belmont.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, object], str]:
    out = tmp_path_factory.mktemp("demo")
    done = belmont("demo", "--patients", "1200", "--rounds", "5", "--seed", "11", "--out", str(out), "--json")
    assert done.returncode == 0, done.stderr
    assert "audit trail" in done.stderr
    return json.loads(done.stdout), (out / "report.html").read_text()


def test_the_demonstration_prints_what_happened(demonstration: tuple[dict[str, object], str]) -> None:
    summary, _ = demonstration
    assert (summary["hospitals"], summary["patients"], summary["rounds_run"]) == (4, 1200, 5)
    assert abs(summary["auc_federated"] - summary["auc_pooled"]) < 0.01  # type: ignore[operator]
    assert summary["auc_federated"] < summary["auc_true_risk"]  # type: ignore[operator]
    assert summary["query_exact"] is True
    assert summary["revoked_round_refused"] is True
    assert set(summary["refusals"]) == {  # type: ignore[call-overload]
        "PERMIT_MISSING",
        "CODE_MISMATCH",
        "CONFIG_MISMATCH",
        "PURPOSE_MISMATCH",
        "TOO_FEW_HOSPITALS",
        "ROUND_NOT_OPEN",
        "ALREADY_SERVED",
        "MODEL_MISMATCH",
        "COHORT_TOO_SMALL",
        "NOT_THE_DATA_USER",
        "PERMIT_REVOKED",
    }
    assert summary["audit_events"] > 40  # type: ignore[operator]


def test_the_report_stands_alone_and_shows_the_whole_story(demonstration: tuple[dict[str, object], str]) -> None:
    _, report = demonstration
    assert not re.search(r"""(src|href)=["'](?!#)""", report)
    assert "url(http" not in report and "<script" not in report
    assert report.count("<svg") == 3
    for part in ("What was approved", "PERMIT_REVOKED", "exactly the clear total", "UseRecorded"):
        assert part in report


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--hospitals", "2"], "hospitals is 2"),
        (["--patients", "10"], "patients is 10"),
        (["--rounds", "0"], "--rounds is 0"),
        (["--seed", "-3"], "seed"),
        (["--out", "/proc/nowhere"], "nothing can be written there"),
    ],
)
def test_impossible_numbers_are_refused_in_one_line(arguments: list[str], complaint: str, tmp_path: Path) -> None:
    done = belmont("demo", *(arguments if "--out" in arguments else ["--out", str(tmp_path / "out"), *arguments]))
    assert done.returncode == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out" / "report.html").exists()


def test_help_has_examples_and_needs_no_heavy_library() -> None:
    for words in (["--help"], ["demo", "--help"], ["data", "generate", "--help"], ["chain", "serve", "--help"]):
        done = belmont(*words)
        assert done.returncode == 0
        assert "examples" in done.stdout
    script = "import sys; from belmont.cli import build_parser; build_parser('demo'); print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    for heavy in ("numpy", "pandas", "scipy", "sklearn", "web3", "flwr", "tenseal", "eth", "matplotlib"):
        assert f"'{heavy}'" not in loaded


def test_the_code_of_the_readme_runs_as_it_stands(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    script = "\n".join(blocks) + "\nprint(len(consortium.audit()), permit.status)\nconsortium.close()\n"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    events, status = done.stdout.split()[-2:]
    assert int(events) > 60 and status == "revoked"
    assert list(tmp_path.iterdir()) == []


SHOWN = {
    "01_one_approved_study": (3, ("COHORT_TOO_SMALL", "PERMIT_FROZEN", "PERMIT_REVOKED", "10 of 10")),
    "02_prove_your_data": (
        0,
        ("DATASET_UNPROVEN", "COMMITMENTS_MISMATCH", "PROOF_INVALID", "ROWS_MISMATCH", "all refused", "VersionProven"),
    ),
    "03_governance_and_consent": (
        0,
        ("NONCE_USED", "read study.conditions", "CONSENT_STALE", "UseRecorded", "from 1", ">verified<", ">refused<"),
    ),
    "04_federated_training": (
        4,
        (
            "synthetic rows of 4 hospitals",
            "queries",
            "patients kept apart, AUC",
            "tests, passed",
            "announced",
            "ModelReleased",
        ),
    ),
    "05_your_own_model": (
        1,
        (
            "CheckResult(bent_risk: passed",
            "is not the code that was applied with",
            "epsilon 5",
            "one plan alone, worst",
        ),
    ),
}
"""Of each notebook, how many pictures and which words have to be in what it shows."""


class CountingClient(NotebookClient):
    """Counts how often a cell changed what it had already shown: progress that is live changes it at every step."""

    updates = 0

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        self.updates += msg["msg_type"] == "update_display_data"
        return super().process_message(msg, cell, cell_index)


@pytest.mark.parametrize("notebook", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_the_notebook_runs_from_top_to_bottom(notebook: Path, tmp_path: Path) -> None:
    book = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
    client = CountingClient(book, timeout=240, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    assert client.updates >= 20
    shown = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    pictures, parts = SHOWN[notebook.stem]
    assert sum("image/svg+xml" in output.get("data", {}) for output in shown) >= pictures
    text = json.dumps(shown)
    for part in parts:
        assert part in text
