"""The people and institutions whose keys are on this machine, as a notebook names them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from belmont.identity.keys import Identity
from belmont.lab import cards
from belmont.lab.acts import Acts
from belmont.lab.errors import LabError
from belmont.lab.twin.acts import Publishing
from belmont.registry.types import DatasetId, Role

if TYPE_CHECKING:
    from belmont.lab.consortium import Consortium


@dataclass(frozen=True)
class Actor(Acts):
    """A member who can sign from this machine: a board member, a researcher or an auditor."""

    slug: str
    name: str
    roles: Role
    identity: Identity
    consortium: "Consortium | None" = field(default=None, kw_only=True, repr=False, compare=False)
    """Where this member acts."""

    @property
    def address(self) -> str:
        return self.identity.address

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def _facts(self) -> dict[str, object]:
        roles = ", ".join(str(role.name).replace("_", " ").lower() for role in self.roles)
        return {"roles": roles, "DID": cards.mono(self.identity.did)}

    def _repr_html_(self) -> str:
        return cards.card(self.name, cards.facts(self._facts()))


@dataclass(frozen=True, repr=False)
class Hospital(Actor, Publishing):
    """A data holder whose node runs on this machine."""

    dataset_id: DatasetId
    dataset_name: str
    rows: int
    """Rows of patients with an active consent, as registered."""

    def _facts(self) -> dict[str, object]:
        dataset = {"dataset": self.dataset_name, "rows": f"{self.rows:,}", "dataset id": cards.short(self.dataset_id)}
        return super()._facts() | dataset


def dataset_ids(given: "Sequence[DatasetId | Hospital]") -> tuple[DatasetId, ...]:
    """Datasets that are named by their ids or by their hospitals."""
    return tuple(each.dataset_id if isinstance(each, Hospital) else each for each in given)


def refuse_others(kind: type[Actor], given: tuple[object, ...], example: str) -> None:
    """Raises ``LabError`` unless there is at least one, and each is of this kind."""
    wrong = [each for each in given if not isinstance(each, kind)]
    if wrong or not given:
        noun = "hospitals" if kind is Hospital else "members"
        found = f"not {type(wrong[0]).__name__}" if wrong else "and at least one"
        raise LabError(f"name {noun} one by one, {found}: {example}")
