"""A study's run configuration, made in one place for every family and every caller: its hash is what a permit names.

1. Columns, the app's own settings, what is summed, noise, evaluation and bounds: each only where the study has it.
2. An evaluation is summed in the fraction bits of the rounds.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from belmont.federated.bounded.settings import UpdateBounds
from belmont.federated.errors import FederatedError
from belmont.federated.evaluation.layout import evaluation_sum
from belmont.federated.hashes import RunConfig
from belmont.federated.secagg.settings import SECURE_EVALUATION_KEY, SECURE_SUM_KEY, SecureSum

if TYPE_CHECKING:
    from belmont.federated.models.glm import PrivateSteps


def study_config(
    features: Sequence[str],
    outcome: str,
    missing_indicators: Sequence[str],
    settings: RunConfig,
    *,
    sums: SecureSum | None = None,
    private: "PrivateSteps | None" = None,
    bounds: UpdateBounds | None = None,
    evaluation: RunConfig | None = None,
) -> dict[str, str | int | float | bool]:
    """The configuration to apply with and to send. ``sums`` are the rounds' sums where only those can be read, with
    ``private`` those with noise; ``evaluation`` is `belmont.federated.evaluation.layout.evaluation_config`'s.

    Raises FederatedError for a column's name that would read as two, and for noise or bounds of no sum.
    """
    if any("," in name for name in (*features, *missing_indicators)):
        raise FederatedError("a column's name holds a comma, which separates names in a Flower configuration")
    if sums is None and (private is not None or bounds is not None):
        raise FederatedError("noise and bounds are of a secure sum: say what is summed")
    config: dict[str, str | int | float | bool] = {
        "features": ",".join(features),
        "missing-indicators": ",".join(missing_indicators),
        "outcome": outcome,
        **settings,
        **(evaluation or {}),
    }
    if private is not None:
        config |= {"step": private.step, "momentum": private.momentum, **private.noise.as_config()}
    if sums is not None:
        config[SECURE_SUM_KEY] = sums.to_text()
        if evaluation:
            config[SECURE_EVALUATION_KEY] = evaluation_sum(config, sums.fraction_bits).to_text()  # 2
    return config if bounds is None else config | bounds.to_config()
