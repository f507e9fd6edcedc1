"""What a board reads of a study's own code, and what the hospitals run of it: on a real consortium."""

import html
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.lab.own.conftest import Written

from belmont.federated.models.rehearsal import Rehearsal
from belmont.lab import Consortium
from belmont.lab.documents import FOLDER
from belmont.lab.errors import LabError
from belmont.lab.models import LogisticRegression, OwnModel
from belmont.lab.own.folder import bundle_of
from belmont.lab.permit import Permit
from belmont.lab.study import Study
from belmont.vault.cid import RAW, Cid

Approved = Callable[[Study], Permit]


@pytest.fixture
def approved(consortium: Consortium) -> Approved:
    def vote(study: Study) -> Permit:
        study.vote(*consortium.board[:2], approve=True, reason="read")
        study.accept(*consortium.hospitals)
        return study.permit()

    return vote


def applied(consortium: Consortium, model: Any, **choices: Any) -> Study:
    return consortium.propose("Own code", model=model, **({"rounds": 4, "queries": 0, "min_cohort": 10} | choices))


def kept_at(consortium: Consortium, study: Study) -> Path:
    assert consortium.home is not None
    cid = Cid(bytes((1, RAW)) + b"\x12\x20" + study.record.terms.code_hash)
    return consortium.home.path / FOLDER / str(cid)


def test_the_hospitals_run_the_folder_that_was_applied_with(
    consortium: Consortium, written: Written, approved: Approved
) -> None:
    model = written.model(app_config={"local-steps": 3})
    permit = approved(applied(consortium, model))
    assert permit.record.terms.code_hash == model.code_hash and permit.record.terms.config_hash == model.config_hash
    model.fit(permit, rounds=2)
    tables = [node_table(consortium, each) for each in consortium.hospitals]
    rehearsal = Rehearsal(model.bundle, model.config, model.initial(), model.combine(), tables, min_cohort=10)
    rehearsal.round()
    assert np.allclose(model.arrays_["weights"], rehearsal.round().model["weights"], atol=1e-6)
    assert model.predict_proba(consortium.yardstick.fresh_table).shape[1] == 2
    assert "auc" in model.result_.history


def node_table(consortium: Consortium, hospital: Any) -> Any:
    from belmont.lab.hospital_files import stored_rows

    return stored_rows(consortium.home_here, hospital.slug, consortium.registry, hospital.dataset_id).table


def test_a_folder_that_changed_after_the_application_opens_no_round_and_names_the_file(
    consortium: Consortium, written: Written, approved: Approved
) -> None:
    model = written.model()
    permit = approved(applied(consortium, model))
    written.edit("some steps of", "more steps of")
    with pytest.raises(LabError, match=r"my_model/client_app.py \(changed\)"):
        model.fit(permit)
    with pytest.raises(LabError, match="approved with other configuration"):
        written.edit("more steps of", "some steps of").model(app_config={"local-steps": 11}).fit(permit)
    assert permit.record.rounds_opened == 0
    model.fit(permit, rounds=1)
    assert permit.record.rounds_opened == 1


def test_the_board_sees_the_difference_against_the_template_without_running_it(
    consortium: Consortium, written: Written, tmp_path: Path
) -> None:
    trace = tmp_path / "ran"
    model = written.model(app_config={"local-steps": 7})
    model.initial()
    evil = f"open({str(trace)!r}, 'w')  # <script>alert(1)</script>\n"
    written.app.write_text(written.app.read_text() + evil)
    study = applied(consortium, model)
    card = study._repr_html_()
    assert "files against the template: 1 changed" in card and "my_model/client_app.py" in card
    assert "<script>" not in card and html.escape("<script>alert(1)</script>") in card
    assert "local-steps" in card and ">7<" in card
    code = study.code()
    assert dict(code.files) == model.files and code.hash == model.code_hash and code.config == model.config
    assert "<script>" not in code._repr_html_() and "client_app.py" in repr(code)
    assert evil.strip() in study.code_diff("template").to_text()
    assert not trace.exists()


def test_an_app_that_ships_with_belmont_is_shown_to_be_unchanged(consortium: Consortium) -> None:
    study = applied(consortium, LogisticRegression(("age",), "cvd_event"))
    assert "the same files as the shipped app glm" in study._repr_html_()
    assert study.code_diff().changed == ()
    assert study.code_diff("template").changed
    with pytest.raises(LabError, match="'template', 'cox', 'glm'"):
        study.code_diff("nothing")


def test_an_amendment_is_shown_against_the_permit_it_amends(
    consortium: Consortium, written: Written, approved: Approved
) -> None:
    permit = approved(applied(consortium, written.model()))
    assert permit.code()["my_model/client_app.py"].startswith('"""What runs')
    written.edit("some steps of", "a few steps of")
    study = permit.amend(reason="other steps", model=written.model(app_config={"local-steps": 2}))
    found = study.code_diff()
    assert found.left == f"permit {permit.id}"
    assert [each.name for each in found.changed] == ["my_model/client_app.py"]
    assert found.settings == (("local-steps", "10", "2"),)
    assert f"files against permit {permit.id}: 1 changed; 1 settings differ" in study._repr_html_()
    assert study.code_diff(against=permit).changed == found.changed


def test_kept_code_that_was_changed_on_this_machine_is_not_shown(consortium: Consortium, written: Written) -> None:
    study = applied(consortium, written.model())
    path = kept_at(consortium, study)
    kept = path.read_bytes()
    other = written.edit("some steps of", "evil steps of").model().bundle
    path.write_bytes(other)
    for show in (study.code, study.code_diff):
        with pytest.raises(LabError, match="not on this machine, or was changed here"):
            show()
    assert "not on this machine, or was changed here" in study._repr_html_()
    with pytest.raises(LabError, match="its hash is another"):
        study.code(bundle=other)
    assert study.code(bundle=kept).hash == study.record.terms.code_hash
    assert path.read_bytes() == kept


def test_a_board_elsewhere_takes_the_bundle_that_was_sent_by_its_hash_alone(
    consortium: Consortium, written: Written, tmp_path: Path
) -> None:
    study = applied(consortium, written.model())
    kept_at(consortium, study).unlink()
    sent = tmp_path / "my_model.fab"
    sent.write_bytes(b"PK not a bundle")
    with pytest.raises(LabError, match="its hash is another"):
        study.code(bundle=sent)
    sent.write_bytes(bundle_of(written.path))
    assert study.code(bundle=sent).package == "my_model"
    assert study.code().hash == study.record.terms.code_hash


def test_a_column_that_the_dictionary_lacks_is_refused_before_an_application(
    consortium: Consortium, written: Written
) -> None:
    with pytest.raises(LabError, match="no column height"):
        applied(consortium, OwnModel(written.path, ("height",), "cvd_event"))
