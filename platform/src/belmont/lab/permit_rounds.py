"""Rounds of a permit: what ``Permit.train`` and ``Permit.evaluate`` do.

1. What the chain says will be refused is not opened (`belmont.lab.hopeless`), and neither is what the budget is too
   small for (`belmont.lab.budgets`): an opened round is used.
2. All rounds of a permit have one preparation. Nodes hold that; what ran from here is compared before one is opened.
3. The number of evaluations is the nodes' to hold, too; those that were opened from here are counted.
4. What finished before a refusal or an interrupt is kept, in ``permit.last_training``.
"""

from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np

from belmont.federated.errors import EncodingRefused, RoundRefused
from belmont.federated.evaluation.layout import EVALUATES, SURVIVAL
from belmont.federated.hashes import Arrays
from belmont.federated.models.combine import Combine, Update
from belmont.federated.models.training import Training
from belmont.federated.node.design import REFERENCES
from belmont.lab import budgets, documents, evaluations
from belmont.lab.errors import LabError, NotYet
from belmont.lab.hopeless import refuse_hopeless_evaluation, refuse_hopeless_training
from belmont.lab.models import LogisticRegression, StudyModel
from belmont.lab.people import Hospital, dataset_ids
from belmont.lab.performance import Performance
from belmont.lab.preparation import Preparation
from belmont.lab.survival_performance import SurvivalPerformance
from belmont.lab.training import TrainingResult, watched
from belmont.registry.reasons import Reason
from belmont.registry.types import DatasetId, PermitId
from belmont.registry.types import Permit as PermitRecord

if TYPE_CHECKING:
    from belmont.federated.grid.deployed import DeployedGrid
    from belmont.federated.grid.in_process import InProcessGrid
    from belmont.lab.permit import Permit


def train(
    permit: "Permit",
    rounds: int | None,
    model: StudyModel | None,
    start: TrainingResult | None,
    datasets: Sequence[DatasetId | Hospital] | None,
    delta: float,
    preparation: Preparation | None,
    *,
    check: bool,
    until_finished: bool,
) -> TrainingResult:
    """See ``Permit.train``."""
    record, host = permit.record, permit.consortium
    chosen = model or host.models.get(permit.id) or LogisticRegression.default()
    participants = dataset_ids(datasets) if datasets else record.covered
    left = record.terms.rounds - record.rounds_opened
    if rounds is not None and (type(rounds) is not int or rounds < 1 or rounds > max(left, 1)):
        raise LabError(f"rounds is {rounds!r}: this permit has {left} left, and a call trains at least one")
    count = max(left, 1) if rounds is None else rounds
    registry, names = host.registry, host.dataset_names
    if check and permit.status == "active":  # 1
        _refuse_other_code(permit, record, chosen)
        refuse_hopeless_training(registry, record, chosen, participants, names)
    count = budgets.affordable(registry, record, participants, names, chosen, count, all_of_them=rounds is not None)
    earlier = start.rounds if start else []
    begun = start.rounds[-1].model if start and start.rounds else chosen.start(preparation)
    if check:
        _refuse_other_preparation(permit, record, begun)
    permit.last_training = result = TrainingResult(chosen, [*earlier], host.yardstick_or_none)
    with closing(host.grid(participants)) as grid:
        grid.deliver(chosen.bundle)
        training = _training(permit, grid, chosen, begun, chosen.step(), participants, delta)
        with watched(training.rounds(count), count, earlier) as results:
            try:
                before = training.model
                for finished in results:
                    result.rounds.append(finished)  # 4
                    host.prepared.setdefault(_line(record), _prepared(begun))
                    result.updates = training.updates
                    if until_finished and chosen.is_finished(before, finished.model):
                        break
                    before = finished.model
            except RoundRefused as refused:
                _explain(refused, record, chosen)
                raise
    return result


def evaluate(permit: "Permit", model: StudyModel, delta: float, *, check: bool) -> Performance:
    """See ``Permit.evaluate``."""
    if not model.holdout:
        raise LabError("no patients are kept apart: apply with a model that has holdout=0.25 or the like")
    arrays = model.fitted_arrays
    record, host = permit.record, permit.consortium
    participants, registry, names = record.covered, host.registry, host.dataset_names
    if check and permit.status == "active":  # 1
        _refuse_other_code(permit, record, model)
        refuse_hopeless_evaluation(registry, record, model, participants, names)
        if record.rounds_opened >= record.terms.rounds:
            raise LabError("an evaluation is a round, and none is left: permit.amend(rounds=...) asks for more")
        evaluations.refuse_none_left(permit, model)  # 3
    budgets.affordable(registry, record, participants, names, model, 1, all_of_them=True)
    if check:
        _refuse_other_preparation(permit, record, arrays)
    with closing(host.grid(participants)) as grid:
        grid.deliver(model.bundle)
        training = _training(permit, grid, model, arrays, _unchanged, participants, delta)
        try:
            result = training.evaluate()
        except RoundRefused as refused:
            _explain(refused, record, model)
            raise
        except EncodingRefused as error:
            raise NotYet(
                "every hospital's part that is kept apart is too small for the permit's safeguards: the permit's "
                f"minimum is {record.terms.min_cohort} patients, and some of either outcome; the round is used"
            ) from error
        finally:
            evaluations.note(permit, record)
    host.prepared.setdefault(_line(record), _prepared(arrays))
    of_kind = SurvivalPerformance if model.config[EVALUATES] == SURVIVAL else Performance
    performance = model.performance_ = of_kind(model, permit, result)
    return performance


def _refuse_other_code(permit: "Permit", record: PermitRecord, model: StudyModel) -> None:
    code = record.terms.code_hash
    model.refuse_other_code(code, documents.found(permit.consortium.home, code))


def _refuse_other_preparation(permit: "Permit", record: PermitRecord, arrays: Arrays) -> None:
    """Raises ``LabError`` for another preparation than that of the rounds that ran from here (2)."""
    prepared = _prepared(arrays)
    if permit.consortium.prepared.get(_line(record), prepared) != prepared:
        raise LabError(
            "all rounds of a permit have one preparation, or none, and those that ran had another: nothing was "
            "used; give the same preparation=, or apply for a permit of its own"
        )


def _line(record: PermitRecord) -> PermitId:
    return record.line or record.id


def _prepared(arrays: Arrays) -> bytes:
    """By what a round standardises; empty for nothing."""
    return np.asarray(arrays.get(REFERENCES, ()), np.float64).tobytes()


def _explain(refused: RoundRefused, record: PermitRecord, model: StudyModel) -> None:
    """Adds to a refusal what the hospitals' reasons do not say."""
    if record.superseded_by:
        refused.add_note(f"permit {record.superseded_by} took the place of this one: permit.successor")
    if Reason.EVALUATIONS_EXHAUSTED in refused.reasons:
        refused.add_note(
            "hospitals count every evaluation that they admitted, from wherever it was asked, with those of amended "
            "permits; permit.amend(model=...) with more evaluations= asks for more"
        )
    if model.largest is not None and any(each.status == "failed" for each in refused.hospitals):
        refused.add_note(
            f"largest is {model.largest:,g}: a hospital with a larger number in its sums sends nothing, and that reads "
            "as code that failed. Such sums grow with a hospital's rows: apply with a few times those of the largest "
            "hospital."
        )


def _training(
    permit: "Permit",
    grid: "InProcessGrid | DeployedGrid",
    model: StudyModel,
    arrays: Arrays,
    combine: Combine,
    participants: tuple[DatasetId, ...],
    delta: float,
) -> Training:
    """The rounds of this permit, from a model's arrays on."""
    host = permit.consortium
    return Training(
        host.registry.as_(host.researcher.identity.account),
        grid,
        permit.id,
        config=model.config,
        model=arrays,
        combine=combine,
        participants=participants,
        node_ids=grid.node_ids,
        timeout_seconds=host.timeout_seconds,
        patience_seconds=host.patience_seconds,
        delta=delta,
    )


def _unchanged(model: Arrays, updates: Sequence[Update]) -> Arrays:
    """What an evaluation makes of a model."""
    return model
