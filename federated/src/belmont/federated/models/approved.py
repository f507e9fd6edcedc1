"""What an approved configuration does with a hospital's updates, read once for whoever explains it to people.

The same readers as a node's: what a node would refuse raises here.
"""

from dataclasses import dataclass

from belmont.federated.accounting.release import ReleasePlan, plan_release
from belmont.federated.accounting.settings import PrivacySettings
from belmont.federated.bounded.settings import UpdateBounds, read_bounds
from belmont.federated.hashes import RunConfig
from belmont.federated.node.noise import read_noise
from belmont.federated.secagg.settings import SecureSum, read_secure_sum


@dataclass(frozen=True)
class Approved:
    """Each part that the configuration asks for; None for one that it does not."""

    secure: SecureSum | None
    bounds: UpdateBounds | None
    noise: PrivacySettings | None
    evaluation: SecureSum | None

    @property
    def plan(self) -> ReleasePlan | None:
        """What each round with noise adds and is charged. Raises PrivacyError for noise that cannot be drawn."""
        if self.noise is None or self.secure is None:
            return None
        return plan_release(self.noise, self.secure.layout.size)


def read_approved(config: RunConfig) -> Approved:
    """Raises FederatedError for a configuration that nodes refuse."""
    secure = read_secure_sum(config)
    evaluation = read_secure_sum(config, "evaluate") if secure is not None and "holdout" in config else None
    return Approved(secure, read_bounds(config), read_noise(config, secure), evaluation)
