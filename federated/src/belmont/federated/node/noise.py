"""Noise in a round: what an approved configuration asks for, and one hospital's vector with it.

1. Settings are understood in full or refused (`belmont.federated.accounting.settings`), keys of other areas aside
   (`READ_ELSEWHERE`).
2. A round with noise is a secure sum of the form that is for it, in the same fraction bits, and no other round is: the
   noisy integers of a single hospital are nobody's to see, and nothing without noise is in a vector with it.
3. The settings' least number of contributors is at most the permit's ``min_hospitals``, and no sum of a round has fewer
   than that (`belmont.federated.secagg.settings.threshold_of`). Both are checked before anything is admitted.
4. The plan, so the charge, follows from settings and layout. The gate compares it with the budgets before the study's
   code gets a row, and the chain has it before anything leaves.
5. Noise is drawn once for one admission, here, after the study's code has ended and its answer was read. The same
   request gets the bytes that were kept (`Gate.again`). If the process ends before they are kept, the next one that
   takes the round up (`ledger.MOST_ATTEMPTS`) draws anew: the earlier noise was in that process's memory alone, since
   neither the chain nor anybody else hears of a vector before it is kept. So no two draws of a round are ever out.
6. Of the code's answer only arrays of the named form count, and how many rows they are is told to nobody. By row, more
   contributions than the cohort has rows are refused: each row has one.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from belmont.federated.accounting.clipping import MOST_TOTAL
from belmont.federated.accounting.release import ReleasePlan
from belmont.federated.accounting.settings import Clipping, PrivacySettings, read_settings
from belmont.federated.bounded.settings import BOUND_KEY, SQUARES_KEY
from belmont.federated.errors import EncodingRefused, PrivacyError, Refusal, SettingsRefused
from belmont.federated.hashes import Arrays, RunConfig
from belmont.federated.secagg.settings import SECURE_EVALUATION_KEY, SECURE_SUM_KEY, SecureSum
from belmont.federated.secagg.setup import Joined
from belmont.registry.reasons import Reason
from belmont.registry.types import Permit

READ_ELSEWHERE: Final = (SECURE_SUM_KEY, SECURE_EVALUATION_KEY, BOUND_KEY, SQUARES_KEY)
"""Keys of a run configuration that begin with ``belmont`` and that something else of a node reads as strictly."""


def read_noise(config: RunConfig, secure: SecureSum | None) -> PrivacySettings | None:
    """The noise that a configuration asks for, None for none (1, 2). Raises SettingsRefused."""
    settings = read_settings(config, READ_ELSEWHERE)
    is_private = secure is not None and secure.private
    if not isinstance(settings, PrivacySettings):
        if is_private:
            raise SettingsRefused("a secure sum is private, and no noise is named")
        return None
    if secure is None or not is_private:
        raise SettingsRefused("noise is added to a secure sum that is private, and to nothing else")
    if secure.fraction_bits != settings.fraction_bits:
        raise SettingsRefused("a secure sum's fraction bits and belmont-fraction-bits differ")
    return settings


def check_hospitals(settings: PrivacySettings, permit: Permit, joined: Joined) -> None:
    """Rule 3. Raises Refusal."""
    least, minimum = settings.min_contributors, permit.terms.min_hospitals
    if minimum < least:
        detail = f"noise is for {least} hospitals at least, and the permit allows sums of {minimum}"
        raise Refusal(Reason.TOO_FEW_HOSPITALS, detail)
    if joined.context.threshold < least:
        detail = f"noise is for {least} hospitals at least, and a sum of {joined.context.threshold} could be opened"
        raise Refusal(Reason.TOO_FEW_HOSPITALS, detail)


def check_rows(plan: ReleasePlan, rows: int) -> None:
    """Refuse a version of so many rows, as the chain has them, that sums of its integers could grow too large."""
    if plan.settings.clipping is Clipping.EXAMPLE and rows * plan.settings.bound >= MOST_TOTAL:
        raise Refusal(Reason.REQUEST_MALFORMED, "so many rows need fewer belmont-fraction-bits")


@dataclass(frozen=True)
class Noisy:
    """What becomes of one admitted answer."""

    plan: ReleasePlan
    secure: SecureSum
    rows: int
    """Of the cohort."""

    def vector(self, arrays: Arrays) -> NDArray[np.int64]:
        """The vector to be masked, with noise (5, 6): call it once. Raises EncodingRefused or PrivacyError."""
        by_row = self.plan.settings.clipping is Clipping.EXAMPLE
        if tuple(arrays) != tuple(name for name, _ in self.secure.arrays):
            raise EncodingRefused("the arrays' names or order are not the configuration's")
        for array, (_, shape) in zip(arrays.values(), self.secure.arrays, strict=True):
            if (array.shape[1:] if by_row and array.ndim else array.shape) != shape:
                raise EncodingRefused("an array's shape is not the configuration's")
            if by_row and array.ndim and len(array) > self.rows:
                raise PrivacyError("there are more contributions than rows")
        return self.plan.release(arrays)
