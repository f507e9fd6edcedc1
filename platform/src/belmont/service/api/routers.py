"""Every router of the API."""

from typing import Final

from fastapi import APIRouter

from belmont.service.api import (
    accesses,
    acts,
    catalogue,
    consortium,
    datasets,
    description,
    documents,
    events,
    figures,
    health,
    members,
    messages,
    permits,
    relay,
    releases,
    studies,
    uses,
)

ROUTERS: Final[tuple[APIRouter, ...]] = (
    health.router,
    figures.router,
    description.router,
    consortium.router,
    members.router,
    datasets.router,
    catalogue.router,
    studies.router,
    documents.router,
    permits.router,
    uses.router,
    releases.router,
    messages.router,
    relay.router,
    acts.router,
    events.router,
    accesses.router,
)
