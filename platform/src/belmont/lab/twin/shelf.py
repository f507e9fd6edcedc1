"""What hospitals published, as a researcher finds it: part of ``Consortium``."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from belmont.ehr.dictionary import Dictionary
from belmont.ehr.errors import DictionaryError
from belmont.federated.errors import ProfileRefused
from belmont.federated.profile.document import SignedProfile
from belmont.lab.errors import LabError
from belmont.lab.host import Host
from belmont.lab.people import Hospital
from belmont.lab.twin.kept import keep, kept, read
from belmont.lab.twin.profile import DatasetProfile, read_profile
from belmont.lab.twin.twin import Twin, make_twin
from belmont.registry.types import DatasetId

if TYPE_CHECKING:
    import pandas as pd

Which = Hospital | DatasetId | Path | str | bytes


class Profiles:
    """Profiles in this directory, and those that a hospital sent."""

    def profiles(self: Host) -> "pd.DataFrame":
        """Every profile in this directory: whose, of what, with how much noise, and whether it can be used now."""
        from belmont.lab.wide import Wide

        rows: list[tuple[object, ...]] = []
        for path in kept(self.home):
            try:
                each = self.profile(path)
            except (LabError, ProfileRefused) as error:
                rows.append((self.dataset_names.get(_named(path), path.name), "", None, None, None, None, str(error)))
                continue
            profile = each.signed.profile
            rows.append((each.dataset.name, ", ".join(each.published), profile.version, each.rows, each.epsilon,
                         each.epsilon_spent, "can be used"))  # fmt: skip
        columns = ["dataset", "columns", "version", "rows", "epsilon", "epsilon of all", "state"]
        return Wide(rows, columns=columns).set_index("dataset")

    def profile(self: Host, which: Which, *, dictionary: Dictionary | Path | str | None = None) -> DatasetProfile:
        """One profile: of a hospital, of a dataset by identifier or name, or in a file or bytes that a hospital sent.

        It is held against the chain. ``dictionary`` is the dataset's own, where it is not on this machine. Raises
        ProfileRefused, and LabError where there is none.
        """
        found = read_profile(_content(self, which), self.registry, _dictionaries(self, dictionary))
        asked = _dataset(self, which)
        if asked is not None and found.dataset.id != asked:
            raise ProfileRefused(
                f"{self.home_here.profile(asked)} is of another dataset, {found.dataset.name}: remove it"
            )
        return found

    def add_profile(
        self: Host, given: Path | str | bytes, *, dictionary: Dictionary | Path | str | None = None
    ) -> DatasetProfile:
        """Keep a profile that a hospital sent in this directory, after it was held against the chain."""
        found = self.profile(given, dictionary=dictionary)
        keep(self.home_here, found.dataset.id, found.to_bytes())
        return found

    def twin(
        self: Host,
        rows: int | None = None,
        seed: int = 0,
        *,
        profiles: Sequence[DatasetProfile] | None = None,
    ) -> Twin:
        """A synthetic table of every hospital that published a profile, each by its own marginals.

        ``rows`` counts over all hospitals; each has as many as it published unless named. ``profiles`` chooses some.
        Raises LabError where nothing is published, or under different dictionaries.
        """
        found, left_out = list(profiles or ()), {}
        for path in kept(self.home) if profiles is None else ():
            try:
                each = self.profile(path)
                if each.dataset.id in {other.dataset.id for other in found}:
                    continue  # a copy: each hospital's rows are drawn once
                found.append(each)
            except (LabError, ProfileRefused) as error:
                left_out[self.dataset_names.get(_named(path), path.name)] = str(error)
        if not found and left_out:
            raise LabError("no profile can be used. " + " ".join(f"{name}: {why}" for name, why in left_out.items()))
        order = list(self.dataset_names)
        found.sort(key=lambda each: order.index(each.dataset.id) if each.dataset.id in order else len(order))
        return make_twin(found, rows, seed, left_out)


def _dataset(host: Host, which: Which) -> DatasetId | None:
    """The dataset that is named; None where it is a file, or its bytes."""
    if isinstance(which, Hospital):
        return which.dataset_id
    if isinstance(which, str):
        return next((dataset_id for dataset_id, name in host.dataset_names.items() if name == which), None)
    return DatasetId(which) if isinstance(which, bytes) and len(which) == 32 else None


def _content(host: Host, which: Which) -> bytes:
    asked = _dataset(host, which)
    if asked is not None:
        path = host.home_here.profile(asked)
        if not path.is_file():
            name = host.dataset_names.get(asked, asked.hex()[:12])
            raise LabError(f"no profile of {name} is in this directory: its hospital publishes one if it will")
        return read(path)
    if isinstance(which, bytes):
        return which
    if not isinstance(which, Path | str):
        raise LabError("name a hospital, a dataset, or the file that a hospital sent")
    return read(Path(which).expanduser())


def _dictionaries(host: Host, given: Dictionary | Path | str | None) -> list[Dictionary]:
    if isinstance(given, Dictionary):
        return [given]
    if given is not None:
        return [Dictionary.load(given)]
    found = []
    for hospital in host.hospitals:
        try:
            found.append(Dictionary.load(host.home_here.dictionary(hospital.slug)))
        except DictionaryError:
            continue  # one that is not here
    return found


def _named(path: Path) -> DatasetId:
    try:
        return SignedProfile.from_bytes(read(path)).profile.dataset_id
    except ProfileRefused:
        return DatasetId(b"")
