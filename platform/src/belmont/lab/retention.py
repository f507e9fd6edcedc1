"""How long a hospital keeps a dataset, and what its own machine does when the date is over; part of ``Consortium``.

1. A date is one to five years from its registration, and can only be put off, to five years from then at most.
2. From the date on every node refuses the dataset, by its own clock or the chain's, whichever is later.
3. The hospital's machine destroys it when it is told to carry out what is due: by both clocks, so that one that is
   wrong destroys nothing. Nothing polls: run ``belmont data retention --destroy-due`` as often as the rules of the
   house ask, from cron for instance.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from belmont.identity.errors import IdentityError
from belmont.lab.destroyed import Destruction, destroy_for
from belmont.lab.errors import DestructionIncomplete, LabError
from belmont.lab.host import Host
from belmont.lab.people import Hospital, refuse_others
from belmont.lab.retention_date import retention_until
from belmont.registry.errors import RegistryError
from belmont.registry.types import DatasetStatus
from belmont.vault.errors import VaultError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Kept:
    """A dataset of a hospital on this machine."""

    hospital: Hospital
    until: int
    """Unix seconds."""
    days_left: float
    status: DatasetStatus
    is_due: bool
    """The date is over and something of it may be here still."""

    @property
    def is_destroyed(self) -> bool:
        """There is nothing left to keep."""
        return self.status is DatasetStatus.DESTROYED


class Keeping:
    """Retention dates, and what is due."""

    def retention(self: Host, clock: Callable[[], float] = time.time) -> "pd.DataFrame":
        """Every dataset whose hospital's machine this is, with its date."""
        import pandas as pd

        rows = [
            (
                each.hospital.dataset_name,
                pd.Timestamp(each.until, unit="s", tz="UTC"),
                float("nan") if each.is_destroyed else round(each.days_left, 1),
                each.status.name.lower(),
                each.is_due,
            )
            for each in kept(self, clock)
        ]
        return pd.DataFrame(rows, columns=["dataset", "until", "days left", "status", "due"]).set_index("dataset")

    def extend_retention(self: Host, hospital: Hospital, *, years: float) -> int:
        """Put off a dataset's date to so many years from now; returns it. Raises ``RegistryRefused``."""
        refuse_others(Hospital, (hospital,), "consortium.extend_retention(consortium.hospitals[0], years=5)")
        until = retention_until(years, self.registry.head().timestamp)
        self.registry.as_(hospital.identity.account).extend_retention(hospital.dataset_id, until)
        return until

    def destroy_due(self: Host, clock: Callable[[], float] = time.time) -> list[Destruction]:
        """Destroys every dataset here whose date is over by this machine's clock and by the chain's.

        One that cannot be completed does not keep the others; ``DestructionIncomplete`` names it once they are done.
        """
        done, failed = [], []
        for each in (each for each in kept(self, clock) if each.is_due):
            try:
                done.append(destroy_for(self, each.hospital, _over(each), clock))
            except (LabError, RegistryError, VaultError, IdentityError) as error:
                failed.append(f"{each.hospital.dataset_name}: {error}")
        if failed:
            others = f"; {len(done)} others are destroyed" if done else ""
            raise DestructionIncomplete(f"not everything that is due is destroyed{others}. " + " ".join(failed))
        return done


def kept(host: Host, clock: Callable[[], float] = time.time) -> list[Kept]:
    """The datasets of the hospitals whose machine this is."""
    now = min(int(clock()), host.registry.head().timestamp)  # 3
    found = []
    for hospital in host.hospitals:
        dataset = host.registry.dataset(hospital.dataset_id)
        if dataset is not None:
            left = dataset.retention_until - now
            due = left <= 0 and dataset.status is not DatasetStatus.DESTROYED
            found.append(Kept(hospital, dataset.retention_until, left / 86400, dataset.status, due))
    return found


def _over(each: Kept) -> str:
    return f"its retention date, {time.strftime('%Y-%m-%d', time.gmtime(each.until))}, was over"
