"""What a notebook imports: ``from belmont.lab import Consortium, count, histogram, mean, total, variance``.

The names are loaded when first asked for, so that the command line can read its options without them.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from belmont.lab.consortium import Consortium
    from belmont.lab.models import LogisticModel
    from belmont.lab.questions import count, histogram, mean, total, variance

__all__ = ["Consortium", "LogisticModel", "count", "histogram", "mean", "total", "variance"]

_MODULES = {
    "Consortium": "belmont.lab.consortium",
    "LogisticModel": "belmont.lab.models",
    "count": "belmont.lab.questions",
    "histogram": "belmont.lab.questions",
    "mean": "belmont.lab.questions",
    "total": "belmont.lab.questions",
    "variance": "belmont.lab.questions",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'belmont.lab' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return __all__
