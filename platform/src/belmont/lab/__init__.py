"""What a notebook imports: ``from belmont.lab import Consortium, count, histogram, mean, total``."""

from belmont.lab.consortium import Consortium
from belmont.lab.models import LogisticModel
from belmont.lab.questions import count, histogram, mean, total

__all__ = ["Consortium", "LogisticModel", "count", "histogram", "mean", "total"]
