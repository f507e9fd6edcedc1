"""How large a local consortium may be."""

from belmont.lab.errors import LabError
from belmont.lab.home import SyntheticSource

FEWEST_HOSPITALS, MOST_HOSPITALS = 3, 16
FEWEST_PATIENTS_EACH = 150
"""With fewer, a hospital may have too few cases for its node to let them be trained on."""


def refuse_sizes(source: SyntheticSource) -> None:
    """Raises ``LabError`` for numbers that no study could run on."""
    for name, value in (("hospitals", source.hospitals), ("patients", source.patients), ("seed", source.seed)):
        if type(value) is not int:
            raise LabError(f"{name} is {value!r}: give a whole number")
    if source.seed < 0:
        raise LabError(f"seed is {source.seed}: take 0 or a larger whole number")
    if not FEWEST_HOSPITALS <= source.hospitals <= MOST_HOSPITALS:
        raise LabError(
            f"hospitals is {source.hospitals}: take {FEWEST_HOSPITALS} to {MOST_HOSPITALS} "
            "(an encrypted total needs three)"
        )
    if source.patients < FEWEST_PATIENTS_EACH * source.hospitals:
        raise LabError(
            f"patients is {source.patients}: take at least {FEWEST_PATIENTS_EACH * source.hospitals}, which is "
            f"{FEWEST_PATIENTS_EACH} for each hospital on average"
        )
