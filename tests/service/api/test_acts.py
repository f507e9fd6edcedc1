"""What leaves nobody a choice: members who act have it done, as often as they may relay, if the contract agrees."""

import pytest
from tests.service.conftest import World
from tests.service.running import Running

from belmont.registry.types import PermitId
from belmont.service.access.limits import Limits, Rate

ACTS = [
    "/studies/1/issue",
    "/studies/1/tally",
    "/permits/1/tally-lift",
    "/permits/1/tally-revoke",
    "/proposals/1/tally",
    "/rules/proposals/1/tally",
    "/rules/proposals/1/enact",
    "/pause/tally",
    "/pause/tally-resume",
    f"/releases/1/0x{'07' * 32}/tally",
    f"/releases/1/0x{'07' * 32}/settle",
]


@pytest.mark.parametrize("path", ACTS)
def test_a_stranger_is_refused(service: Running, path: str) -> None:
    assert service.client("stranger").post(f"/api/v1{path}").status_code == 401


def test_any_member_has_the_permit_issued_of_what_everybody_agreed_to(service: Running, world: World) -> None:
    study = world.study()
    for name in ("board", "other_board"):
        world.as_(name).vote(study, True)
    answer = service.client("lay").post(f"/api/v1/studies/{study}/issue")
    assert (answer.status_code, answer.json()["code"]) == (409, "NOT_ACCEPTED")
    for name, dataset in zip(("holder", "other_holder", "third_holder"), world.datasets, strict=True):
        world.as_(name).accept(study, dataset)
    answer = service.client("lay").post(f"/api/v1/studies/{study}/issue")
    assert (answer.status_code, answer.json()) == (200, {"act": "issue", "number": study})
    assert world.registry.permit(PermitId(study)) is not None


@pytest.mark.parametrize("path", [*ACTS, "/relay"])
def test_what_writes_on_the_chain_is_counted_as_relaying(
    service: Running, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service.service.sign_in, "limits", Limits({"relay": Rate(0.001, 1)}))
    first, second = (service.client("lay").post(f"/api/v1{path}", content=b"{}").status_code for _ in range(2))
    assert first != 429 and second == 429
