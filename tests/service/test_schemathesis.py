"""Whatever is sent to the API, by whomever: no 5xx, nothing that its description does not say, nothing for a stranger.

The same cases in every run; ``BELMONT_SCHEMATHESIS=200`` draws 200 new ones for each operation.
"""

import os

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import checks as every_check
from schemathesis.specs.openapi import checks as openapi_checks
from tests.service.running import Running, body_of

WANTED = int(os.environ.get("BELMONT_SCHEMATHESIS", "0"))
CHECKS = [
    every_check.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_headers_conformance,
    openapi_checks.response_schema_conformance,
    openapi_checks.negative_data_rejection,
    openapi_checks.ignored_auth,
    openapi_checks.unsupported_method,
]
AS_MANY_AS = settings(
    max_examples=WANTED or 8,
    derandomize=not WANTED,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
FOR_STRANGERS = ("/api/v1/health/live", "/api/v1/sign-in/challenge", "/api/v1/session")


@pytest.fixture(scope="module")
def description(service: Running) -> schemathesis.schemas.BaseSchema:
    """The API's own description, served by the API."""
    return schemathesis.openapi.from_dict(body_of(service.client("unknown").get("/api/v1/openapi.json")))


schema = schemathesis.pytest.from_fixture("description")


def test_a_stranger_is_refused(service: Running) -> None:
    assert service.client("stranger").get("/api/v1/openapi.json").status_code == 401


@schema.parametrize()
@AS_MANY_AS
def test_a_stranger_gets_nothing(case: schemathesis.Case, service: Running) -> None:
    checks = [each for each in CHECKS if each not in (openapi_checks.negative_data_rejection,)]
    answer = case.call_and_validate(base_url=service.url, checks=checks)
    if case.operation.path not in FOR_STRANGERS or case.method.upper() not in ("GET", "POST"):
        assert answer.status_code in (401, 405), answer.text


@schema.parametrize()
@AS_MANY_AS
def test_a_member_gets_what_the_description_says(case: schemathesis.Case, service: Running) -> None:
    case.call_and_validate(base_url=service.url, headers=service.headers("holder"), checks=CHECKS)


@schema.parametrize()
@AS_MANY_AS
def test_an_account_that_nobody_knows_gets_what_the_description_says(case: schemathesis.Case, service: Running) -> None:
    case.call_and_validate(base_url=service.url, headers=service.headers("unknown"), checks=CHECKS)
