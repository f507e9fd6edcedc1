"""What a hospital does with the profile of its own dataset; part of ``Hospital``. Nothing is published by itself."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from belmont.federated.accounting.epsilon import zcdp_epsilon
from belmont.federated.profile.document import SignedProfile
from belmont.lab.acts import Acting, of, writes
from belmont.lab.errors import LabError
from belmont.registry.types import DatasetId, MicroRho

if TYPE_CHECKING:
    import pandas as pd

    from belmont.lab.twin.profile import DatasetProfile
    from belmont.lab.twin.twin import Twin


class Publisher(Acting, Protocol):
    """A hospital whose rows are on this machine."""

    @property
    def slug(self) -> str: ...

    @property
    def dataset_id(self) -> DatasetId: ...

    @property
    def dataset_name(self) -> str: ...

    def profile(self) -> "DatasetProfile": ...


class Publishing:
    """Publishing what a twin is made of, and taking it back."""

    def publish_profile(
        self: Publisher,
        columns: Sequence[str],
        *,
        epsilon: float,
        with_outcome: bool = False,
        cells: int = 12,
        cuts: Mapping[str, Sequence[float]] | None = None,
        cap: int | None = None,
    ) -> "DatasetProfile":
        """Publish the number of rows and the marginals of these columns, with noise, for anybody to read.

        ``epsilon`` is for all of it, at delta 10^-6, for a patient who is there or not; it is charged for good to what
        may ever be published of the dataset (``cap``, micro-rho: it can be lowered). The same choices of one version
        give the same bytes and cost nothing more. ``with_outcome`` counts each column by the outcome. ``cells`` is
        about how many groups a number has; ``cuts`` says where they begin instead, as in ``{"age": (40, 66)}``.

        Only rows of patients who consent to any research by anybody are counted. Raises LabError where nothing may be
        published, and PublicationsSpent past the cap.
        """
        from belmont.lab.twin.publishing import Wanted, publish

        host, wanted = of(self), Wanted(columns, epsilon, with_outcome, cells, dict(cuts or {}))
        limit = None if cap is None else MicroRho(cap)
        account = self.identity.account
        publish(host.home_here, self.slug, writes(self), account, self.dataset_id, wanted, cap=limit)
        return self.profile()

    def withdraw_profile(self: Publisher) -> int:
        """Stand by no profile of this dataset any longer: whoever reads one is told. How many there were (0 or 1).

        Copies are not called back, and what was spent stays spent.
        """
        from belmont.lab.twin.publishing import withdraw

        dataset = of(self).registry.dataset(self.dataset_id)
        if dataset is None:
            raise LabError(f"the chain has no dataset of {self.name}")
        return withdraw(of(self).home_here, writes(self), dataset)

    def publications(self: Publisher) -> "pd.DataFrame":
        """Everything that was ever published of this dataset, what it cost, and epsilon of all of it so far."""
        import pandas as pd

        from belmont.lab.twin import anchors
        from belmont.lab.twin.publishing import open_ledger

        host = of(self)
        dataset = host.registry.dataset(self.dataset_id)
        standing = [] if dataset is None else anchors.in_force(host.registry, dataset)
        rows, spent, cap = [], 0, 0
        if host.home_here.publications(self.slug, self.dataset_id).is_file():
            with open_ledger(host.home_here, self.slug, host.registry, self.dataset_id) as ledger:
                found, cap = ledger.all(), ledger.cap
            for each in found:
                signed = SignedProfile.from_bytes(each.document)
                choices = signed.profile.choices
                spent += each.rho
                names = ", ".join(groups.column for groups in choices.columns)
                by = choices.outcome.column if choices.outcome else ""
                epsilons = zcdp_epsilon(each.rho, 1e-6), zcdp_epsilon(MicroRho(spent), 1e-6)
                rows.append((each.version, names, by, each.rho, cap - spent, *epsilons, signed.hash in standing))
        columns = ["version", "columns", "by", "micro-rho", "left of the cap", "epsilon", "epsilon of all", "published"]
        return pd.DataFrame(rows, columns=columns)

    def profile(self: Publisher) -> "DatasetProfile":
        """What this hospital publishes of its dataset now. Raises LabError where that is nothing."""
        return of(self).profile(self.dataset_id)

    def twin(self: Publisher, rows: int | None = None, seed: int = 0) -> "Twin":
        """A local synthetic table of this hospital's columns and published marginals; ``seed`` gives the same again."""
        return self.profile().twin(rows, seed)
