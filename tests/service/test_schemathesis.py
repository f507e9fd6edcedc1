"""Whatever is sent to the API, by whomever: no 5xx, nothing that its description does not say, nothing for a stranger.

The same cases in every run; ``BELMONT_SCHEMATHESIS=200`` draws 200 new ones for each operation.
"""

import os
import traceback
from collections.abc import Callable

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import checks as every_check
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks as openapi_checks
from tests.service.running import Running, body_of

WANTED = int(os.environ.get("BELMONT_SCHEMATHESIS", "0"))
CHECKS = [
    every_check.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_headers_conformance,
    openapi_checks.response_schema_conformance,
    openapi_checks.unsupported_method,
]
AS_MANY_AS = settings(
    max_examples=WANTED or 4,
    derandomize=not WANTED,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
FOR_STRANGERS = (
    ("GET", "/api/v1/health/live"),
    ("POST", "/api/v1/sign-in/challenge"),
    ("POST", "/api/v1/session"),
)


@pytest.fixture(scope="module")
def operations(service: Running) -> list[schemathesis.APIOperation]:
    """Those of the API's own description, served by the API."""
    description = body_of(service.client("unknown").get("/api/v1/openapi.json"))
    return [each.ok() for each in schemathesis.openapi.from_dict(description).get_all_operations()]


def try_all(
    operations: list[schemathesis.APIOperation], look: Callable[[schemathesis.Case], None], mode: GenerationMode
) -> None:
    """Draw cases of every operation and look at each; all that is found is shown."""
    found: list[str] = []
    for operation in operations:

        @AS_MANY_AS
        @given(case=operation.as_strategy(generation_mode=mode))
        def each(case: schemathesis.Case) -> None:
            look(case)

        try:
            each()
        except Unsatisfiable:
            continue  # nothing of it can be wrong: it takes nothing
        except BaseException as error:  # groups of failures too
            if isinstance(error, KeyboardInterrupt):
                raise
            found.append(f"{operation.label}\n{''.join(traceback.format_exception(error))[-3000:]}")
    assert not found, "\n\n".join(found)


def test_a_stranger_is_refused(service: Running) -> None:
    assert service.client("stranger").get("/api/v1/openapi.json").status_code == 401


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_a_stranger_gets_nothing(
    service: Running, operations: list[schemathesis.APIOperation], mode: GenerationMode
) -> None:
    def look(case: schemathesis.Case) -> None:
        answer = case.call_and_validate(base_url=service.url, session=as_("stranger", service), checks=CHECKS)
        if (case.method.upper(), case.operation.path) not in FOR_STRANGERS:
            assert answer.status_code in (401, 405), answer.text

    try_all(operations, look, mode)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("name", ["holder", "unknown"])
def test_who_is_signed_in_gets_what_the_description_says(
    service: Running, operations: list[schemathesis.APIOperation], name: str, mode: GenerationMode
) -> None:
    checks = [*CHECKS, openapi_checks.negative_data_rejection]

    def look(case: schemathesis.Case) -> None:
        case.call_and_validate(base_url=service.url, session=as_(name, service), checks=checks)

    try_all(operations, look, mode)


def as_(name: str, service: Running) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.headers.update(service.headers(name))
    return session
