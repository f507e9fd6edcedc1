"""Queries and rounds that cannot be answered, found before they are opened: what is opened is used up, whoever refuses.

Queries:

1. The permit has a query left.
2. Enough hospitals are covered: three, since of two each could subtract its own answer, or more where the permit asks.
3. Each covered dataset's newest version was built at the consents of now, since a query is over whole versions.

Rounds:

4. The model is the one that the permit was applied for with.
5. A secure sum is over three hospitals at least: of two each could subtract its own part.

Both:

6. Each dataset's newest version has as many rows as the permit's minimum, by the chain. Where patients are kept apart,
   each by chance (`belmont.federated.node.data`), as many of them may be left to train on: it is refused where that
   happens less than once in a million times.
7. Of an evaluation, at some hospital as many may be kept apart, by the same chance; with noise no part is too small.

Everything else is for the nodes to say, and so is all of it where a permit is frozen, revoked, expired or superseded.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from belmont.federated.secagg.context import PARTICIPANTS_MIN
from belmont.federated.secagg.settings import SECURE_SUM_KEY
from belmont.lab.errors import LabError, NotYet
from belmont.registry.limits import TOTAL_HOSPITALS_MIN
from belmont.registry.protocol import Registry
from belmont.registry.types import AnswerMode, DatasetId, DatasetVersion, Permit

if TYPE_CHECKING:
    from belmont.lab.models import StudyModel

NEVER = 1e-6
"""A chance below it is none (6, 7)."""


def refuse_hopeless(registry: Registry, permit: Permit, names: Mapping[DatasetId, str]) -> None:
    """Raises ``LabError`` for a query that every node would refuse."""
    terms = permit.terms
    if terms.answer_mode is AnswerMode.PRIVATE:  # 1
        raise LabError(
            "queries are exact, and this permit is for rounds with noise: apply for one of its own for queries"
        )
    if permit.queries_opened >= terms.queries:
        raise LabError(f"this permit has 0 of {terms.queries} queries left; permit.amend(queries=...) asks for more")
    fewest = max(TOTAL_HOSPITALS_MIN, terms.min_hospitals)
    if len(permit.covered) < fewest:  # 2
        raise LabError(
            f"a query under this permit needs {fewest} hospitals and covers {len(permit.covered)}: {_UNUSED}"
        )
    older = [names.get(each, each.hex()[:12]) for each in permit.covered if is_older(registry, each)]
    if older:  # 3
        raise LabError(
            f"consents changed since the newest version of {', '.join(older)} was built: {_UNUSED}; "
            "consortium.new_version(hospital).prove() first"
        )
    _refuse_few_rows(registry, permit, permit.covered, names)  # 6


def refuse_hopeless_training(
    registry: Registry,
    permit: Permit,
    model: "StudyModel",
    participants: Sequence[DatasetId],
    names: Mapping[DatasetId, str],
) -> None:
    """Raises ``LabError`` for a round of training that nodes would refuse."""
    _refuse_other_models(permit, model)  # 4
    refuse_few_for_sums(model, len(participants))  # 5
    _refuse_few_rows(registry, permit, participants, names, 1.0 - model.holdout)  # 6


def refuse_hopeless_evaluation(
    registry: Registry,
    permit: Permit,
    model: "StudyModel",
    participants: Sequence[DatasetId],
    names: Mapping[DatasetId, str],
) -> None:
    """Raises ``LabError`` for an evaluation that nodes would refuse, ``NotYet`` where nobody has anything to add."""
    _refuse_other_models(permit, model)  # 4
    refuse_few_for_sums(model, len(participants))  # 5
    _refuse_few_rows(registry, permit, participants, names)  # 6
    least = permit.terms.min_cohort
    versions = [newest_version(registry, each) for each in participants]
    if model.private is None and all(each and not _may_have(each.rows, model.holdout, least) for each in versions):  # 7
        raise NotYet(
            f"every hospital's part that is kept apart is too small: the permit's minimum is {least} patients, and "
            f"holdout is {model.holdout:g} of them; {_UNUSED}"
        )


def _refuse_other_models(permit: Permit, model: "StudyModel") -> None:
    terms = permit.terms
    differ = [
        word
        for word, ours, approved in (
            ("code", model.code_hash, terms.code_hash),
            ("configuration", model.config_hash, terms.config_hash),
        )
        if ours != approved
    ]
    if differ:  # 4
        raise LabError(
            f"permit {permit.id} was approved with other {' and '.join(differ)} than this model's, and hospitals would "
            f"refuse it: {_UNUSED}; give permit.train(model=...) what propose(..., model=...) was given, with the same "
            "features, secure=, largest= and noise"
        )


def refuse_few_for_sums(model: "StudyModel", hospitals: int) -> None:
    """Raises ``LabError`` where a model's sums are secure and there are too few hospitals to hide one in them (5)."""
    if SECURE_SUM_KEY in model.config and hospitals < PARTICIPANTS_MIN:
        raise LabError(
            f"this model asks for secure sums, which need {PARTICIPANTS_MIN} hospitals, and there are {hospitals}: of "
            f"two, each could subtract its own part; {_UNUSED}"
        )


def _refuse_few_rows(
    registry: Registry,
    permit: Permit,
    participants: Sequence[DatasetId],
    names: Mapping[DatasetId, str],
    kept: float = 1.0,
) -> None:
    """Raises ``LabError`` where a hospital has fewer rows than the minimum, or surely fewer in this part of them."""
    least = permit.terms.min_cohort
    for each in participants:
        version = newest_version(registry, each)
        if version is not None and not _may_have(version.rows, kept, least):
            part = "" if kept == 1.0 or version.rows < least else f", about {version.rows * kept:,.0f} to train on"
            raise LabError(
                f"{names.get(each, each.hex()[:12])} has {version.rows:,} rows{part}, and this permit's minimum is "
                f"{least:,} at each hospital: {_UNUSED}; permit.amend(min_cohort=...) asks for fewer"
            )


def _may_have(rows: int, part: float, least: int) -> bool:
    """Whether so many of the rows may be in a part that each is in with this chance."""
    if rows < least or part >= 1.0:
        return rows >= least
    from scipy.stats import binom

    return bool(binom.sf(least - 1, rows, part) >= NEVER)


def newest_version(registry: Registry, dataset_id: DatasetId) -> DatasetVersion | None:
    """What nodes compute on; None where there is none."""
    dataset = registry.dataset(dataset_id)
    return registry.version(dataset_id, dataset.versions) if dataset else None


def is_older(registry: Registry, dataset_id: DatasetId) -> bool:
    """Whether a dataset's newest version was built at other consents than those of now."""
    dataset, version = registry.dataset(dataset_id), newest_version(registry, dataset_id)
    return dataset is not None and version is not None and version.consent_root != dataset.consent_root


_UNUSED = "nothing was used"
