"""How good predicted values are, from six sums over patients.

R2 is one minus the mean squared error over the outcome's variance. The error's interval is that of a variance of normal
errors; calibration intercept and slope are those of the regression of the outcome on the prediction.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from belmont.federated.evaluation.intervals import LEVEL, Estimate, deviations, normal


@dataclass(frozen=True)
class Moments:
    """``sums`` of shape (6,): 1, y, f, y^2, f^2, y f of outcome y and prediction f."""

    sums: NDArray[np.float64]

    @property
    def patients(self) -> float:
        return float(self.sums[0])

    @property
    def is_known(self) -> bool:
        return self.patients > 2

    def mean_outcome(self) -> float:
        return float(self.sums[1] / self.patients) if self.patients else np.nan

    def mean_prediction(self) -> float:
        return float(self.sums[2] / self.patients) if self.patients else np.nan

    def rmse(self) -> float:
        """Root of the mean squared error."""
        return float(np.sqrt(self._squares() / self.patients)) if self.patients else np.nan

    def rmse_interval(self, level: float = LEVEL) -> Estimate:
        from scipy.stats import chi2  # here, since hospitals need none of it

        if not self.is_known:
            return Estimate(self.rmse())
        low, high = chi2.ppf([0.5 + level / 2, 0.5 - level / 2], self.patients)
        return Estimate(self.rmse(), float(np.sqrt(self._squares() / low)), float(np.sqrt(self._squares() / high)))

    def r2(self) -> float:
        total = self._central(3, 1, 1)
        return float(1.0 - self._squares() / total) if self.patients and total > 0 else np.nan

    def correlation(self, level: float = LEVEL) -> Estimate:
        """Of outcome and prediction, with Fisher's interval (Metron 1:3, 1921)."""
        both, of_y, of_f = self._central(5, 1, 2), self._central(3, 1, 1), self._central(4, 2, 2)
        if not self.patients > 3 or not (of_y > 0 and of_f > 0):
            return Estimate(np.nan)
        value = float(np.clip(both / np.sqrt(of_y * of_f), -1.0, 1.0))
        half = deviations(level) / np.sqrt(self.patients - 3)
        middle = np.arctanh(np.clip(value, -1 + 1e-15, 1 - 1e-15))
        return Estimate(value, float(np.tanh(middle - half)), float(np.tanh(middle + half)))

    def slope(self) -> float:
        spread = self._central(4, 2, 2)
        return float(self._central(5, 1, 2) / spread) if self.patients and spread > 0 else np.nan

    def slope_interval(self, level: float = LEVEL) -> Estimate:
        """1 where predictions are as spread as they should be, below 1 where they are too extreme."""
        slope, spread = self.slope(), self._central(4, 2, 2)
        if not self.is_known or not np.isfinite(slope):
            return Estimate(slope)
        left = max(self._central(3, 1, 1) - slope * self._central(5, 1, 2), 0.0)
        return normal(slope, float(np.sqrt(left / (self.patients - 2) / spread)), level)

    def bias(self, level: float = LEVEL) -> Estimate:
        """Mean outcome minus mean prediction."""
        if not self.is_known:
            return Estimate(self.mean_outcome() - self.mean_prediction())
        mean = self.mean_outcome() - self.mean_prediction()
        variance = max(self._squares() / self.patients - mean**2, 0.0)
        return normal(mean, float(np.sqrt(variance / self.patients)), level)

    def _squares(self) -> float:
        return float(max(self.sums[3] - 2 * self.sums[5] + self.sums[4], 0.0))

    def _central(self, product: int, first: int, second: int) -> float:
        if not self.patients:
            return np.nan
        return float(self.sums[product] - self.sums[first] * self.sums[second] / self.patients)
