"""A line of permits: one, and whatever amends it, on contracts and reference model side by side."""

from collections.abc import Callable
from typing import Any

import pytest

from belmont.registry.types import MicroRho, PermitId, StudyId, UseKind

HASH = b"\x11" * 32


class Line:
    """A permit of three rounds, two queries and 100 micro-rho, and whatever amends it."""

    def __init__(self, consortium: Any) -> None:
        self.consortium = consortium
        self.datasets = consortium.datasets(proven=True)
        self.first: PermitId = consortium.permit(self.datasets)
        self.as_data_user = consortium.registry.as_(consortium.data_user)

    def approved(self, of: PermitId | None = None, **changes: Any) -> StudyId:
        """An amendment that the board approved and the holders accepted."""
        terms = self.consortium.terms(self.datasets, **changes)
        study: StudyId = self.as_data_user.propose_amendment(of or self.first, terms)
        self.consortium.approve(study)
        self.consortium.accept(study)
        return study

    def issue(self, study: StudyId) -> PermitId:
        issued: PermitId = self.as_data_user.issue(study)
        return issued

    def amend(self, of: PermitId | None = None, **changes: Any) -> PermitId:
        return self.issue(self.approved(of, **changes))

    def query(self, permit: PermitId, n: int) -> None:
        self.as_data_user.open_query(permit, n, HASH, self.datasets)

    def record(self, permit: PermitId, n: int, rho: int = 10, kind: UseKind = UseKind.ROUND) -> None:
        """By the first holder."""
        root = self.consortium.registry.dataset(self.datasets[0]).consent_root
        as_holder = self.consortium.registry.as_(self.consortium.holder)
        as_holder.record_use(permit, kind, n, self.datasets[0], HASH, MicroRho(rho), 1, root)

    def spent(self, permit: PermitId) -> int:
        return int(self.consortium.registry.rho_spent(permit, self.datasets[0]))


@pytest.fixture(scope="session")
def line_of() -> Callable[[Any], Line]:
    return Line


@pytest.fixture
def line(paired: Any) -> Line:
    return Line(paired)
