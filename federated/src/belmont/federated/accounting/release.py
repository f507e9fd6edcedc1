"""One hospital's part of one private round: cut, rounded, with noise, and what it is charged.

1. The plan is made from the approved settings and the model's number of cells, before any data is touched: sigma, the
   charge and every refusal are the same whatever the data are.
2. The charge is recorded and the budget checked before ``release`` (the gate does both); a release is drawn once. A
   node that is asked again sends the same integers, or nothing: fresh noise for the same update would average out.
3. Only integers leave this function, with noise in every cell. Counts of rows, metrics and losses have no noise: in a
   private round they stay at home, or become cells of the update.
"""

import os
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from belmont.federated.accounting.budget import rho_of, sigma_for
from belmont.federated.accounting.clipping import clip_client, clip_examples, largest_scaled_norm
from belmont.federated.accounting.exact import RandomBytes
from belmont.federated.accounting.noise import discrete_gaussian
from belmont.federated.accounting.settings import Clipping, PrivacySettings
from belmont.federated.errors import PrivacyError
from belmont.federated.hashes import Arrays
from belmont.registry.types import MicroRho


@dataclass(frozen=True)
class ReleasePlan:
    """What each hospital adds and is charged; make it with ``plan_release``."""

    settings: PrivacySettings
    cells: int
    sigma: Fraction
    """Of this hospital's noise, in units of 2^-fraction_bits."""
    rho: MicroRho
    """The charge: the settings' rho, or a little less."""

    @property
    def counted_variance(self) -> Fraction:
        """The variance that the guarantee rests on: that of the honest contributors' noise together."""
        return self.settings.honest_contributors * self.sigma**2

    def release(self, arrays: Arrays, source: RandomBytes = os.urandom) -> NDArray[np.int64]:
        """The integers to send, shape (cells,), in units of 2^-fraction_bits, arrays in their order.

        Raises PrivacyError if the arrays have another number of cells, or are no update. ``source`` is for tests alone.
        """
        clip = clip_client if self.settings.clipping is Clipping.CLIENT else clip_examples
        clipped = clip(arrays, self.settings.bound, self.settings.fraction_bits)
        if len(clipped.values) != self.cells:
            raise PrivacyError(f"the update has {len(clipped.values)} cells, the model {self.cells}")
        return clipped.values + discrete_gaussian(self.cells, self.sigma, source)


def plan_release(settings: PrivacySettings, cells: int) -> ReleasePlan:
    """Rule 1. Raises PrivacyError if the settings are too coarse for so many cells, or the noise cannot be drawn."""
    largest_scaled_norm(settings.bound, cells)
    sigma = sigma_for(settings.sensitivity_sq, settings.rho_per_round, settings.honest_contributors, cells)
    rho = rho_of(settings.sensitivity_sq, sigma**2, settings.honest_contributors, cells)
    return ReleasePlan(settings, cells, sigma, rho)
