"""What is handed in is taken for its hash, given back byte for byte, and never as a page."""

import hashlib
import json
from typing import Any

import httpx
import pytest
from sqlalchemy import update
from tests.service.conftest import World
from tests.service.documents.conftest import Client, get, put, wait_for

from belmont.federated.hashes import config_hash
from belmont.federated.models.bundles import shipped_bundle
from belmont.service.documents.documents import Documents
from belmont.service.documents.kinds import FORMS, Kind
from belmont.service.documents.tables import contents
from belmont.service.errors import NotFound
from belmont.service.service import Service

PROTOCOL = "# Herzinfarkt früh erkennen\n\n<script>alert(1)</script> and 风险.\n".encode()
CONFIG = {"rounds": 3, "rate": 0.5, "secure": True, "outcome": "cvd"}
ENDPOINTS = (
    ("PUT", "/api/v1/studies/1/documents/protocol"),
    ("GET", "/api/v1/studies/1/documents"),
    ("GET", f"/api/v1/documents/{'0' * 64}"),
    ("POST", "/api/v1/relay"),
)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(scope="session")
def bundle() -> bytes:
    return shipped_bundle("glm")


@pytest.fixture(scope="session")
def study(world: World, bundle: bytes) -> int:
    """An application with a protocol, a configuration and code that are known."""
    protocol = hashlib.sha256(PROTOCOL).digest()
    code = hashlib.sha256(bundle).digest()
    return int(world.study(protocol_hash=protocol, config_hash=config_hash(CONFIG), code_hash=code))


def code(answer: Any) -> str:
    return str(answer.json()["code"])


# --- who ---


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_a_stranger_is_refused(stranger: httpx.Client, method: str, path: str) -> None:
    answer = stranger.request(method, path, content=b"x" * 100_000)
    assert answer.status_code == 401
    assert code(answer) == "NOT_SIGNED_IN"


@pytest.mark.parametrize("who", ["nobody", "removed"])
@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_who_is_no_member_is_refused(client: Client, who: str, method: str, path: str) -> None:
    answer = client(who).request(method, path, content=b"x")
    assert answer.status_code == 403
    assert code(answer) == "NOT_ALLOWED"


@pytest.mark.parametrize("who", ["holder", "data_user", "board", "lay"])
def test_whoever_acts_hands_in_and_reads(client: Client, study: int, who: str) -> None:
    answer = put(client(who), study, "protocol", PROTOCOL)
    assert answer.status_code in (200, 201), answer.text
    assert get(client(who), answer.json()["sha256"]).content == PROTOCOL


# --- what is taken ---


def test_what_was_applied_with_is_what_is_read_byte_for_byte(client: Client, study: int, bundle: bytes) -> None:
    canonical = json.dumps(CONFIG, sort_keys=True, separators=(",", ":")).encode()
    for kind, content in (("protocol", PROTOCOL), ("configuration", canonical), ("code", bundle)):
        answer = put(client("data_user"), study, kind, content)
        assert answer.status_code in (200, 201), answer.text
        assert answer.json()["sha256"] == sha256(content)
        assert get(client("board"), sha256(content)).content == content


def test_a_configuration_is_kept_in_one_form_whatever_the_spaces(client: Client, study: int) -> None:
    spaced = json.dumps(CONFIG, indent=4).encode()
    answer = put(client("data_user"), study, "configuration", spaced)
    canonical = json.dumps(CONFIG, sort_keys=True, separators=(",", ":")).encode()
    assert answer.json()["sha256"] == sha256(canonical)


def test_a_list_says_what_is_here_and_what_is_missing(client: Client, world: World) -> None:
    content = b"one more protocol"
    number = world.study(protocol_hash=hashlib.sha256(content).digest())
    put(client("data_user"), number, "protocol", content)
    listed = client("board").get(f"/api/v1/studies/{number}/documents").json()["documents"]
    here = {each["kind"]: each["document"] is not None for each in listed}
    assert here == {"protocol": True, "configuration": False, "code": False}
    assert listed[0]["actor"] == world.address("data_user")


def test_a_hash_in_the_newest_block_is_waited_for(client: Client, world: World) -> None:
    content = b"applied with a moment ago"
    number = world.study(protocol_hash=hashlib.sha256(content).digest())
    assert put(client("data_user"), number, "protocol", content).status_code == 201


def test_a_hash_that_was_read_between_the_look_and_the_wait_is_taken_too(
    client: Client, world: World, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, take, looks = b"read just now", service.documents.take, []
    number = world.study(protocol_hash=hashlib.sha256(content).digest())

    def before_it_was_read(*given: Any) -> Any:
        looks.append(given)
        if len(looks) == 1:
            wait_for(lambda: number in service.snapshot.studies)
            raise NotFound("The consortium has no such study.", code="STUDY_UNKNOWN")
        return take(*given)

    monkeypatch.setattr(service.documents, "take", before_it_was_read)
    assert put(client("data_user"), number, "protocol", content).status_code == 201
    assert len(looks) == 2


def test_why_somebody_voted_is_taken_for_the_events_hash(client: Client, world: World) -> None:
    number = world.study()
    world.as_("board").vote(number, False, "Zu wenig Nutzen.")
    assert put(client("board"), number, "reason", b"Zu wenig Nutzen.").status_code == 201
    assert code(put(client("board"), number, "reason", b"Another reason.")) == "NOT_ON_CHAIN"
    listed = client("auditor").get(f"/api/v1/studies/{number}/documents").json()["documents"]
    said = [each for each in listed if each["kind"] == "reason"]
    assert [(each["said_in"], each["actor"]) for each in said] == [("VoteCast", world.address("board"))]
    assert said[0]["document"]["handed_in_by"] == world.address("board")


def test_reasons_of_a_freeze_and_a_revocation_are_under_the_permits_number(client: Client, world: World) -> None:
    permit = world.permit()
    world.as_("board").freeze_permit(permit, 3600, "Look first.")
    world.as_("other_board").vote_revoke(permit, "It went wrong.")
    for reason in (b"Look first.", b"It went wrong."):
        assert put(client("lay"), permit, "reason", reason).status_code == 201


def test_why_an_amendment_is_asked_for_comes_from_its_applicant_once(client: Client, world: World) -> None:
    permit = world.permit()
    amendment = world.as_("data_user").propose_amendment(permit, world.terms())
    assert code(put(client("board"), amendment, "amendment", b"said by another")) == "NOT_THE_APPLICANT"
    assert put(client("data_user"), amendment, "amendment", b"More rounds.").status_code == 201
    assert code(put(client("data_user"), amendment, "amendment", b"Something else.")) == "ALREADY_THERE"
    assert code(put(client("data_user"), permit, "amendment", b"None.")) == "NO_AMENDMENT"
    listed = client("board").get(f"/api/v1/studies/{amendment}/documents").json()["documents"]
    assert [each["document"]["size"] for each in listed if each["kind"] == "amendment"] == [len(b"More rounds.")]


# --- what is not ---


def test_another_text_than_was_applied_with_is_refused(client: Client, study: int) -> None:
    answer = put(client("data_user"), study, "protocol", PROTOCOL + b" ")
    assert answer.status_code == 409
    assert code(answer) == "NOT_ON_CHAIN"


def test_a_document_of_another_study_is_refused(client: Client, world: World, study: int) -> None:
    assert code(put(client("data_user"), world.study(), "protocol", PROTOCOL)) == "NOT_ON_CHAIN"


@pytest.mark.parametrize("kind", ["reason", "conditions", "model-card", "evidence"])
def test_a_document_of_another_kind_is_refused(client: Client, study: int, kind: str) -> None:
    assert code(put(client("data_user"), study, kind, PROTOCOL)) == "NOT_ON_CHAIN"


def test_code_is_not_taken_as_a_protocol(client: Client, study: int, bundle: bytes) -> None:
    assert put(client("data_user"), study, "protocol", bundle).status_code in (400, 409)


@pytest.mark.parametrize("kind", [each for each in Kind])
def test_what_is_larger_than_its_kind_may_be_is_refused(client: Client, study: int, kind: Kind) -> None:
    answer = put(client("data_user"), study, kind, b"x" * (FORMS[kind].most_bytes + 1))
    assert answer.status_code == 413
    assert code(answer) == "TOO_LARGE"


def test_more_than_was_announced_is_refused_as_it_comes(client: Client, study: int) -> None:
    chunks = (b"x" * 65_536 for _ in range(64))
    answer = client("data_user").put(f"/api/v1/studies/{study}/documents/protocol", content=chunks)
    assert answer.status_code == 413


@pytest.mark.parametrize("kind", ["protocols", "page", "..", "%2e%2e", "PROTOCOL"])
def test_an_unknown_kind_is_refused(client: Client, study: int, kind: str) -> None:
    assert put(client("data_user"), study, kind, PROTOCOL).status_code in (404, 405, 422)


@pytest.mark.parametrize("number", ["0", "-1", "1.5", "x", str(2**63), str(10**40)])
def test_an_impossible_study_is_refused(client: Client, number: str) -> None:
    assert client("data_user").get(f"/api/v1/studies/{number}/documents").status_code == 422
    assert put(client("data_user"), number, "protocol", PROTOCOL).status_code == 422  # type: ignore[arg-type]


def test_a_study_that_is_not_there_has_no_documents(client: Client) -> None:
    assert code(client("board").get("/api/v1/studies/999999/documents")) == "STUDY_UNKNOWN"
    assert code(put(client("board"), 999_999, "protocol", PROTOCOL)) == "STUDY_UNKNOWN"


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"a\0b"])
def test_what_is_no_text_is_no_protocol(client: Client, study: int, content: bytes) -> None:
    assert put(client("data_user"), study, "protocol", content).status_code == 400


DEEP = b'{"a":' * 40 + b"1" + b"}" * 40


@pytest.mark.parametrize("content", [b"{", b"[]", b"1", b'{"a":[1]}', b'{"a":null}', b'{"a":NaN}', b"[" * 100, DEEP])
def test_what_is_no_configuration_is_refused(client: Client, study: int, content: bytes) -> None:
    answer = put(client("data_user"), study, "configuration", content)
    assert answer.status_code == 400, answer.text
    assert code(answer) == "NOT_A_CONFIGURATION"


def test_what_is_no_record_of_a_round_is_refused(client: Client, study: int) -> None:
    assert code(put(client("data_user"), study, "round", b'{"format":"belmont-secure-round/1"}')) == "NOT_A_RECORD"


@pytest.mark.parametrize("name", ["0" * 63, "0" * 65, "g" * 64, "A" * 64, "0x" + "0" * 62, "../../etc/passwd"])
def test_what_is_no_hash_names_no_document(client: Client, name: str) -> None:
    assert get(client("board"), name).status_code in (404, 422)


# --- how it is given ---


@pytest.mark.parametrize("claimed", ["text/html", "image/svg+xml", "multipart/form-data; boundary=x", "nonsense"])
def test_a_page_as_a_protocol_comes_back_as_text(client: Client, world: World, claimed: str) -> None:
    page = f"<!doctype html><script>alert(document.cookie)</script><p>{claimed}".encode()
    number = world.study(protocol_hash=hashlib.sha256(page).digest())
    answer = put(client("data_user"), number, "protocol", page, **{"Content-Type": claimed})
    assert answer.status_code == 201, answer.text
    assert answer.json()["media_type"] == "text/plain; charset=utf-8"
    given = get(client("board"), sha256(page))
    assert given.content == page
    assert given.headers["content-type"] == "text/plain; charset=utf-8"
    assert given.headers["content-disposition"] == f'attachment; filename="protocol-{sha256(page)[:16]}.txt"'
    assert given.headers["x-content-type-options"] == "nosniff"
    assert "script-src 'self'" in given.headers["content-security-policy"]


def test_what_was_changed_in_the_database_is_never_given_and_can_be_handed_in_again(
    client: Client, world: World, service: Service
) -> None:
    content = b"before somebody changed it"
    number = world.study(protocol_hash=hashlib.sha256(content).digest())
    put(client("data_user"), number, "protocol", content)
    with service.store.writing() as connection:
        of_it = contents.c.sha256 == hashlib.sha256(content).digest()
        connection.execute(update(contents).where(of_it).values(content=b"after somebody changed it"))
    answer = get(client("board"), sha256(content))
    assert answer.status_code == 404
    assert code(answer) == "DOCUMENT_DAMAGED"
    assert service.documents.text(Kind.PROTOCOL, hashlib.sha256(content).digest()) is None
    assert put(client("holder"), number, "protocol", content).status_code == 200
    assert get(client("board"), sha256(content)).content == content


def test_handing_in_twice_is_handing_in_once(client: Client, world: World) -> None:
    content = b"twice"
    number = world.study(protocol_hash=hashlib.sha256(content).digest())
    first, second = (put(client(who), number, "protocol", content) for who in ("data_user", "board"))
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json()["handed_in_by"] == world.address("data_user")


def test_a_document_answers_for_every_study_with_the_same_hash(
    documents: Documents, client: Client, world: World
) -> None:
    content = b"shared by two studies"
    one, other = (world.study(protocol_hash=hashlib.sha256(content).digest()) for _ in range(2))
    put(client("data_user"), one, "protocol", content)
    put(client("data_user"), other, "protocol", content)
    for number in (one, other):
        found = {each.kind: each.document for each in documents.for_study(number)}[Kind.PROTOCOL]
        assert found is not None and found.study == one
