"""Privacy budgets in a notebook: what each dataset has spent and has left, and no round opened that is too much."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from belmont.federated.accounting.epsilon import DELTA, epsilon_of, zcdp_epsilon
from belmont.federated.models.privacy import left_for, spent_under
from belmont.lab.errors import LabError
from belmont.lab.models import StudyModel
from belmont.registry.protocol import Registry
from belmont.registry.types import AnswerMode, DatasetId, MicroRho, Permit, StudyTerms

if TYPE_CHECKING:
    import pandas as pd


def card(terms: StudyTerms) -> str:
    """What a permit's terms say of noise, in a line."""
    rho = terms.rho_per_dataset
    if terms.answer_mode is AnswerMode.EXACT and rho == 0:
        return "none: totals are exact"
    epsilon = f"epsilon {zcdp_epsilon(rho, DELTA):.3g} at most at delta {DELTA:g}"
    return f"{rho:,} micro-rho for each dataset, {epsilon}"


def frame(
    registry: Registry, permit: Permit, names: Mapping[DatasetId, str], model: StudyModel | None, delta: float
) -> "pd.DataFrame":
    """One row a dataset; what `Permit.budget` shows."""
    import pandas as pd

    plan = None if model is None else model.plan
    spent = spent_under(registry, permit, permit.covered, plan, delta)
    records = []
    for each, left in zip(spent, left_for(registry, permit, permit.covered), strict=True):
        more = None if plan is None else left.rho // plan.rho
        releases, at_end = None, each.rho + left.rho
        if plan is not None and more is not None and each.releases is not None:
            releases = each.releases + more
            at_end = releases * plan.rho
        row = {
            "dataset": names.get(each.dataset_id, each.dataset_id.hex()[:12]),
            "micro-rho spent": each.rho,
            "micro-rho left": left.rho,
            "left in permit": left.of_permit,
            "left in dataset": left.of_dataset,
            "epsilon spent": each.epsilon,
            "epsilon when all is spent": epsilon_of(MicroRho(at_end), delta, plan, releases),
        }
        records.append(row if more is None else row | {"rounds left": more})
    return pd.DataFrame(records).set_index("dataset")


def affordable(
    registry: Registry,
    permit: Permit,
    datasets: Sequence[DatasetId],
    names: Mapping[DatasetId, str],
    model: StudyModel,
    count: int,
    *,
    all_of_them: bool,
) -> int:
    """How many of ``count`` rounds every dataset has budget for. Raises LabError, saying what is left, where that is
    none, or fewer and all of them were asked for."""
    if not model.rho_per_round:
        return count
    left = left_for(registry, permit, datasets)
    rounds = min(each.rho // model.rho_per_round for each in left)
    if rounds >= count or (rounds and not all_of_them):
        return min(rounds, count)
    least = min(each.rho for each in left)
    who = ", ".join(names.get(each.dataset_id, each.dataset_id.hex()[:12]) for each in left if each.rho == least)
    have = "have" if sum(each.rho == least for each in left) > 1 else "has"
    cost = f"{count} rounds cost" if count > 1 else "1 round costs"
    enough = f"{rounds} round{'' if rounds == 1 else 's'}"
    raise LabError(
        f"{cost} {count * model.rho_per_round:,} micro-rho of each dataset, and {who} {have} {least:,} left, for "
        f"{enough}: nothing was opened; permit.amend(rho_per_dataset=...) asks for more, up to what the dataset has "
        "itself"
    )
