"""Proofs as people meet them: commands, cards, a version that is not proven, rows that are not as registered."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from belmont.ehr.coded import CodedTable
from belmont.ehr.dictionary import Dictionary
from belmont.federated.errors import NotRegistered, QueryRefused
from belmont.lab import Consortium, count, hospital_files, mean
from belmont.lab.errors import LabError
from belmont.lab.nodes import open_node
from belmont.lab.permit import Permit
from belmont.lab.proofs import SUFFIX
from belmont.lab.stored_rows import StoredRows
from belmont.registry.types import VersionStatus


def belmont(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "belmont.cli", *words], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Consortium:
    """A consortium of this module's own, since versions are added to it."""
    with Consortium.local(3, 450, 5, tmp_path_factory.mktemp("proofs") / "home") as made:
        yield made


@pytest.fixture(scope="module")
def files(own: Consortium) -> list[Path]:
    return sorted(own.home_here.proofs(own.hospitals[0].slug).glob(f"*{SUFFIX}"))


def test_every_dataset_of_a_local_consortium_is_proven_and_has_its_proof_on_disk(own: Consortium) -> None:
    assert set(own.datasets()["proof"]) == {"proven"}
    for hospital in own.hospitals:
        proof = own.proof(hospital)
        assert proof.verify().rows == hospital.rows
        card = proof._repr_html_()
        assert "proven" in card and "that the patients exist" in card and "the contract" in card


def test_a_proof_is_verified_offline_against_a_dictionary_and_against_the_chain(
    own: Consortium, files: list[Path]
) -> None:
    done = belmont("verify", *map(str, files), "--dictionary", "diabetes_cvd", "--url", own.url, "--json")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["accepted"] is True
    assert shown["rows"] == own.hospitals[0].rows
    assert shown["dataset"] == "0x" + own.hospitals[0].dataset_id.hex()
    assert "the contract accepted it" in shown["chain"]
    assert "has these kinds and widths" in shown["dictionary"]


def test_too_few_rows_and_a_changed_or_cut_proof_are_refused_with_a_reason(files: list[Path], tmp_path: Path) -> None:
    assert "at least 100000" in belmont("verify", str(files[0]), "--at-least", "100000").stdout
    data = bytearray(files[0].read_bytes())
    data[-10] ^= 1
    (tmp_path / "changed.proof").write_bytes(data)
    (tmp_path / "cut.proof").write_bytes(data[:-1])
    (tmp_path / "empty.proof").write_bytes(b"")
    for name in ("changed", "cut", "empty"):
        done = belmont("verify", str(tmp_path / f"{name}.proof"))
        assert (done.returncode, done.stdout[:7]) == (1, "REFUSED"), done.stderr
        assert "Traceback" not in done.stderr
    assert belmont("verify", str(tmp_path / "none.proof")).returncode == 2


def test_a_coded_table_is_proved_into_files_that_verify(tmp_path: Path) -> None:
    dictionary = Dictionary.builtin()
    random = np.random.default_rng(3)
    codes = {c.name: random.integers(c.kind == "range", c.width + 1, 60).astype(np.uint16) for c in dictionary}
    table = CodedTable(dictionary, codes, np.arange(1, 61, dtype=np.uint64))
    (tmp_path / "t.table").write_bytes(table.to_bytes())
    made = belmont("prove", str(tmp_path / "t.table"), "--dictionary", "diabetes_cvd", "--out", str(tmp_path / "out"))
    assert made.returncode == 0, made.stderr
    assert "rows" in made.stdout and "that the patients exist" in made.stdout
    (file,) = (tmp_path / "out").iterdir()
    checked = belmont("verify", str(file))
    assert checked.returncode == 0 and "ACCEPTED" in checked.stdout
    for words in (
        ["t.table"],
        ["t.table", "--out", "x"],
        [str(tmp_path), "--dictionary", "diabetes_cvd", "--out", "x"],
    ):
        refused = belmont("prove", *words)
        assert refused.returncode == 2 and "Traceback" not in refused.stderr


def test_a_dataset_is_refused_until_its_newest_version_is_proven(own: Consortium) -> None:
    hospital = own.hospitals[1]
    permit = permitted(own)
    draft = own.new_version(hospital)
    assert not draft.is_proven and "registered" in draft._repr_html_()
    with pytest.raises(QueryRefused) as refused:
        permit.query(mean("hba1c"))
    reasons = {outcome.name: str(outcome.reason) for outcome in refused.value.hospitals if outcome.reason}
    assert list(reasons.values()) == ["DATASET_UNPROVEN"]
    done = belmont("prove", hospital.slug, "--home", str(own.home_here.path), "--url", own.url)
    assert done.returncode == 0, done.stderr
    assert draft.is_proven
    assert permit.query(count()).verify()
    with pytest.raises(LabError, match="not proven yet"):
        draft.attempts()


def test_an_answer_shows_whether_it_is_proved(own: Consortium) -> None:
    permit = permitted(own)
    proved = permit.query(mean("hba1c", age=(30, 90)))
    assert proved.proof is not None and proved.verify() is proved.proof
    assert "proved" in proved._repr_html_()
    from belmont.lab import histogram

    unproved = permit.query(histogram("age", cells=3))
    assert unproved.proof is None and "not proved" in unproved._repr_html_()


def test_what_is_not_the_registered_rows_proof_is_refused_by_the_contract(own: Consortium) -> None:
    tried = own.new_version(own.hospitals[2]).attempts()
    assert tried.all_refused
    assert [attempt.refused_by for attempt in tried] == ["the contract", "the prover", *["the contract"] * 3]
    assert "all refused" in tried._repr_html_()
    assert "PROOF_INVALID" in set(tried.to_frame()["why"])
    own.new_version(own.hospitals[2]).prove()


def test_a_node_does_not_open_rows_that_are_not_what_was_committed_to(own: Consortium) -> None:
    hospital, registry = own.hospitals[0], own.registry
    home, dataset_id = own.home_here, hospital.dataset_id
    rows = hospital_files.stored_rows(home, hospital.slug, registry, dataset_id)
    codes = {name: rows.table.codes(name).copy() for name in rows.table.columns}
    codes["cvd_event"][0] = 1 - codes["cvd_event"][0]
    changed = StoredRows(CodedTable(rows.table.dictionary, codes, rows.table.pseudonyms), rows.seed)
    with hospital_files._vault(home, hospital.slug) as vault:
        cid = vault.put(hospital.dataset_name, changed.to_bytes())
    dataset = registry.dataset(dataset_id)
    assert dataset is not None
    writes = registry.as_(hospital.identity.account)
    number = writes.add_version(dataset_id, cid.binary, rows.table.rows, rows.commit().root, dataset.consent_root)
    with pytest.raises(NotRegistered, match="not what was registered"):
        open_node(home, hospital, registry)
    version = registry.version(dataset_id, number)
    assert version is not None and version.status is VersionStatus.REGISTERED


def test_stored_rows_that_are_cut_or_of_another_format_are_refused(own: Consortium) -> None:
    rows = hospital_files.stored_rows(own.home_here, own.hospitals[1].slug, own.registry, own.hospitals[1].dataset_id)
    data = rows.to_bytes()
    for wrong in (b"", data[:20], b"X" + data[1:], data[:-1]):
        with pytest.raises(Exception, match=r".") as refused:
            StoredRows.from_bytes(rows.table.dictionary, wrong)
        assert type(refused.value).__module__.startswith("belmont.")
    assert rows.seed.hex() not in repr(rows)


def test_the_commands_explain_themselves_and_load_nothing_heavy() -> None:
    for name in ("prove", "verify"):
        done = belmont(name, "--help")
        assert done.returncode == 0 and "examples" in done.stdout
        script = f"import sys; from belmont.cli import build_parser; build_parser({name!r}); print(sorted(sys.modules))"
        loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
        for heavy in ("numpy", "pandas", "web3", "flint", "py_arkworks_bls12381", "ckzg"):
            assert f"'{heavy}'" not in loaded


def permitted(consortium: Consortium) -> Permit:
    study = consortium.propose("A small study", rounds=0, queries=4, min_cohort=10)
    study.vote(*consortium.board[:2], approve=True, reason="small enough")
    study.accept(*consortium.hospitals)
    return study.permit()
