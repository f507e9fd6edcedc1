"""``belmont service token`` against a service that runs, and against sites that want something else signed."""

import argparse
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from fastapi.testclient import TestClient
from tests.service.sign_in.conftest import Running

from belmont.identity.keys import Identity
from belmont.identity.sign_in_message import SignInMessage, parse
from belmont.service.errors import ConfigRefused
from belmont.service.sign_in.token_command import TokenRefused, add_commands, token_of


@pytest.fixture
def holder(world: Any) -> Identity:
    return Identity(world.people["holder"], X25519PrivateKey.generate(), 1337)


class Front(ThreadingHTTPServer):
    """Hands requests to a service under test, and may change the text that it wants signed."""

    def __init__(self, client: TestClient) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.client, self.change, self.signed = client, {}, []


class Handler(BaseHTTPRequestHandler):
    server: Front

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name: value for name, value in self.headers.items() if name.lower() in ("content-type", "cookie")}
        answer = self.server.client.post(self.path, content=body, headers=headers)
        content = answer.json()
        if self.path.endswith("/challenge"):
            message = parse(content["message"])
            mine = replace(message, domain=f"127.0.0.1:{self.server.server_port}")
            content["message"] = replace(mine, **self.server.change).text
        else:
            self.server.signed.append(json.loads(body))
        self.send_response(answer.status_code)
        for cookie in answer.headers.get_list("set-cookie"):
            self.send_header("Set-Cookie", cookie)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture
def front(browser: Any) -> Iterator[Front]:
    with Front(browser().client) as found:
        thread = threading.Thread(target=found.serve_forever, daemon=True)
        thread.start()
        yield found
        found.shutdown()
        thread.join(10)


CHANGES: dict[str, dict[str, Any]] = {
    "another site": {"domain": "bank.example"},
    "another chain": {"chain_id": 1},
    "another key": {"address": "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"},
    "another identity": {"resources": ("did:ethr:0x539:0x" + "11" * 20,)},
}


@pytest.mark.parametrize("what", CHANGES)
def test_nothing_is_signed_for_anybody_else(front: Front, holder: Identity, what: str) -> None:
    front.change = CHANGES[what]
    with pytest.raises(TokenRefused, match="is not for it"):
        token_of(f"http://127.0.0.1:{front.server_port}", holder)
    assert front.signed == []


def test_a_service_that_refuses_is_told(front: Front, holder: Identity) -> None:
    """The front's own text is not one that the service issued."""
    with pytest.raises(TokenRefused, match="another domain"):
        token_of(f"http://127.0.0.1:{front.server_port}", holder)
    assert isinstance(parse(front.signed[0]["message"]), SignInMessage)


def test_a_token_is_asked_for_over_tls_or_on_this_machine(holder: Identity) -> None:
    with pytest.raises(ConfigRefused):
        token_of("http://belmont.example", holder)
    with pytest.raises(TokenRefused):
        token_of("http://127.0.0.1:1", holder)


def test_the_command_writes_a_token_that_counts(running: Running, holder: Identity, tmp_path: Path) -> None:
    holder.save(tmp_path / "key.json")
    parser = argparse.ArgumentParser()
    add_commands(parser.add_subparsers())
    words = ["token", "--url", running.origin, "--key", str(tmp_path / "key.json"), "--out", str(tmp_path / "token")]
    options = parser.parse_args(words)
    assert options.run(options) == 0
    token = (tmp_path / "token").read_text().strip()
    assert (tmp_path / "token").stat().st_mode & 0o077 == 0
    me = httpx.get(f"{running.origin}/api/v1/session", headers={"Authorization": f"Bearer {token}"}).json()
    assert (me["account"], me["session"]["by_token"]) == (holder.address, True)
