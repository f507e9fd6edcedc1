"""Queries and rounds that cannot be answered, found before they are opened: what is opened is used up, whoever refuses.

Queries:

1. The permit has a query left.
2. Enough hospitals are covered: three, since of two each could subtract its own answer, or more where the permit asks.
3. Each covered dataset's newest version was built at the consents of now, since a query is over whole versions.

Rounds:

4. The model is the one that the permit was applied for with.
5. A secure sum is over three hospitals at least: of two each could subtract its own part.

Everything else is for the nodes to say, and so is all of it where a permit is frozen, revoked, expired or superseded.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from belmont.federated.secagg.context import PARTICIPANTS_MIN
from belmont.federated.secagg.settings import SECURE_SUM_KEY
from belmont.lab.errors import LabError
from belmont.registry.limits import TOTAL_HOSPITALS_MIN
from belmont.registry.protocol import Registry
from belmont.registry.types import AnswerMode, DatasetId, Permit

if TYPE_CHECKING:
    from belmont.lab.models import StudyModel

    pass


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


def refuse_hopeless_training(permit: Permit, model: "StudyModel", participants: Sequence[DatasetId]) -> None:
    """Raises ``LabError`` for a round that every node would refuse."""
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
    refuse_few_for_sums(model, len(participants))  # 5


def refuse_few_for_sums(model: "StudyModel", hospitals: int) -> None:
    """Raises ``LabError`` where a model's sums are secure and there are too few hospitals to hide one in them (5)."""
    if SECURE_SUM_KEY in model.config and hospitals < PARTICIPANTS_MIN:
        raise LabError(
            f"this model asks for secure sums, which need {PARTICIPANTS_MIN} hospitals, and there are {hospitals}: of "
            f"two, each could subtract its own part; {_UNUSED}"
        )


def is_older(registry: Registry, dataset_id: DatasetId) -> bool:
    """Whether a dataset's newest version was built at other consents than those of now."""
    dataset = registry.dataset(dataset_id)
    version = registry.version(dataset_id, dataset.versions) if dataset else None
    return dataset is not None and version is not None and version.consent_root != dataset.consent_root


_UNUSED = "nothing was used"
