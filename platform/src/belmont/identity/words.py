"""Purposes, categories of data and points in time in words, for whoever signs (docs/consents.md has the numbers)."""

from datetime import UTC, datetime

PURPOSES = {
    31: "method development",
    32: "population",
    33: "ancestry",
    34: "age category",
    35: "gender category",
    36: "research control",
    37: "biomedical",
    38: "genetic",
    39: "drug development",
    40: "disease category",
}
"""DUO codes; the code is the bit."""
CATEGORIES = (
    "demographics", "diagnoses", "measurements", "medication", "procedures", "images", "genomics", "documents",
)  # fmt: skip
"""By bit."""
CATEGORIES_MASK = (1 << len(CATEGORIES)) - 1
_YEAR_9999 = 253_370_764_800


def purposes(mask: int) -> str:
    return _named(mask, PURPOSES)


def categories(mask: int) -> str:
    return _named(mask, dict(enumerate(CATEGORIES)))


def moment(seconds: int) -> str:
    """Unix seconds as a date; what no calendar has stays a number."""
    if seconds >= _YEAR_9999:
        return f"second {seconds}"
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _named(mask: int, names: dict[int, str]) -> str:
    bits = [bit for bit in range(mask.bit_length()) if mask >> bit & 1]
    return ", ".join(names.get(bit, f"unknown ({bit})") for bit in bits) or "none"
