"""A mail server as institutions have them: with a certificate, and a name and password for who sends."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session

from belmont.federated.deployed.certificates import Certificates

USER, PASSWORD = "belmont", "orchard7"


@dataclass
class Server:
    """What a mail server was sent. It takes any password, in the clear as well: whoever sends one has given it away."""

    port: int = 0
    passwords: list[tuple[str, bool]] = field(default_factory=list)
    """With whether the connection was encrypted."""
    mails: list[tuple[bytes, bool]] = field(default_factory=list)

    def sign_in(self, server: Any, session: Session, envelope: Envelope, mechanism: str, given: Any) -> AuthResult:
        assert isinstance(given, LoginPassword)
        self.passwords.append((given.password.decode(), session.ssl is not None or self.is_wrapped))
        return AuthResult(success=given.password.decode() == PASSWORD, handled=False)

    is_wrapped: bool = False
    """TLS from the first byte."""

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        self.mails.append((bytes(envelope.content or b""), session.ssl is not None or self.is_wrapped))
        return "250 Taken"


Starts = Callable[..., Server]


def free_port() -> int:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as taken:
        return taken.server_port


def context_of(certificates: Certificates, folder: Path) -> ssl.SSLContext:
    """A server's."""
    chain, key = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(certificates.certificate)
    key.write_bytes(certificates.key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, key)
    return context
