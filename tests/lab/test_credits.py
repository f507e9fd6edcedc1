"""Credits account for what institutions and patients contributed, line by line with the use that brought it."""

from collections.abc import Callable

import pytest

from belmont.lab import Consortium, mean
from belmont.lab.errors import LabError
from belmont.lab.permit import Permit
from belmont.registry.errors import RegistryRefused

Bare = Callable[..., Consortium]


def test_every_row_of_a_use_is_a_credit_shared_with_the_patients(consortium: Consortium, permit: Permit) -> None:
    before = consortium.credits()
    permit.train(rounds=2)
    permit.query(mean("hba1c"))
    after = consortium.credits()
    for hospital in consortium.hospitals:
        version = consortium.registry.version(hospital.dataset_id, 1)
        assert version is not None
        patients = 3 * (version.rows * 30 // 100)
        gained = after["earned"] - before["earned"]
        assert gained[hospital.name] == 3 * version.rows - patients
        assert gained[f"patients of {hospital.dataset_name}"] == patients
    assert (after["left"] == after["earned"] - after["redeemed"]).all()


def test_a_statement_names_study_and_use_of_every_line_and_adds_up(consortium: Consortium, permit: Permit) -> None:
    permit.train(rounds=2)
    permit.query(mean("hba1c"))
    hospital = consortium.hospitals[0]
    statement = consortium.statement(hospital)
    lines = [f"{use} of permit {permit.id}, A small study" for use in ("round 1", "round 2", "query 1")]
    assert statement["what"].tolist()[-3:] == lines
    assert set(statement["dataset"]) == {hospital.dataset_name}
    assert (
        statement["left"].iloc[-1] == statement["to institution"].sum() == consortium.credits()["left"][hospital.name]
    )
    assert statement["to patients"].sum() == consortium.credits()["earned"][f"patients of {hospital.dataset_name}"]
    assert consortium.statement(hospital.address).equals(statement)


def test_the_picture_has_a_bar_for_every_dataset(consortium: Consortium, permit: Permit) -> None:
    permit.train(rounds=1)
    picture = consortium.contributions()
    (axes,) = picture.figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == list(consortium.dataset_names.values())
    widths = sum(patch.get_width() for patch in axes.patches)
    assert widths == consortium.credits()["earned"].sum()
    assert picture.svg().startswith("<svg")


def test_whoever_contributed_nothing_has_nothing(bare: Bare) -> None:
    consortium = bare()
    assert (consortium.credits()[["earned", "redeemed", "left"]] == 0).all().all()
    assert len(consortium.credits()) == 2 * len(consortium.hospitals)
    assert consortium.statement(consortium.hospitals[0]).empty
    assert consortium.contributions().svg()
    with pytest.raises(LabError, match="never a member"):
        consortium.statement("0x" + "11" * 20)  # type: ignore[arg-type]


def test_a_redemption_is_voted_on_with_its_note(bare: Bare) -> None:
    consortium = bare()
    hospital = consortium.hospitals[0]
    own = hospital.propose_redemption(10, "a nurse for the consent desk")
    assert own.says == f"{hospital.name} redeems 10 of its own credits"
    assert "a nurse for the consent desk" in own._repr_html_()
    pool = consortium.board[2].propose_redemption(5, "travel of the patients' council", patients_of=hospital)
    assert pool.says.endswith(f"redeems 5 credits for the patients of {hospital.dataset_name}")
    assert consortium.proposals()["votes"].tolist() == ["1 of 4", "1 of 4"]
    own.support(*consortium.board, consortium.hospitals[1])
    assert own.status == "carried"


def test_more_than_was_earned_is_not_redeemed_and_a_note_is_asked_for(bare: Bare, movable) -> None:  # type: ignore[no-untyped-def]
    consortium = bare(url=movable.url)
    proposal = consortium.hospitals[0].propose_redemption(10, "too much")
    proposal.support(*consortium.board, consortium.hospitals[1])
    with pytest.raises(LabError, match="what the credits are redeemed for"):
        consortium.hospitals[0].propose_redemption(10, " ")
    for amount in (0, -3, 1.5, True):
        with pytest.raises(LabError, match="whole number of credits"):
            consortium.hospitals[0].propose_redemption(amount, "a note")  # type: ignore[arg-type]
    with Consortium.connect(movable.move(8), consortium.home_here.path) as later:
        with pytest.raises(RegistryRefused, match=r"CREDITS_EXHAUSTED.*at most what was earned"):
            later.enact(1)
        assert later.proposal(1).status == "can be enacted"
