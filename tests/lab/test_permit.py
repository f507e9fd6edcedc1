"""A permit in a notebook: what it allows works, what it does not is refused by every hospital's own node."""

import numpy as np
import pytest

from belmont.federated.errors import QueryRefused, RoundRefused
from belmont.federated.models.training import RoundResult, Training
from belmont.lab import Consortium, count, histogram, mean, total
from belmont.lab.attempts import attempts
from belmont.lab.demo import one_round_more, refused_query
from belmont.lab.errors import LabError
from belmont.lab.permit import Permit
from belmont.registry.errors import RegistryRefused


def test_federated_rounds_reach_the_pooled_model(consortium: Consortium, permit: Permit) -> None:
    training = permit.train()
    assert [result.n for result in training.rounds] == [1, 2, 3]
    assert abs(training.auc - training.auc_pooled) < 0.01
    assert 0.6 < training.auc < training.auc_true_risk + 0.02
    assert list(training.history.index) == [1, 2, 3]
    assert training.compare().notna().all().all()
    for picture in (training.plot_learning(), training.plot_coefficients(), training.plot_roc()):
        assert picture.svg().startswith("<svg")


def test_training_goes_on_where_it_stopped(permit: Permit) -> None:
    first = permit.train(rounds=1)
    both = permit.train(rounds=1, start=first)
    assert [result.n for result in both.rounds] == [1, 2]
    assert both.rounds[1].metrics["loss"] < both.rounds[0].metrics["loss"]


def test_one_round_more_than_approved_is_refused_by_every_node(permit: Permit) -> None:
    permit.train()
    with pytest.raises(RoundRefused) as refused:
        permit.train(rounds=1)
    assert [str(reason) for reason in refused.value.reasons] == ["ROUNDS_EXHAUSTED"]
    assert permit.record.rounds_opened == 3


def test_encrypted_answers_are_exactly_the_clear_ones(consortium: Consortium, permit: Permit) -> None:
    frames = [table.decode() for table in consortium.yardstick.tables]
    values = np.concatenate([frame["hba1c"].to_numpy(dtype=float) for frame in frames])
    assert permit.query(mean("hba1c")).value == pytest.approx(np.nanmean(values), abs=1e-12)
    answer = permit.query(total("age", sex=["female"]))
    ages = sum(frame.loc[frame["sex"] == "female", "age"].sum() for frame in frames)
    assert answer.value == ages
    assert permit.query(count(age=(60, 110))).value == sum((frame["age"] >= 60).sum() for frame in frames)


def test_a_histogram_hides_small_cells_of_each_hospital(consortium: Consortium, permit: Permit) -> None:
    frame = permit.query(histogram("smoking")).to_frame()
    clear = sum(table.decode()["smoking"].value_counts() for table in consortium.yardstick.tables)
    full = frame[frame["hospitals"] == 3]
    assert len(full) >= 2
    for name, row in full.iterrows():
        if name != "missing":
            assert row["patients"] == clear[name]


def test_everything_that_the_permit_does_not_allow_is_refused_by_every_hospital(permit: Permit) -> None:
    training = permit.train(rounds=2)
    tried = list(attempts(permit, training.model, training.rounds[0].model))
    assert all(attempt.refused_by_all for attempt in tried)
    assert [attempt.reasons for attempt in tried] == [
        ["PERMIT_MISSING"],
        ["CODE_MISMATCH"],
        ["CONFIG_MISMATCH"],
        ["PURPOSE_MISMATCH"],
        ["TOO_FEW_HOSPITALS"],
        ["ROUND_NOT_OPEN"],
        ["MODEL_MISMATCH"],
        ["ALREADY_SERVED"],
        ["NOT_THE_DATA_USER"],
    ]
    assert len(permit.uses()) == 2 * 3


def test_nor_is_it_where_sums_are_secure(consortium: Consortium) -> None:
    study = consortium.propose("Secure", rounds=3, queries=0, min_cohort=10)
    permit = study.vote(*consortium.board[:2]).accept(*consortium.hospitals).permit()
    training = permit.train(rounds=2)
    tried = list(attempts(permit, training.model, training.rounds[0].model))
    assert all(attempt.refused_by_all for attempt in tried)
    assert [attempt.reasons for attempt in tried] == [
        ["PERMIT_MISSING"],
        ["CODE_MISMATCH"],
        ["CONFIG_MISMATCH"],
        ["PURPOSE_MISMATCH"],
        ["TOO_FEW_HOSPITALS"],
        ["ROUND_NOT_OPEN"],
        ["MODEL_MISMATCH"],
        ["ALREADY_SERVED"],
        ["NOT_THE_DATA_USER"],
    ]


def test_a_freeze_stops_the_next_round_and_the_board_can_lift_it(consortium: Consortium, permit: Permit) -> None:
    permit.freeze(consortium.hospitals[0], reason="looking into it")
    assert permit.status == "frozen"
    with pytest.raises(RoundRefused, match="PERMIT_FROZEN"):
        permit.train(rounds=1)
    permit.lift(*consortium.board[:2])
    assert permit.status == "active"
    assert len(permit.train(rounds=1).rounds) == 1


def test_a_revocation_stops_rounds_and_queries_for_good(consortium: Consortium, permit: Permit) -> None:
    training = permit.train(rounds=1)
    permit.revoke(*consortium.board, reason="enough")
    assert permit.status == "revoked"
    with pytest.raises(RoundRefused, match="PERMIT_REVOKED"):
        permit.train(rounds=1, start=training)
    with pytest.raises(QueryRefused, match="PERMIT_REVOKED"):
        permit.query(mean("hba1c"))
    with pytest.raises(RegistryRefused):
        permit.lift(consortium.board[0])


def test_one_board_member_alone_revokes_nothing(consortium: Consortium, permit: Permit) -> None:
    permit.revoke(consortium.board[0], reason="alone")
    assert permit.status == "active"
    assert len(permit.train(rounds=1).rounds) == 1


def test_a_withdrawn_hospital_leaves_too_few(consortium: Consortium, permit: Permit) -> None:
    permit.withdraw(consortium.hospitals[2])
    with pytest.raises(RoundRefused, match="TOO_FEW_HOSPITALS"):
        permit.train(rounds=1)
    with pytest.raises(RoundRefused, match="DATASET_NOT_COVERED"):
        permit.train(rounds=1, datasets=tuple(hospital.dataset_id for hospital in consortium.hospitals))


def test_a_permit_shows_itself_with_its_status(consortium: Consortium, permit: Permit) -> None:
    assert "active" in permit._repr_html_()
    assert "0 of 3" in permit._repr_html_()
    assert "Permit(" in repr(permit)


@pytest.mark.parametrize("rounds", [0, -5, 4, 1.0, "two"])
def test_impossible_numbers_of_rounds_charge_nothing(permit: Permit, rounds: object) -> None:
    with pytest.raises(LabError, match="has 3 left"):
        permit.train(rounds=rounds)  # type: ignore[arg-type]
    assert permit.record.rounds_opened == 0


def test_rounds_that_ran_before_a_refusal_are_kept_and_can_be_continued(
    consortium: Consortium, permit: Permit, monkeypatch: pytest.MonkeyPatch
) -> None:
    hospital = consortium.hospitals[0]
    finished = Training.round

    def frozen_after_the_first(training: Training) -> RoundResult:
        result = finished(training)
        if result.n == 1:
            permit.freeze(hospital)
        return result

    monkeypatch.setattr(Training, "round", frozen_after_the_first)
    with pytest.raises(RoundRefused, match="PERMIT_FROZEN"):
        permit.train()
    kept = permit.last_training
    assert kept is not None and [result.n for result in kept.rounds] == [1]
    permit.lift(*consortium.board)
    assert [result.n for result in permit.train(start=kept).rounds] == [1, 2, 3]


def test_a_question_that_is_no_question_is_answered_with_how_to_ask(permit: Permit) -> None:
    with pytest.raises(LabError, match=r"mean\(\.\.\.\)"):
        permit.query("mean hba1c")  # type: ignore[arg-type]
    assert permit.record.queries_opened == 0


def test_a_query_without_enough_hospitals_or_with_none_left_is_not_opened(
    consortium: Consortium, permit: Permit
) -> None:
    permit.query(count())
    permit.query(count())
    other = consortium.propose("One question", rounds=0, queries=1, min_cohort=10)
    other = other.vote(*consortium.board[:2]).accept(*consortium.hospitals).issue()
    other.query(count())
    with pytest.raises(LabError, match="has 0 of 1 queries left"):
        other.query(count())
    with pytest.raises(QueryRefused, match="QUERIES_EXHAUSTED"):
        other.query(count(), check=False)
    permit.withdraw(consortium.hospitals[2])
    with pytest.raises(LabError, match=r"needs 3 hospitals and covers 2.*nothing was used"):
        permit.query(count())
    assert permit.record.queries_opened == 2


def test_what_was_answered_never_counts_as_refused(consortium: Consortium, permit: Permit) -> None:
    training = permit.train(rounds=1)
    assert not refused_query(permit, mean("hba1c")).refused_by_all
    assert not one_round_more(permit, training).refused_by_all
    permit.freeze(consortium.board[0])
    assert refused_query(permit, mean("hba1c")).refused_by_all
    assert one_round_more(permit, training).refused_by_all
