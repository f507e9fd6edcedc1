"""What can go wrong in a notebook, beside what the registry and the nodes refuse.

LabError
├── HomeError               the consortium's directory is missing, foreign or half made
├── NotYet                  something that must come first has not happened (a vote, an acceptance)
├── DestructionIncomplete   something of a dataset can still be read: nothing is reported
├── ReportRefused           a destruction report that is not what it says, or not what the chain has
├── OutputRefused           a model does not pass the output check: it is not released
├── ServiceAway             an institution's service does not answer: nothing was handed in
└── ServiceRefused          it answers, and refuses; ``code`` is its word

A refused round or query raises ``RoundRefused`` or ``QueryRefused`` of ``belmont.federated.errors``, with each
hospital's own reason; a refused vote or acceptance raises ``RegistryRefused`` of ``belmont.registry.errors``.
"""


class LabError(Exception):
    """Base of the area's errors; the text says what to do."""


class HomeError(LabError):
    """The consortium's directory is missing, foreign or half made."""


class NotYet(LabError):
    """Something that must come first has not happened."""


class DestructionIncomplete(LabError):
    """Something of a dataset can still be read."""


class ReportRefused(LabError):
    """A destruction report is not what it says, or not what the chain has."""


class OutputRefused(LabError):
    """A model does not pass the output check. ``reasons`` are what it does not pass."""

    def __init__(self, reasons: list[str]) -> None:
        self.reasons = reasons
        super().__init__("this model is not released: " + "; ".join(reasons))


class ServiceAway(LabError):
    """An institution's service does not answer."""


class ServiceRefused(LabError):
    """An institution's service refuses, or answers what it should not. ``code`` is its word for it."""

    def __init__(self, code: str, text: str) -> None:
        self.code = code
        super().__init__(text)
