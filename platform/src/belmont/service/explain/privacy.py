"""Privacy budgets in words: rho as the chain counts it, and the epsilon that it comes to.

1. Epsilon is shown at the delta that notebooks use, ``belmont.federated.accounting.epsilon.DELTA``, as what holds for
   any release that was charged so much (``zcdp_epsilon``). A notebook that knows the plan of the noise may show a
   smaller one; this is never too small.
2. What epsilon means is said as what it bounds: how much likelier a conclusion about one patient gets by that patient's
   record being there.
"""

import math

from belmont.federated.accounting.epsilon import DELTA, zcdp_epsilon
from belmont.registry.types import MicroRho
from belmont.service.words import Sentence

_STRONG, _WEAK = 1.0, 10.0
_MOST_FACTOR = 1e6


def epsilon(rho: int) -> float:
    """At ``DELTA`` (1)."""
    return zcdp_epsilon(MicroRho(rho), DELTA)


def amount(rho: int) -> Sentence:
    """``20,000 micro-rho (epsilon at most 0.9)``."""
    return Sentence("{rho} micro-rho (epsilon at most {epsilon})", rho=rho, epsilon=epsilon(rho))


def meaning(rho: int) -> Sentence:
    """What a budget means for one patient (2)."""
    found = epsilon(rho)
    factor = math.exp(min(found, math.log(_MOST_FACTOR)))
    said = {"epsilon": found, "factor": factor, "odds": round(1 / DELTA)}
    if found <= _STRONG:
        return Sentence(
            "Epsilon is at most {epsilon}: whatever somebody concludes about one patient is at most {factor} times as "
            "likely as if that patient's record had not been there, except with a chance of one in {odds}. That "
            "is strong protection.",
            **said,
        )
    if found <= _WEAK:
        return Sentence(
            "Epsilon is at most {epsilon}: whatever somebody concludes about one patient is at most {factor} times as "
            "likely as if that patient's record had not been there, except with a chance of one in {odds}. That "
            "is some protection, as it is common in practice.",
            **said,
        )
    return Sentence(
        "Epsilon is up to {epsilon}, which is so large that the noise hardly limits what can be concluded about one "
        "patient.",
        epsilon=found,
    )
