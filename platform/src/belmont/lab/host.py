"""What the parts of ``Consortium`` in other files use of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from belmont.ehr.dictionary import Dictionary
from belmont.lab.home import Home
from belmont.lab.people import Actor, Hospital
from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.types import DatasetId, PermitId

if TYPE_CHECKING:
    from belmont.lab.consents import HospitalConsents
    from belmont.lab.consortium import Consortium
    from belmont.lab.home import SyntheticSource
    from belmont.lab.models import StudyModel
    from belmont.lab.twin.profile import DatasetProfile
    from belmont.lab.twin.shelf import Which
    from belmont.lab.yardstick import Yardstick


class Host(Protocol):
    """A consortium, connected."""

    url: str
    home: Home | None
    models: "dict[PermitId, StudyModel]"
    source: "SyntheticSource | None"
    registers: "dict[DatasetId, HospitalConsents]"

    @property
    def yardstick(self) -> "Yardstick": ...

    @property
    def registry(self) -> ChainRegistry: ...

    @property
    def home_here(self) -> Home: ...

    @property
    def actors(self) -> list[Actor]: ...

    @property
    def hospitals(self) -> list[Hospital]: ...

    @property
    def researcher(self) -> Actor: ...

    @property
    def dataset_names(self) -> dict[DatasetId, str]: ...

    @property
    def dictionary(self) -> Dictionary: ...

    @property
    def whole(self) -> "Consortium":
        """The same object, for those that are made from it."""

    def forget(self, dataset_id: DatasetId) -> None: ...

    def profile(self, which: "Which", *, dictionary: "Dictionary | Path | str | None" = None) -> "DatasetProfile": ...
