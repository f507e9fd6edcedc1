"""``belmont service``: a configuration that is never overwritten, and a server that is bounded and ends in order."""

import asyncio
import socket
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send
from tests.service.documents.conftest import service  # noqa: F401  a fixture

from belmont.cli import main
from belmont.service.config import LocalHospital, ServiceConfig
from belmont.service.config_file import Beginning
from belmont.service.errors import ConfigRefused
from belmont.service.http import OneHost
from belmont.service.service import Service
from belmont.service.serving import HEAD_MOST_BYTES, bound

CHAIN, ADDRESS = "http://127.0.0.1:8545", "https://belmont.hospital.example"
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)


def test_what_init_writes_can_be_read_and_is_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "service.toml"
    words = ["service", "init", "--chain", CHAIN, "--public-url", f"{ADDRESS}/", "--out", str(path)]
    assert main(words) == 0
    config = ServiceConfig.read(path)
    assert (config.chain, config.public_url, config.members) == (CHAIN, ADDRESS, None)
    assert config.database == f"sqlite:///{tmp_path.resolve() / 'service.sqlite'}"
    path.write_text("somebody's work")
    assert main(words) == 2
    assert "is there already" in capsys.readouterr().err
    assert path.read_text() == "somebody's work"


@pytest.mark.parametrize(
    ("url", "words", "port"),
    [
        ("http://localhost:8699", [], 8699),
        ("http://127.0.0.1", [], 8600),
        ("https://belmont.hospital.example:8443", [], 8600),
        ("http://localhost:8699", ["--port", "9000"], 9000),
    ],
)
def test_a_service_listens_where_a_plain_address_of_this_machine_says(
    tmp_path: Path, url: str, words: list[str], port: int
) -> None:
    path = tmp_path / "service.toml"
    assert main(["service", "init", "--chain", CHAIN, "--public-url", url, "--out", str(path), *words]) == 0
    assert ServiceConfig.read(path).port == port


UNUSABLE = ["https://[::1]", "http://[::1]:8600", "https://[a", "https://a:b", "https://a@b", "https://a#b", "https://"]


@pytest.mark.parametrize("url", ["http://belmont.hospital.example", "belmont", "https://a/b", "ftp://a", *UNUSABLE])
def test_init_writes_nothing_that_could_not_be_served(tmp_path: Path, url: str) -> None:
    path = tmp_path / "service.toml"
    assert main(["service", "init", "--chain", CHAIN, "--public-url", url, "--out", str(path)]) == 2
    assert not path.exists()


@pytest.mark.parametrize(
    ("url", "instead"),
    [
        ("http://[::1]:8699", "http://localhost:8699"),
        ("http://[::1]", "http://localhost"),
        ("https://[::1]:8699", "https://localhost:8699"),
        ("https://[2001:db8::1]:8699", "https://belmont.example"),
    ],
)
def test_an_address_of_ipv6_is_refused_with_the_one_to_write_instead(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], url: str, instead: str
) -> None:
    path = tmp_path / "service.toml"
    words = ["service", "init", "--chain", CHAIN, "--out", str(path), "--public-url"]
    assert main([*words, url]) == 2 and not path.exists()
    said = capsys.readouterr().err.strip()
    assert repr(url) in said and said.endswith(f" {instead}"), "and nothing after it"
    assert main([*words, instead]) == 0, "what is named can be served"


@given(TEXT, TEXT, TEXT, TEXT)
def test_a_beginning_reads_back_whatever_is_in_it(
    tmp_path_factory: pytest.TempPathFactory, name: str, chain: str, home: str, member: str
) -> None:
    path = tmp_path_factory.mktemp("config") / "service.toml"
    beginning = Beginning(name, chain, ADDRESS, "0x1", port=0, hospitals=[LocalHospital(Path(home), member)])
    config = beginning.write(path)
    assert (config.name, config.chain, config.port) == (name, chain, 0)
    assert [each.member for each in config.hospitals] == [member]
    assert config.hospitals[0].home == path.resolve().parent / Path(home)


@pytest.mark.parametrize("port", ["-1", "65536"])
def test_a_port_that_there_is_not_is_refused(tmp_path: Path, port: str) -> None:
    path = tmp_path / "service.toml"
    Beginning("Hospital", CHAIN, ADDRESS).write(path)
    assert main(["service", "serve", "--config", str(path), f"--port={port}"]) == 2


def test_a_port_that_is_taken_shows_before_anything_is_opened(tmp_path: Path) -> None:
    config = Beginning("Hospital", CHAIN, ADDRESS).write(tmp_path / "service.toml")
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ConfigRefused, match="cannot listen"):
        bound(replace(config, port=taken.getsockname()[1]))
    assert not (tmp_path / "service.sqlite").exists()


def test_the_address_follows_a_free_port_on_this_machine_and_nowhere_else(tmp_path: Path) -> None:
    config = Beginning("Hospital", CHAIN, "http://127.0.0.1:1", port=0).write(tmp_path / "service.toml")
    listening, found = bound(config)
    listening.close()
    assert found.public_url == f"http://127.0.0.1:{found.port}" and found.port
    listening, found = bound(replace(config, public_url=ADDRESS))
    listening.close()
    assert found.public_url == ADDRESS


def test_a_head_that_goes_on_and_on_is_refused(service: Service) -> None:  # noqa: F811
    with socket.create_connection(("127.0.0.1", service.config.port), timeout=10) as connection:
        connection.sendall(b"GET /api/v1/health/live HTTP/1.1\r\nX-Large: " + b"x" * (HEAD_MOST_BYTES + 1))
        assert connection.recv(100).startswith((b"HTTP/1.1 400", b"HTTP/1.1 431"))


def test_another_host_than_the_public_one_is_refused(service: Service) -> None:  # noqa: F811
    with httpx.Client(base_url=service.config.public_url) as client:
        answer = client.get("/api/v1/health/live", headers={"Host": "evil.example"})
        assert answer.status_code == 400 and service.config.public_url in answer.text
        again = httpx.URL(service.config.public_url).netloc.decode().upper()
        assert client.get("/api/v1/health/live", headers={"Host": again}).status_code == 200, "names have no case"


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("headers", [[], [(b"host", b"evil.example")], [(b"host", b"localhost.evil.example:80")]])
def test_nothing_that_is_asked_for_under_another_name_or_none_reaches_the_application(
    kind: str, headers: list[tuple[bytes, bytes]]
) -> None:
    reached, sent = [], []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append(scope)

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError("nothing of it is read")

    scope = {"type": kind, "path": "/", "headers": headers, "extensions": {"websocket.http.response": {}}}
    asyncio.run(OneHost(application, "http://localhost:8600")(scope, receive, send))
    assert not reached and sent[0]["status"] == 400
