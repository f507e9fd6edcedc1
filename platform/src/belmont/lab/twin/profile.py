"""A profile in a notebook: who published what of which dataset, with how much noise."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from belmont.ehr.dictionary import Dictionary
from belmont.federated.accounting.epsilon import DELTA
from belmont.federated.profile.document import SignedProfile
from belmont.lab import cards
from belmont.lab.twin.checking import check_profile, dictionary_of
from belmont.lab.twin.grouping import group_labels
from belmont.lab.twin.marginals import Marginals, estimated
from belmont.registry.protocol import Registry
from belmont.registry.types import Dataset, DatasetVersion

if TYPE_CHECKING:
    import pandas as pd

    from belmont.lab.twin.twin import Twin


@dataclass(frozen=True, eq=False)
class DatasetProfile:
    """A profile that was held against the chain."""

    signed: SignedProfile
    dataset: Dataset
    version: DatasetVersion
    name: str
    """The hospital's."""
    dictionary: Dictionary

    @property
    def published(self) -> tuple[str, ...]:
        """The columns that there are noisy counts of, in the dictionary's order."""
        choices = self.signed.profile.choices
        names = {each.column for each in choices.columns} | ({choices.outcome.column} if choices.outcome else set())
        return tuple(column.name for column in self.dictionary if column.name in names)

    @property
    def epsilon(self) -> float:
        """Of this profile, for a patient who is there or not, at delta 10^-6."""
        return self.signed.profile.epsilon()

    @property
    def epsilon_spent(self) -> float:
        """Of all publications of the dataset."""
        return self.signed.profile.epsilon_spent()

    @cached_property
    def marginals(self) -> Marginals:
        """The counts, made consistent."""
        return estimated(self.signed.profile)

    @property
    def rows(self) -> int:
        """About how many rows were counted, by all tables together."""
        return round(float(self.marginals.rows[0]))

    def twin(self, rows: int | None = None, seed: int = 0) -> "Twin":
        """A local synthetic table of this dataset's columns and marginals."""
        from belmont.lab.twin.twin import make_twin

        return make_twin([self], rows, seed)

    def to_bytes(self) -> bytes:
        """The file, to be sent to whoever has no access to this directory."""
        return self.signed.to_bytes()

    def to_frame(self) -> "pd.DataFrame":
        """Every count as it was published, noise and all: it may be below 0."""
        import pandas as pd

        profile, choices = self.signed.profile, self.signed.profile.choices
        outcomes = [""]
        if choices.outcome is not None:
            outcome = self.dictionary.column(choices.outcome.column)
            outcomes = [f"{outcome.name} {label}" for label in group_labels(outcome, choices.outcome)]
        rows = [
            (groups.column, label, outcome, int(count))
            for groups, counts in zip(choices.columns, profile.counts, strict=True)
            for label, line in zip(group_labels(self.dictionary.column(groups.column), groups), counts, strict=True)
            for outcome, count in zip(outcomes, line, strict=True)
        ]
        frame = pd.DataFrame(rows, columns=["column", "group", "outcome", "noisy count"])
        return frame if choices.outcome else frame.drop(columns="outcome")

    def facts(self) -> dict[str, object]:
        """For a card."""
        profile = self.signed.profile
        choices = profile.choices
        by = f", each by {choices.outcome.column}" if choices.outcome else ""
        return {
            "hospital": self.name,
            "dataset": f"{self.dataset.name}, version {profile.version}",
            "rows": f"about {self.rows:,}; the chain has {self.version.rows:,} rows in the version, and only those of "
            "patients who consent to any research by anybody were counted",
            "published": (", ".join(self.published) or "the number of rows alone") + by,
            "epsilon": f"{self.epsilon:.2f} at delta {DELTA:g}, for a patient who is there or not "
            f"({profile.epsilon_of_value():.2f} for what is said of one who is); {self.epsilon_spent:.2f} for all "
            "publications of this dataset so far",
            "noise": f"discrete Gaussian, sigma {float(profile.sigma):.1f} in each of {choices.cells:,} counts",
            "signed by": cards.mono(self.signed.signer or ""),
            "file": cards.short(self.signed.hash),
        }

    def __repr__(self) -> str:
        return (
            f"DatasetProfile({self.dataset.name!r}, version {self.signed.profile.version}, {len(self.published)} "
            f"columns, epsilon {self.epsilon:.2f})"
        )

    def _repr_html_(self) -> str:
        mark = cards.badge("the hospital stands by it", cards.GOOD)
        return cards.card(f"Profile of {self.dataset.name}", cards.facts(self.facts()), mark=mark)


def read_profile(content: bytes, registry: Registry, dictionaries: Sequence[Dictionary] = ()) -> DatasetProfile:
    """A profile held against the chain (`checking`). Raises ProfileRefused, LabError."""
    checked = check_profile(content, registry)
    book = dictionary_of(checked, dictionaries)
    return DatasetProfile(checked.signed, checked.dataset, checked.version, checked.holder, book)
