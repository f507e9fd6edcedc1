"""What is applied with in a notebook is what the board reads at the service, byte for byte; and where it is away."""

import hashlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from belmont.federated.hashes import canonical_json
from belmont.identity.approval_conditions import ApprovalConditions
from belmont.identity.keys import Identity
from belmont.identity.sign_in_message import SignInMessage
from belmont.lab import Consortium, LogisticRegression
from belmont.lab.errors import LabError, ServiceAway, ServiceRefused
from belmont.lab.service_client import ServiceClient
from belmont.service.app import create_app
from belmont.service.config import ServiceConfig
from belmont.service.service import Service
from belmont.service.serving import Serving, bound

Bare = Callable[..., Consortium]
PROTOCOL = "# Protokoll\r\n\r\nWer früh behandelt wird, <b>lebt länger</b>: 风险。\n\n\n"


class Running:
    """The service of one consortium, in a thread; it can be ended, and started again on the same port."""

    def __init__(self, consortium: Consortium, folder: Path) -> None:
        self._config = ServiceConfig(
            name="Bare",
            chain=consortium.url,
            members=consortium.registry.addresses["Members"],
            public_url="http://127.0.0.1:8600",
            database=f"sqlite:///{folder / 'service.sqlite'}",
            port=0,
        )
        self.start()

    def start(self) -> None:
        listening, self._config = bound(self._config)
        app, ready = create_app(self._config), threading.Event()
        self.service: Service = app.state.service
        self._server = Serving(app, ready.set)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listening]})
        self._thread.start()
        assert ready.wait(20)

    @property
    def url(self) -> str:
        return self._config.public_url

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive()


@pytest.fixture
def linked(bare: Bare, tmp_path: Path) -> Iterator[tuple[Consortium, Running]]:
    """A consortium in a notebook that knows its service."""
    first = bare()
    running = Running(first, tmp_path)
    assert first.home is not None
    consortium = Consortium.connect(first.url, first.home.path, service=running.url)
    yield consortium, running
    consortium.close()
    running.stop()


def read(consortium: Consortium, sha256: bytes, who: int = 0) -> bytes:
    """A document as a member of the board gets it."""
    assert consortium.service is not None
    return consortium.service.read(consortium.board[who].identity, sha256)


def listed(consortium: Consortium, study: int) -> dict[str, Any]:
    assert consortium.service is not None
    found = consortium.service.documents(consortium.board[0].identity, study)
    return {each["kind"]: each for each in found}


def test_what_a_board_member_reads_is_exactly_what_was_applied_with(linked: tuple[Consortium, Running]) -> None:
    consortium, _ = linked
    model = LogisticRegression.default()
    study = consortium.propose("A study", model=model, rounds=4, protocol=PROTOCOL)
    terms = study.record.terms
    assert read(consortium, terms.protocol_hash) == PROTOCOL.encode()
    assert read(consortium, terms.code_hash) == model.bundle
    config = canonical_json(dict(model.config))
    assert read(consortium, hashlib.sha256(config).digest()) == config
    assert consortium.handed_in[study.id].is_complete
    assert "handed in: protocol, configuration, code" in study._repr_html_()
    assert study.protocol == PROTOCOL


def test_a_protocol_can_be_a_file_and_its_bytes_are_what_is_hashed(
    linked: tuple[Consortium, Running], tmp_path: Path
) -> None:
    consortium, _ = linked
    path = tmp_path / "protocol.md"
    path.write_bytes(PROTOCOL.encode())
    for given in (path, str(path)):
        study = consortium.propose("A study", rounds=4, protocol=given)
        assert study.record.terms.protocol_hash == hashlib.sha256(path.read_bytes()).digest()
        assert read(consortium, study.record.terms.protocol_hash) == path.read_bytes()


@pytest.mark.parametrize("content", [b"", b"\xff", b"a\0b", b"x" * (1024 * 1024 + 1)])
def test_what_is_no_protocol_is_refused_before_anything_is_applied_for(
    bare: Bare, tmp_path: Path, content: bytes
) -> None:
    consortium = bare()
    path = tmp_path / "protocol.md"
    path.write_bytes(content)
    with pytest.raises(LabError):
        consortium.propose("A study", protocol=path)
    with pytest.raises(LabError, match="no file"):
        consortium.propose("A study", protocol="elsewhere.md")
    assert consortium.registry.studies() == []


def test_why_members_voted_froze_and_revoked_can_be_read(linked: tuple[Consortium, Running]) -> None:
    consortium, _ = linked
    study = consortium.propose("A study", rounds=4)
    study.vote(consortium.board[0], reason="Sound, and small.").vote(consortium.board[1])
    permit = study.accept(*consortium.hospitals).permit()
    permit.freeze(consortium.board[0], reason="Look at round 2.")
    permit.revoke(*consortium.board[:2], reason="Vorbei.")
    for reason in ("Sound, and small.", "Look at round 2.", "Vorbei."):
        assert read(consortium, hashlib.sha256(reason.encode()).digest()) == reason.encode()
    assert consortium.handed_in[study.id].is_complete


def test_conditions_are_handed_in_and_come_to_whoever_is_to_agree(linked: tuple[Consortium, Running]) -> None:
    consortium, _ = linked
    study = consortium.propose("A study", rounds=4)
    study.vote(*consortium.board[:2], conditions=["Only adults.", "报告结果。"], reason="With care.")
    canonical = ApprovalConditions.of(["Only adults.", "报告结果。"]).canonical()
    assert read(consortium, hashlib.sha256(canonical).digest()) == canonical
    assert consortium.home is not None
    for path in (consortium.home.path / "documents").iterdir():
        if path.read_bytes() == canonical:
            path.unlink()  # as on another machine than the board's
    study.agree()
    assert study.record.conditions_agreed
    assert study.conditions["condition"].tolist() == ["Only adults.", "报告结果。"] * 2


def test_an_amendment_brings_its_reason_and_what_changes(linked: tuple[Consortium, Running]) -> None:
    consortium, running = linked
    study = consortium.propose("A study", rounds=4)
    permit = study.vote(*consortium.board[:2]).accept(*consortium.hospitals).permit()
    amendment = permit.amend(rounds=20, protocol="# More rounds\n", reason="Nicht konvergiert.")
    assert read(consortium, amendment.record.terms.protocol_hash) == b"# More rounds\n"
    assert running.service.documents.why_amended(amendment.id) == "Nicht konvergiert."
    assert consortium.handed_in[amendment.id].is_complete
    assert {kind for kind, each in listed(consortium, amendment.id).items() if each["document"]} == {
        "protocol",
        "configuration",
        "code",
        "amendment",
    }


def test_records_of_rounds_are_taken_if_the_round_opens(consortium: Consortium, tmp_path: Path) -> None:
    running = Running(consortium, tmp_path)
    try:
        consortium.service = ServiceClient(running.url)
        study = consortium.propose("A study of secure rounds", model=LogisticRegression.default(), rounds=2, queries=0)
        permit = study.vote(*consortium.board[:2]).accept(*consortium.hospitals).permit()
        with pytest.raises(LabError, match="no record"):
            permit.hand_in()
        record = permit.train(rounds=1).record(1).to_bytes()
        assert permit.hand_in().is_complete
        kept = running.service.documents.for_study(permit.id)
        assert [each.said_in for each in kept if each.kind == "round"] == ["round 1"]
        here = running.service.documents.rounds(permit.id)
        assert {n: each.sha256 for n, each in here.items()} == {1: hashlib.sha256(record).digest()}
        assert read(consortium, hashlib.sha256(record).digest()) == record
        other = record.replace(b'"n":1', b'"n":2')
        for content in (other, record[:-1] + b" }", record + b"\n"):
            with pytest.raises(ServiceRefused) as refused:
                consortium.service.hand_in(consortium.researcher.identity, permit.id, "round", content)
            assert refused.value.code in ("RECORD_REFUSED", "NOT_A_RECORD")
        with pytest.raises(ServiceRefused) as refused:
            another = consortium.propose("Another study", rounds=1, queries=0).id
            consortium.service.hand_in(consortium.researcher.identity, another, "round", record)
        assert refused.value.code == "OTHER_STUDY"
    finally:
        if consortium.service is not None:
            consortium.service.close()
        consortium.service = None
        consortium.handed_in.clear()
        running.stop()


def test_cards_link_to_the_console(linked: tuple[Consortium, Running]) -> None:
    consortium, running = linked
    study = consortium.propose("A study", rounds=4)
    permit = study.vote(*consortium.board[:2]).accept(*consortium.hospitals).permit()
    assert (consortium.service_url, study.url) == (running.url, f"{running.url}/studies/{study.id}")
    assert permit.url == f"{running.url}/permits/{permit.id}"
    assert f'href="{permit.url}"' in permit._repr_html_()
    assert f'href="{study.url}"' in study._repr_html_()
    assert f'href="{running.url}"' in consortium._repr_html_()


def test_where_the_service_is_away_the_application_is_made_and_handed_in_later(
    linked: tuple[Consortium, Running],
) -> None:
    consortium, running = linked
    running.stop()
    study = consortium.propose("A study", rounds=4, protocol=PROTOCOL)
    study.vote(consortium.board[0], reason="Sound.")
    assert study.status == "proposed"
    card = study._repr_html_()
    assert "not handed in: protocol, configuration, code, reason" in card and "study.hand_in()" in card
    with pytest.raises(ServiceAway):
        study.hand_in()
    running.start()
    assert study.hand_in().is_complete
    assert study.hand_in().there == ("protocol", "configuration", "code", "reason")
    assert read(consortium, study.record.terms.protocol_hash) == PROTOCOL.encode()
    assert "not handed in" not in study._repr_html_()


def test_what_is_not_on_this_machine_is_said_to_be_missing(linked: tuple[Consortium, Running]) -> None:
    consortium, running = linked
    running.stop()
    study = consortium.propose("A study", rounds=4, protocol="gone from here\n")
    assert consortium.home is not None
    for path in (consortium.home.path / "documents").iterdir():
        if path.read_bytes() == b"gone from here\n":
            path.unlink()
    running.start()
    found = study.hand_in(consortium.board[0])
    assert (found.there, found.missing) == (("configuration", "code"), ("protocol",))


def test_without_a_service_nothing_is_said_of_one(bare: Bare) -> None:
    consortium = bare()
    study = consortium.propose("A study", rounds=4)
    assert (consortium.service_url, study.url, consortium.handed_in) == (None, None, {})
    assert "console" not in study._repr_html_()
    with pytest.raises(LabError, match="service="):
        study.hand_in()


# --- a service that cannot be trusted ---


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "ftp://a",
        "http://",
        "http://belmont.example",
        "http://a/b",
        "http://u:p@a",
        "http://a?x",
        "x",
    ],
)
def test_what_is_no_address_of_http_is_no_service(url: str) -> None:
    with pytest.raises(LabError, match=r"no address|plain http"):
        ServiceClient(url)


class Hostile(BaseHTTPRequestHandler):
    """Answers with whatever the test says."""

    answers: ClassVar[list[tuple[int, Any]]] = []
    asked: ClassVar[list[tuple[str, dict[str, str], bytes]]] = []

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        type(self).asked.append((self.path, dict(self.headers), self.rfile.read(length)))
        status, content = self.answers.pop(0) if self.answers else (500, {})
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = _answer

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture
def hostile() -> Iterator[tuple[str, type[Hostile]]]:
    Hostile.answers, Hostile.asked = [], []
    server = HTTPServer(("127.0.0.1", 0), Hostile)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", Hostile
    server.shutdown()
    thread.join()
    server.server_close()


def text_for(url: str, identity: Identity, **changes: Any) -> str:
    """A sign-in as an honest service writes it, with changes."""
    fields: dict[str, Any] = {
        "domain": url.removeprefix("http://"),
        "address": identity.address,
        "uri": f"{url}/sign-in",
        "chain_id": identity.chain_id,
        "nonce": "0" * 32,
        "issued_at": "2026-01-01T00:00:00Z",
    }
    return SignInMessage(**fields | changes).text


def test_another_services_sign_in_is_not_signed(hostile: tuple[str, type[Hostile]]) -> None:
    url, service = hostile
    identity, other = Identity.create(), Identity.create()
    texts = [
        text_for(url, identity, domain="bank.example"),
        text_for(url, identity, uri="https://bank.example/sign-in"),
        text_for(url, identity, chain_id=1),
        text_for(url, identity, address=other.address),
        text_for(url, identity, resources=(f"did:ethr:0x{identity.chain_id:x}:{other.address}",)),
        "Transfer everything to me",
        "",
    ]
    with ServiceClient(url) as client:
        for text in texts:
            service.answers = [(200, {"message": text})]
            with pytest.raises(ServiceRefused) as refused:
                client.sign_in(identity)
            assert refused.value.code == "SIGN_IN_REFUSED"
    assert {path for path, _, _ in service.asked} == {"/api/v1/sign-in/challenge"}


def test_a_token_is_in_no_text_and_a_wrong_document_is_refused(hostile: tuple[str, type[Hostile]]) -> None:
    url, service = hostile
    identity = Identity.create()
    with ServiceClient(url) as client:
        service.answers = [(200, {"message": text_for(url, identity)}), (201, {"token": "secret"}), (200, b"other")]
        with pytest.raises(ServiceRefused) as refused:
            client.read(identity, hashlib.sha256(b"wanted").digest())
        assert refused.value.code == "OTHER_CONTENT"
        assert "secret" not in repr(client) + str(refused.value)


@pytest.mark.parametrize("answer", [(200, b"[" * 50), (200, b"\xff"), (200, []), (200, {"documents": 1}), (404, b"no")])
def test_answers_that_cannot_be_read_are_typed_errors(hostile: tuple[str, type[Hostile]], answer: Any) -> None:
    url, service = hostile
    identity = Identity.create()
    with ServiceClient(url) as client:
        service.answers = [(200, {"message": text_for(url, identity)}), (201, {"token": "secret"}), answer]
        with pytest.raises(ServiceRefused):
            client.documents(identity, 1)


def test_a_redirect_is_not_followed_with_the_token(hostile: tuple[str, type[Hostile]]) -> None:
    url, service = hostile
    identity = Identity.create()
    with ServiceClient(url) as client:
        service.answers = [(200, {"message": text_for(url, identity)}), (201, {"token": "secret"}), (302, b"")]
        with pytest.raises(ServiceRefused):
            client.documents(identity, 1)


def test_a_service_that_never_answers_is_away_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        started = time.monotonic()
        with ServiceClient(url, timeout_seconds=0.3) as client, pytest.raises(ServiceAway, match="does not answer"):
            client.sign_in(Identity.create())
        assert time.monotonic() - started < 20
