"""The rounds are driven by the data user's own process, which opens each on chain."""

from belmont.federated.models.driven import app

__all__ = ["app"]
