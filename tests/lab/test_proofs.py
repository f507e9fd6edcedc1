"""Proofs as people meet them: commands, cards, a version that is not proven, rows that are not as registered."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from belmont.ehr.coded import CodedTable
from belmont.ehr.dictionary import Dictionary
from belmont.federated.errors import NotRegistered, QueryRefused
from belmont.federated.query.publication import claims_of
from belmont.lab import Consortium, count, histogram, hospital_files, mean, variance
from belmont.lab.errors import LabError
from belmont.lab.nodes import open_node
from belmont.lab.permit import Permit
from belmont.lab.proofs import SUFFIX
from belmont.lab.stored_rows import StoredRows
from belmont.registry.consents.chain import ChainConsents
from belmont.registry.errors import RegistryRefused, RegistryUnreachable
from belmont.registry.types import VersionStatus
from belmont.zk.errors import ProofRefused


def unreachable(*_: object) -> None:
    raise RegistryUnreachable("the chain does not answer")


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
    root = "0x" + own.proof(own.hospitals[0]).verify().root.hex()
    compared = ("--dictionary", "diabetes_cvd", "--url", own.url, "--root", root)
    done = belmont("verify", *map(str, files), *compared, "--json")
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


def test_a_true_proof_of_other_rows_in_a_hospitals_folder_is_not_shown_as_accepted(
    own: Consortium, files: list[Path]
) -> None:
    kept = files[0].read_bytes()
    other = own.home_here.proofs(own.hospitals[1].slug) / files[0].name
    try:
        files[0].write_bytes(other.read_bytes())
        with pytest.raises(ProofRefused, match="another chain, contract, owner, dataset or version"):
            own.proof(own.hospitals[0])
    finally:
        files[0].write_bytes(kept)


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
    assert checked.returncode == 0 and "only claimed" in checked.stdout and "ACCEPTED" not in checked.stdout
    assert "REFUSED" in belmont("verify", str(file), "--root", "0x" + "11" * 32).stdout
    again = belmont("prove", str(tmp_path / "t.table"), "--dictionary", "diabetes_cvd", "--out", str(tmp_path / "out"))
    assert again.returncode == 2 and "name a new folder" in again.stderr
    assert sorted(each.name for each in tmp_path.iterdir()) == ["out", "t.table"]
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
    spread = permit.query(variance("hba1c"))
    assert spread.verify() and spread.unit.endswith(")²") and spread.value > 0
    unproved = permit.query(histogram("age", cells=3))
    assert unproved.proof is None and "not proved" in unproved._repr_html_()


def test_a_proved_total_is_published_once_and_by_the_researcher_only(own: Consortium) -> None:
    permit = permitted(own)
    answer = permit.query(mean("hba1c"))
    assert answer.proof is not None
    researcher = own.registry.as_(own.researcher.identity.account)
    patients, codes = claims_of(answer.proof)
    for other in (own.hospitals[0], own.board[0]):
        with pytest.raises(RegistryRefused, match="NOT_THE_APPLICANT"):
            own.registry.as_(other.identity.account).publish_total(codes)
    for claim in (patients, codes):
        with pytest.raises(RegistryRefused, match="TOTAL_REFUTED"):
            researcher.publish_total(replace(claim, total=claim.total - 1))
    assert own.registry.totals(permit.id) == []
    first = answer.publish("patients")
    assert [(name, each.total) for name, each in first.totals.items()] == [("patients", answer.patients)]
    with pytest.raises(RegistryRefused, match="TOTAL_EXISTS"):
        answer.publish()
    second = answer.publish("codes")
    assert second.totals["codes"].total == answer.encrypted.code_total
    assert second.totals["codes"].rows == sum(hospital.rows for hospital in own.hospitals)
    assert "proved on chain" in second._repr_html_() and own.registry.addresses["Totals"] in second._repr_html_()
    shown = own.totals()
    assert list(shown["total"]) == [answer.patients, answer.encrypted.code_total]
    assert list(shown["total of"]) == ["patients with hba1c", "hba1c"]
    assert set(shown["asked"]) == {"mean(hba1c)"}
    elsewhere = Consortium.connect(own.url).totals()
    assert list(elsewhere["total"]) == list(shown["total"]) and elsewhere["total of"].str.startswith("column ").all()
    trail = own.audit()
    assert trail[trail["what"] == "TotalProved"]["details"].str.contains("mean(hba1c)", regex=False).all()
    with pytest.raises(LabError, match="publish patients or codes"):
        answer.publish("mean")


def test_all_totals_of_an_answer_are_published_together(own: Consortium) -> None:
    answer = permitted(own).query(mean("age"))
    published = answer.publish()
    assert [each.total for each in published.totals.values()] == list(answer.encrypted.cells)
    assert len(published.to_frame()) == 2 and "codes" in repr(published)


def test_what_the_contract_cannot_check_says_why_it_is_not_published(own: Consortium) -> None:
    permit = permitted(own)
    with pytest.raises(LabError, match="without a filter"):
        permit.query(count(age=(30, 90))).publish()
    with pytest.raises(LabError, match="histogram"):
        permit.query(histogram("age", cells=3)).publish()


def test_what_is_not_the_registered_rows_proof_is_refused_by_the_contract(own: Consortium) -> None:
    tried = own.new_version(own.hospitals[2]).attempts()
    assert tried.all_refused
    assert [attempt.refused_by for attempt in tried] == ["the contract", "the prover", *["the contract"] * 3]
    assert "all refused" in tried._repr_html_()
    assert "PROOF_INVALID" in set(tried.to_frame()["why"])
    own.new_version(own.hospitals[2]).prove()


def test_a_query_that_would_wait_for_a_version_is_not_opened_unless_the_nodes_are_asked_anyway(
    own: Consortium, monkeypatch: pytest.MonkeyPatch
) -> None:
    hospital, permit = own.hospitals[2], permitted(own)
    consents = own.consents(hospital)
    number = int(consents.numbers[0])
    batches = consents.state.batches
    with monkeypatch.context() as broken:
        broken.setattr(ChainConsents, "publish_batch", unreachable)
        with pytest.raises(RegistryUnreachable):
            consents.give_key(number)
    (patient,) = own.consents(hospital).patients
    assert own.registry.consents.own(hospital.dataset_id, patient.address) is None
    for _ in range(2):
        own.consents(hospital).enrol(patient)
        assert own.registry.consents.own(hospital.dataset_id, patient.address) is not None
    assert consents.state.batches == batches + 1
    assert "queries" in patient._repr_html_() and "new_version" in patient._repr_html_()
    with pytest.raises(LabError, match=r"nothing was used; consortium\.new_version") as refused:
        permit.query(count())
    assert hospital.dataset_name in str(refused.value)
    assert own.hospitals[0].dataset_name not in str(refused.value)
    assert permit.record.queries_opened == 0
    with pytest.raises(QueryRefused, match="CONSENT_STALE"):
        permit.query(count(), check=False)
    assert permit.record.queries_opened == 1
    with pytest.raises(LabError, match=f"{number} has a key already"):
        own.consents(hospital).give_key(number)
    for nobody in ("nobody", -1, 2**64, 1.5, None):
        with pytest.raises(LabError, match=r"no patient: take one of consents\.numbers"):
            consents.give_key(nobody)  # type: ignore[arg-type]
    unknown = next(each for each in range(len(consents.numbers) + 1) if each not in consents.numbers)
    with pytest.raises(LabError, match="is in no version here"):
        consents.give_key(unknown)
    own.new_version(hospital).prove()
    assert "consents of now" in patient._repr_html_()
    assert permit.query(count()).verify()


def test_a_node_does_not_open_rows_that_are_not_what_was_committed_to(own: Consortium) -> None:
    hospital, registry = own.hospitals[0], own.registry
    home, dataset_id = own.home_here, hospital.dataset_id
    rows = hospital_files.stored_rows(home, hospital.slug, registry, dataset_id)
    codes = {name: rows.table.codes(name).copy() for name in rows.table.columns}
    codes["cvd_event"][0] = 1 - codes["cvd_event"][0]
    changed = StoredRows(CodedTable(rows.table.dictionary, codes, rows.table.pseudonyms), rows.seed)
    with hospital_files.open_vault(home, hospital.slug) as vault:
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
