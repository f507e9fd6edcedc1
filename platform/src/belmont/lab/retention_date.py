"""A retention date: one to five years from now, as the contract Datasets takes it."""

from belmont.lab.errors import LabError
from belmont.registry.limits import RETENTION_MAX_SECONDS, RETENTION_MIN_SECONDS

YEAR_SECONDS = 365 * 86400
MARGIN_SECONDS = 3600
"""Kept from both bounds, since the contract counts from the block that takes it."""


def retention_until(years: float, now: int) -> int:
    """Unix seconds, so many years after ``now`` of the chain's clock. Raises ``LabError``."""
    if not isinstance(years, int | float) or isinstance(years, bool) or not 1 <= years <= 5:
        raise LabError(f"a dataset is kept one to five years, not {years!r}: give years=1 to years=5")
    least, most = RETENTION_MIN_SECONDS + MARGIN_SECONDS, RETENTION_MAX_SECONDS - MARGIN_SECONDS
    return now + min(max(round(years * YEAR_SECONDS), least), most)
