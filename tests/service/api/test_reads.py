"""Every read, on a consortium with a permit that was used, frozen and amended: it says what the registry says."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx
import pytest
from tests.service.conftest import METRICS_TOKEN, World
from tests.service.running import Running, body_of

from belmont.registry.errors import RegistryUnreachable
from belmont.registry.types import ZERO_HASH, UseKind
from belmont.service.api.values import EXACT_MOST, hexadecimal, jsonable, moment, whole

HASH = b"\x07" * 32


@pytest.fixture(scope="module")
def permit(service: Running, world: World) -> int:
    """A permit with a round that two hospitals recorded, a query that one did, and a closed round."""
    number = world.permit(min_hospitals=1)
    data_user, root = world.as_("data_user"), world.registry.consents.root(world.datasets[0])
    data_user.open_round(number, 1, HASH, world.datasets)
    for place, name in enumerate(("holder", "other_holder")):
        world.as_(name).record_use(number, UseKind.ROUND, 1, world.datasets[place], HASH, 7, 1, root)
    data_user.close_round(number, 1)
    data_user.open_query(number, 1, b"\x09" * 32, world.datasets)
    world.as_("holder").record_use(number, UseKind.QUERY, 1, world.datasets[0], HASH, 5, 1, root)
    service.catch_up()
    return int(number)


READS = [
    "/api/v1/consortium",
    "/api/v1/rules",
    "/api/v1/rules/proposals",
    "/api/v1/pause",
    "/api/v1/members",
    "/api/v1/proposals",
    "/api/v1/datasets",
    "/api/v1/catalogue",
    "/api/v1/studies",
    "/api/v1/permits",
    "/api/v1/uses",
    "/api/v1/totals",
    "/api/v1/credits",
    "/api/v1/releases",
    "/api/v1/events",
    "/api/v1/accesses",
    "/api/v1/openapi.json",
    "/metrics",
]


@pytest.mark.parametrize("path", READS)
def test_a_stranger_is_refused(service: Running, path: str) -> None:
    for query in ("", "?limit=x", "?unknown=1"):
        assert service.client("stranger").get(path + query).status_code == 401


@pytest.mark.parametrize("path", READS)
def test_an_account_that_nobody_knows_reads_nothing(service: Running, path: str) -> None:
    assert service.client("unknown").get(path).status_code == (200 if path.endswith("openapi.json") else 403)


@pytest.mark.parametrize("path", [each for each in READS if each != "/metrics"])
def test_parameters_that_are_not_known_are_refused(service: Running, path: str) -> None:
    answer = service.client("auditor").get(path, params={"statuss": "proposed"})
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_consortium_is_the_one_on_the_chain(service: Running, world: World, permit: int) -> None:
    found = body_of(service.client("board").get("/api/v1/consortium"))
    assert (found["name"], found["identity"]) == ("Consortium", world.registry.identity)
    assert found["contracts"] == world.registry.addresses
    assert found["members"] == 8


def test_members_are_filtered_by_role_and_status(service: Running, world: World) -> None:
    client = service.client("board")
    every = body_of(client.get("/api/v1/members", params={"limit": 200}))
    assert every["total"] == 9 and every["next"] is None
    removed = body_of(client.get("/api/v1/members", params={"status": "removed"}))
    assert [each["account"] for each in removed["items"]] == [world.address("removed")]
    lay = body_of(client.get("/api/v1/members", params={"role": "lay"}))
    assert [each["name"] for each in lay["items"]] == ["Member lay"]
    assert body_of(client.get(f"/api/v1/members/{world.address('lay')}"))["roles"] == ["ethics_board", "lay"]
    assert client.get(f"/api/v1/members/{service.account('unknown')}").status_code == 404


def test_a_list_is_the_same_page_by_page(service: Running) -> None:
    client = service.client("auditor")
    for path in ("/api/v1/members", "/api/v1/events", "/api/v1/proposals", "/api/v1/accesses"):
        whole_list = body_of(client.get(path, params={"limit": 12}))["items"]
        found, after = [], None
        while len(found) < len(whole_list):
            page = body_of(client.get(path, params={"limit": 5, **({"after": after} if after else {})}))
            found += page["items"]
            after = page["next"]
            if after is None:
                break
        if path != "/api/v1/accesses":
            assert found[: len(whole_list)] == whole_list
        assert client.get(path, params={"after": "999999999999.1"}).status_code in (200, 400, 422)


def test_a_dataset_says_whether_it_is_proven(service: Running, world: World) -> None:
    client = service.client("holder")
    id_ = hexadecimal(world.datasets[0])
    found = body_of(client.get(f"/api/v1/datasets/{id_}"))
    assert found["proven"]["proof"] == "proven"
    assert found["data_use"]["terms"] == [{"code": "DUO:0000004", "short": "NRES", "label": "no restriction"}]
    assert body_of(client.get(f"/api/v1/datasets/{id_}/versions"))["total"] == 1
    assert body_of(client.get("/api/v1/datasets", params={"proof": "unproven"}))["items"] == []
    figures = body_of(client.get(f"/api/v1/datasets/{id_}/consents"))
    assert figures["consent_root"] == hexadecimal(world.registry.consents.root(world.datasets[0]))
    assert (figures["batches"], figures["enrolled"]) == (0, 0)
    third = body_of(client.get(f"/api/v1/datasets/{hexadecimal(world.datasets[2])}/consents"))
    assert (third["batches"], third["enrolled"], third["in_newest_batch"]) == (1, 1, 1)
    assert service.account("patient") not in str(third)
    assert client.get(f"/api/v1/datasets/{hexadecimal(ZERO_HASH)}").status_code == 404
    assert client.get("/api/v1/datasets/0x12").status_code == 422


def test_a_permit_says_what_is_left_of_it(service: Running, world: World, permit: int) -> None:
    client = service.client("auditor")
    budget = body_of(client.get(f"/api/v1/permits/{permit}/budget"))
    assert (budget["rounds_opened"], budget["queries_opened"]) == (1, 1)
    spent = {each["dataset"]: each["rho_spent"] for each in budget["datasets"]}
    for place, id_ in enumerate(world.datasets):
        assert spent[hexadecimal(id_)] == world.registry.rho_spent(permit, id_) == (12, 7, 0)[place]


def test_rounds_and_queries_are_as_opened_recorded_and_closed(service: Running, permit: int) -> None:
    client = service.client("data_user")
    (opened,) = body_of(client.get(f"/api/v1/permits/{permit}/rounds"))["items"]
    assert opened["closed_at"] is not None and len(opened["recorded"]) == 2
    (asked,) = body_of(client.get(f"/api/v1/permits/{permit}/queries"))["items"]
    assert (asked["kind"], asked["closed_at"], asked["recorded"][0]["rho"]) == ("query", None, 5)
    uses = body_of(client.get("/api/v1/uses", params={"permit": permit}))
    assert uses["total"] == 3
    assert [each["kind"] for each in uses["items"]] == ["query", "round", "round"]


def test_a_study_has_its_ballots_and_fits_the_datasets_terms(service: Running, world: World, permit: int) -> None:
    client = service.client("lay")
    study = body_of(client.get(f"/api/v1/studies/{permit}"))
    assert (study["status"], study["permit"], study["votes_for"]) == ("approved", permit, 2)
    ballots = body_of(client.get(f"/api/v1/studies/{permit}/ballots"))["items"]
    assert [(each["voter"], each["approve"], each["counts"]) for each in ballots] == [
        (world.address("board"), True, True),
        (world.address("other_board"), True, True),
    ]
    fits = body_of(client.get(f"/api/v1/studies/{permit}/match"))
    assert {each["verdict"] for each in fits} == {"approve"}
    assert client.get(f"/api/v1/studies/{permit}/differences").status_code == 404
    assert client.get("/api/v1/studies/999999").status_code == 404


def test_a_study_is_summed_up_in_the_language_asked_for(service: Running, permit: int) -> None:
    client = service.client("lay")
    english = body_of(client.get(f"/api/v1/studies/{permit}/summary"))
    chinese = body_of(client.get(f"/api/v1/studies/{permit}/summary", params={"language": "zh-Hans"}))
    assert [each["key"] for each in english["parts"]] == [each["key"] for each in chinese["parts"]]
    assert "300 patients at 3 hospitals" in english["lead"]
    assert english["lead"] != chinese["lead"] and not english["configuration_known"]
    assert client.get(f"/api/v1/studies/{permit}/summary", params={"language": "tlh"}).status_code == 422


def test_the_catalogue_is_linked_data(service: Running, world: World) -> None:
    answer = service.client("auditor").get("/api/v1/catalogue")
    assert answer.headers["content-type"] == "application/ld+json"
    graph = body_of(answer)["@graph"]
    assert sum(each["@type"] == "dcat:Dataset" for each in graph) == len(world.datasets)
    again = service.client("auditor").get("/api/v1/catalogue", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


def test_an_amendment_is_its_differences(service: Running, world: World, permit: int) -> None:
    found = world.registry.permit(permit)
    assert found is not None
    study = world.as_("data_user").propose_amendment(permit, replace(found.terms, rounds=9))
    service.catch_up()
    changes = body_of(service.client("board").get(f"/api/v1/studies/{study}/differences"))
    assert changes["changes"] == [{"term": "rounds", "permitted": 5, "applied_for": 9}]
    assert changes["rounds_used"] == 1


def test_credits_are_those_of_the_chain(service: Running, world: World, permit: int) -> None:
    client = service.client("holder")
    balance = body_of(client.get(f"/api/v1/credits/{world.address('holder')}"))
    assert balance["earned"] == world.registry.credits.balance(world.address("holder")).earned > 0
    lines = body_of(client.get("/api/v1/credits", params={"account": world.address("holder")}))
    assert sum(each["to_holder"] for each in lines["items"]) == balance["earned"]


def test_events_are_searched(service: Running, world: World, permit: int) -> None:
    client = service.client("auditor")
    found = body_of(client.get("/api/v1/events", params={"name": "UseRecorded", "study": permit, "ascending": True}))
    assert found["total"] == 3
    assert found["items"][0]["details"]["rho"] == 7
    by_text = body_of(client.get("/api/v1/events", params={"text": "permitissued", "limit": 1}))
    assert by_text["items"][0]["name"] == "PermitIssued"
    assert client.get("/api/v1/events", params={"text": "x" * 201}).status_code in (400, 422)


def test_an_answer_that_did_not_change_is_not_sent_again(service: Running, world: World) -> None:
    client = service.client("board")
    first = client.get("/api/v1/studies")
    again = client.get("/api/v1/studies", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    world.study()
    service.catch_up()
    changed = client.get("/api/v1/studies", headers={"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200
    assert service.client("stranger").get("/api/v1/studies", headers={"If-None-Match": "*"}).status_code == 401


def test_the_trail_is_for_auditors_and_holders(service: Running) -> None:
    assert service.client("board").get("/api/v1/accesses").status_code == 403
    service.client("stranger").get("/api/v1/studies?text=secret")
    service.service.trail.flush()
    found = body_of(service.client("auditor").get("/api/v1/accesses", params={"refused": True}))["items"]
    assert any((each["route"], each["status"], each["account"]) == ("/api/v1/studies", 401, None) for each in found)
    assert "secret" not in str(found)


def test_figures_name_routes_and_nobody(service: Running) -> None:
    service.client("board").get("/api/v1/studies/1234567890123")
    service.client("board").get("/no/such/page")
    text = service.client("auditor").get("/metrics").text
    assert 'route="/api/v1/studies/{number}",status="404"' in text
    assert "1234567890123" not in text and "0x" not in text and "no/such" not in text
    for name in ("belmont_streams_open", "belmont_head_block", "belmont_index_events", "belmont_sign_ins_total"):
        assert name in text


def test_figures_are_for_the_machine_that_has_the_token_and_nothing_else_is(service: Running) -> None:
    client = service.client("stranger")
    right = {"Authorization": f"Bearer {METRICS_TOKEN}"}
    assert client.get("/metrics", headers=right).status_code == 200
    for wrong in (METRICS_TOKEN[:-1], METRICS_TOKEN + "x", "\u00e9"):
        header = {"Authorization": f"Bearer {wrong}".encode("latin-1")}
        assert client.get("/metrics", headers=header).status_code == 401
    assert client.get("/metrics", headers={"Authorization": f"Basic {METRICS_TOKEN}"}).status_code == 401
    assert client.get("/api/v1/consortium", headers=right).status_code == 401
    assert METRICS_TOKEN not in repr(service.service.config)


def test_a_number_that_json_does_not_hold_exactly_is_text() -> None:
    assert (whole(EXACT_MOST), whole(EXACT_MOST + 1)) == (2**53 - 1, str(2**53))
    assert jsonable({"a": (1, 2**64, b"\x01", True, None)}) == {"a": [1, str(2**64), "0x01", True, None]}
    assert moment(2**64 - 1) == "9999-12-31T23:59:59Z"


def test_an_answer_that_was_made_before_is_the_same_and_passes_the_gate_first(service: Running, world: World) -> None:
    client, path = service.client("board"), "/api/v1/datasets?limit=2"
    first = client.get(path)
    for name in ("board", "holder", "auditor"):
        again = service.client(name).get(path)
        assert (again.content, again.headers["etag"]) == (first.content, first.headers["etag"])
        assert again.headers["content-type"] == "application/json"
    assert service.client("stranger").get(path).status_code == 401
    assert service.client("unknown").get(path).status_code == 403
    world.as_("holder").freeze_dataset(world.datasets[0])
    service.catch_up()
    assert body_of(client.get(path))["items"][0]["status"] == "frozen"
    world.as_("holder").unfreeze_dataset(world.datasets[0])


@pytest.mark.parametrize("place", ["/api/v1/permits/{}", "/permits/{}", "/studies/{}"])
def test_a_record_that_the_chain_has_and_the_service_has_not_read_yet_is_waited_for(
    service: Running, world: World, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    told, may_go_on = service.service.keeper.told, threading.Event()

    def late(advance: Any) -> Any:
        assert may_go_on.wait(30)
        return told(advance)

    monkeypatch.setattr(service.service.keeper, "told", late)
    permit = world.permit(min_hospitals=1)
    assert permit not in service.service.snapshot.permits
    threading.Timer(0.3, may_go_on.set).start()
    assert service.client("board").get(place.format(permit)).status_code == 200
    assert service.client("board").get(place.format(permit + 1)).status_code == 404
    service.catch_up()


def test_what_is_not_known_here_is_not_found_while_the_chain_is_away(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> Any:
        raise RegistryUnreachable("the chain does not answer")

    monkeypatch.setattr(service.service.registry, "head", away)
    assert service.client("board").get("/permits/4711").status_code == 404


def test_many_who_find_nothing_at_once_ask_the_chain_together(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look takes a thread while the chain does not answer, and there are others who need one."""
    head, asked, together = service.service.registry.head, [], threading.Barrier(12)

    def slow() -> Any:
        asked.append(1)
        time.sleep(0.3)
        return head()

    def ask(number: int) -> int:
        together.wait(30)
        return httpx.get(f"{service.url}/api/v1/permits/{9_000 + number}", headers=headers).status_code

    headers = service.headers("board")
    monkeypatch.setattr(service.service.registry, "head", slow)
    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(ask, range(12))) == {404}
    assert 1 <= len(asked) <= 6, "and not twelve times"
