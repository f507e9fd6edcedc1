"""Datasets: conditions of use, versions with the status of their proofs, consents, budget, retention."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import Response

from belmont.audit.search import EventQuery
from belmont.registry.consents.statements import ConsentState
from belmont.registry.errors import RegistryUnreachable
from belmont.registry.types import Dataset, DatasetId
from belmont.service.console import standing
from belmont.service.console.parts import HashText, Reading, a_router, dataset_of, found, names_of, service_of
from belmont.service.explain import data_use, history, privacy
from belmont.service.service import Service
from belmont.service.state import consents
from belmont.service.words import names as named

router = a_router()
NEWEST = 20


@router.get("/datasets")
def datasets(request: Request, visitor: Reading) -> Response:
    """Every dataset."""
    service = service_of(request)
    snapshot = service.snapshot
    rows = [
        (each, standing.of_dataset(each), snapshot.newest_version(each.id), _proof(service, each.id), _budget(each))
        for each in snapshot.datasets.values()
    ]
    return service.pages.page(request, "datasets/list.html", rows=rows, snapshot=snapshot)


@router.get("/datasets/{dataset}")
def one(request: Request, visitor: Reading, dataset: HashText) -> Response:
    """One dataset."""
    service = service_of(request)
    snapshot = service.snapshot
    record = found(snapshot.datasets.get(dataset_of(dataset)))
    names = names_of(snapshot)
    versions = [(each, standing.of_version(each)) for each in reversed(snapshot.versions.get(record.id, ()))]
    page = service.index.search(EventQuery(dataset=record.id, limit=NEWEST))
    story = [(each, history.sentence(each, names)) for each in page.events]
    return service.pages.page(
        request,
        "datasets/one.html",
        dataset=record,
        stands=standing.of_dataset(record),
        budget=_budget(record),
        versions=versions,
        conditions=data_use.conditions(record),
        categories=named.categories(record.categories),
        consents=_state(service, record.id),
        counts=consents.counts(service.index, record.id),
        studies=[each for each in snapshot.studies.values() if record.id in each.terms.datasets],
        story=story,
        total=page.total,
        snapshot=snapshot,
    )


def _budget(dataset: Dataset) -> privacy.Spending:
    return privacy.Spending(dataset.rho_spent, dataset.rho_cap)


def _proof(service: Service, dataset_id: DatasetId) -> standing.Standing:
    return standing.of_version(service.snapshot.newest_version(dataset_id))


def _state(service: Service, dataset_id: DatasetId) -> ConsentState | None:
    """Where its consents stand; None where the chain does not answer just now."""
    try:
        return service.registry.consents.state(dataset_id)
    except RegistryUnreachable:
        return None
