"""The catalogue of datasets: HealthDCAT-AP as JSON-LD, for health data access bodies and portals (EHDS)."""

import json

from fastapi import APIRouter
from starlette.responses import Response

from belmont.service.api import routing
from belmont.service.catalogue import MEDIA_TYPE, catalogue

router: APIRouter = routing.router("datasets")


@router.get(
    "/catalogue",
    response_class=Response,
    responses={
        200: {
            "description": "A document of JSON-LD 1.1: a `dcat:Catalog` and its datasets.",
            "content": {MEDIA_TYPE: {"schema": {"type": "object", "required": ["@context", "@graph"]}}},
        }
    },
)
async def read_catalogue(service: routing.Here, visitor: routing.AReader, snapshot: routing.Tagged) -> Response:
    """All datasets that can be used, as a catalogue."""
    found = catalogue(
        snapshot.name,
        snapshot.datasets,
        snapshot.members,
        snapshot.versions,
        base=service.config.public_url,
        facts=service.config.catalogue,
        dictionaries=service.dictionaries,
    )
    return Response(json.dumps(found, ensure_ascii=False), media_type=MEDIA_TYPE, headers=routing.tagged(snapshot))
