"""What a notebook imports: ``from belmont.lab import Consortium, count, histogram, mean, total, variance``.

The names are loaded when first asked for, so that the command line can read its options without them.
"""

import importlib
from typing import Any

_MODULES = {
    "Consortium": "belmont.lab.consortium",
    "LinearRegression": "belmont.lab.models",
    "LogisticRegression": "belmont.lab.models",
    "OwnModel": "belmont.lab.models",
    "PoissonRegression": "belmont.lab.models",
    "HistGradientBoostingClassifier": "belmont.lab.models",
    "HistGradientBoostingRegressor": "belmont.lab.models",
    "count": "belmont.lab.questions",
    "draft_dictionary": "belmont.lab.own_tables",
    "histogram": "belmont.lab.questions",
    "mean": "belmont.lab.questions",
    "total": "belmont.lab.questions",
    "variance": "belmont.lab.questions",
}
__all__ = [*_MODULES]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'belmont.lab' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return __all__
