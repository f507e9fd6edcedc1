"""The last step of every way into a coded table, shared so that all ways agree: checks between columns, then drops."""

import numpy as np
from numpy.typing import NDArray

from belmont.ehr.codebook import Codes, NumericBook
from belmont.ehr.dictionary import Check, Dictionary


def failed_checks(dictionary: Dictionary, codes: dict[str, Codes]) -> list[tuple[Check, NDArray[np.bool_]]]:
    """For each check, the rows that have both values and fail it."""
    result = []
    for check in dictionary.checks:
        left, right = dictionary.column(check.left).codebook, dictionary.column(check.right).codebook
        if isinstance(left, NumericBook) and isinstance(right, NumericBook):
            fails = left.decode_array(codes[check.left]) <= right.decode_array(codes[check.right])
            result.append((check, fails))
    return result
