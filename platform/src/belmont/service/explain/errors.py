"""Errors of ``service/explain``.

ExplainError
`- OtherDocument     a configuration or bundle whose hash is not the one on chain
"""

from belmont.service.errors import ServiceError


class ExplainError(ServiceError):
    """Nothing is explained."""


class OtherDocument(ExplainError):
    """What was given is not what the chain has the hash of: words about it would be about something else."""
