"""The description is valid OpenAPI 3.1, and names every way a route can answer."""

import pytest
import schemathesis
from fastapi.routing import APIRoute
from tests.service.running import Running, body_of

from belmont.service.access.gates import routes_of
from belmont.service.api.routing import StrictRoute

URL = "/api/v1/openapi.json"


def test_a_stranger_is_refused(service: Running) -> None:
    assert service.client("stranger").get(URL).status_code == 401


def test_it_is_valid_and_the_same_for_whoever_is_signed_in(service: Running) -> None:
    found = body_of(service.client("unknown").get(URL))
    assert found == body_of(service.client("board").get(URL))
    assert found["openapi"].startswith("3.1.")
    schemathesis.openapi.from_dict(found).validate()


def test_what_is_no_description_is_not_taken_for_one(service: Running) -> None:
    found = body_of(service.client("board").get(URL))
    found["paths"]["/api/v1/pause"]["get"]["responses"] = {"200": {"content": 1}}
    with pytest.raises(Exception, match="description"):
        schemathesis.openapi.from_dict(found).validate()


def test_every_operation_has_a_name_of_its_own_a_tag_and_its_refusals(service: Running) -> None:
    found = body_of(service.client("board").get(URL))
    names = []
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            names.append(operation["operationId"])
            assert operation["tags"], path
            assert {"400", "401", "403", "422", "429", "503"} <= set(operation["responses"]), (method, path)
            for status, answer in operation["responses"].items():
                if status >= "400":
                    assert set(answer["content"]) == {"application/problem+json"}
    assert len(names) == len(set(names))


def test_pages_are_not_part_of_it(service: Running) -> None:
    found = body_of(service.client("board").get(URL))
    assert all(path.startswith(("/api/v1/", "/metrics")) for path in found["paths"])


def test_every_route_of_the_api_judges_nothing_before_its_gate(service: Running) -> None:
    lax = [
        route.path
        for route in routes_of(service.app.routes)
        if isinstance(route, APIRoute) and route.path.startswith("/api/") and not isinstance(route, StrictRoute)
    ]
    assert not lax, "make their router with belmont.service.api.routing.router, or with route_class=StrictRoute"
