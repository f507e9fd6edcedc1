"""The one place where a service is put together: its parts, its routes, and what every request passes.

1. No route without a gate: it does not start (``access.gates``).
2. Requests for another host than the public one are refused, and told its address: sign-in is bound to it.
3. The API's description (OpenAPI 3.1) and its pages are for who is signed in, as everything is.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from belmont.audit.index import EventIndex
from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.types import Address
from belmont.service.access.gates import check_gates
from belmont.service.api import description
from belmont.service.api import routers as api
from belmont.service.config import ServiceConfig
from belmont.service.console import pages as console_pages
from belmont.service.console.rendering import STATIC
from belmont.service.http import Guard, OneHost, add_handlers
from belmont.service.patient import api as patient_api
from belmont.service.patient import pages as patient_pages
from belmont.service.service import Service
from belmont.service.sign_in import api as sign_in_api
from belmont.service.sign_in import pages as sign_in_pages

ROUTERS = (
    *api.ROUTERS,
    sign_in_api.router,
    sign_in_pages.router,
    console_pages.router,
    patient_api.router,
    patient_pages.router,
)


def create_app(config: ServiceConfig) -> FastAPI:
    """The application. Raises ConfigRefused, RegistryError and AuditError for what it cannot start with."""
    registry = ChainRegistry.connect(config.chain, Address(config.members) if config.members else None)
    index = EventIndex.open(config.database, registry)
    return assembled(Service(config, registry, index))


def assembled(service: Service) -> FastAPI:
    """The application of a service."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        try:
            yield
        finally:
            service.stop()

    app = FastAPI(
        title="Belmont node service",
        version=version("belmont"),
        description="Datasets, studies, votes, permits, uses, consents and credits of one consortium.",
        lifespan=lifespan,
        openapi_url=None,  # 3
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=description.operation_id,
    )
    app.state.service = service
    for router in ROUTERS:
        app.include_router(router)

    app.openapi = lambda: description.describe(app)  # type: ignore[method-assign]
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    check_gates(app.routes)  # 1
    add_handlers(app)
    app.add_middleware(OneHost, public_url=service.config.public_url)  # 2
    app.add_middleware(Guard, service=service)
    return app
