"""The largest numbers of which a bounded update can be proved."""

from typing import Final

MOST_COORDINATES: Final = 1 << 22
MOST_BOUND: Final = (1 << 31) - 1
MOST_NORM_SQUARED: Final = (1 << 63) - 1
MOST_PARTICIPANTS: Final = 1024
