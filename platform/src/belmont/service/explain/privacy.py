"""Privacy budgets in words that a lay member can read: the one place that makes them.

1. What a budget guarantees is epsilon at the delta that notebooks use, ``belmont.federated.accounting.epsilon.DELTA``,
   as what holds for any release that was charged so much (``zcdp_epsilon``). A notebook that knows the plan of the
   noise may show a smaller one; this is never too small, so it is rounded up. Delta is said wherever epsilon is.
2. What epsilon means is said as what it bounds: how much likelier a conclusion about one patient gets by that patient's
   record being there.
3. What is bound and charged is rho of zero-concentrated differential privacy. It is given exactly, as a detail.
4. A budget of 0 is none: nothing is noised, and it is never said to be an epsilon of 0.
5. A share is rounded down, so that all is spent only where all is spent; what is above nothing is never said to be 0.
"""

import math
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context, Decimal

from belmont.federated.accounting.budget import MICRO
from belmont.federated.accounting.epsilon import DELTA, zcdp_epsilon
from belmont.registry.types import MicroRho
from belmont.service.words import Sentence, Share, Value

_STRONG, _WEAK = 1.0, 10.0
_MOST_FACTOR = 1e6
_STEPS = 1000
_ROUNDED_UP = Context(prec=3, rounding=ROUND_CEILING)
_ODDS = round(1 / DELTA)
NO_BUDGET = Sentence("no privacy budget")


def epsilon(rho: int) -> float:
    """At ``DELTA`` (1)."""
    return zcdp_epsilon(MicroRho(rho), DELTA)


def guarantee(rho: int) -> Sentence:
    """``epsilon at most 0.9 at a delta of one in 1,000,000``."""
    if not rho:
        return NO_BUDGET  # 4
    return Sentence("epsilon at most {epsilon} at a delta of one in {odds}", epsilon=_up(epsilon(rho)), odds=_ODDS)


def exact(rho: int) -> Sentence:
    """``rho 0.02``, of so many millionths (3)."""
    return Sentence("rho {rho}", rho=_decimal(rho))


def amount(rho: int) -> Sentence:
    """``epsilon at most 0.9 at a delta of one in 1,000,000 (rho 0.02)``: where a text has to be exact."""
    if not rho:
        return NO_BUDGET  # 4
    return Sentence("{guarantee} ({exact})", guarantee=guarantee(rho), exact=exact(rho))


def share(spent: int, allowed: int) -> Value:
    """How much of a budget is spent (5); ``allowed`` is above 0."""
    steps = min(_STEPS, spent * _STEPS // allowed)
    if spent and not steps:
        return Sentence("less than {share}", share=Share(1 / _STEPS))
    return Share(steps / _STEPS)


@dataclass(frozen=True)
class Spending:
    """So much of a budget, in millionths of rho."""

    spent: int
    allowed: int

    @property
    def said(self) -> Sentence:
        """Which share is spent."""
        if not self.allowed:
            return NO_BUDGET
        return Sentence("{share} is spent", share=share(self.spent, self.allowed))

    @property
    def guarantee(self) -> Sentence:
        """What holds when all of it is spent."""
        return guarantee(self.allowed)

    @property
    def meaning(self) -> Sentence:
        """What that means for one patient."""
        return meaning(self.allowed)

    @property
    def exact(self) -> Sentence:
        """``rho 0.01 of 0.02``."""
        return Sentence("rho {spent} of {allowed}", spent=_decimal(self.spent), allowed=_decimal(self.allowed))


def meaning(rho: int) -> Sentence:
    """What a budget means for one patient (2)."""
    if not rho:
        return Sentence("There is no privacy budget: totals are exact, and their number alone is limited.")
    found = epsilon(rho)
    factor = math.exp(min(found, math.log(_MOST_FACTOR)))
    said = {"epsilon": _up(found), "factor": _up(factor), "odds": _ODDS}
    if found <= _STRONG:
        return Sentence(
            "Epsilon is at most {epsilon}: whatever somebody concludes about one patient is at most {factor} times as "
            "likely as if that patient's record had not been there, except with a chance of one in {odds} (delta). "
            "That is strong protection.",
            **said,
        )
    if found <= _WEAK:
        return Sentence(
            "Epsilon is at most {epsilon}: whatever somebody concludes about one patient is at most {factor} times as "
            "likely as if that patient's record had not been there, except with a chance of one in {odds} (delta). "
            "That is some protection, as it is common in practice.",
            **said,
        )
    return Sentence(
        "Epsilon is up to {epsilon} at a delta of one in {odds}, which is so large that the noise hardly limits what "
        "can be concluded about one patient.",
        epsilon=_up(found),
        odds=_ODDS,
    )


def _up(bound: float) -> float:
    """To the three digits that are shown, or a whole number, and never down (1)."""
    return float(_ROUNDED_UP.create_decimal_from_float(bound)) if bound < _STEPS else math.ceil(bound)


def _decimal(rho: int) -> str:
    """Millionths as a decimal number, every digit of it."""
    return f"{(Decimal(int(rho)) / MICRO).normalize():f}"
