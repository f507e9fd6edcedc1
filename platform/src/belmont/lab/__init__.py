"""What a notebook imports: ``from belmont.lab import Consortium, count, histogram, mean, total, variance``.

The names are loaded when first asked for, so that the command line can read its options without them.
"""

import importlib
from typing import Any

_MODELS = (
    "CoxRegression",
    "HistGradientBoostingClassifier",
    "HistGradientBoostingRegressor",
    "KaplanMeier",
    "LinearRegression",
    "LogisticRegression",
    "MLPClassifier",
    "MLPRegressor",
    "OwnModel",
    "PoissonRegression",
    "TorchClassifier",
    "TorchRegressor",
)
_QUESTIONS = ("count", "histogram", "mean", "total", "variance")
_MODULES = {
    "Consortium": "belmont.lab.consortium",
    **dict.fromkeys(_MODELS, "belmont.lab.models"),
    **dict.fromkeys(_QUESTIONS, "belmont.lab.questions"),
    "draft_dictionary": "belmont.lab.own_tables",
    "write_template": "belmont.lab.own.templates",
}
__all__ = [*_MODULES]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'belmont.lab' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return __all__
