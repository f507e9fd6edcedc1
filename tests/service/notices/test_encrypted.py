"""Mail and webhooks to real servers with certificates of an authority of one's own: taken, or nothing is sent."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.service.notices.servers import PASSWORD, USER, Server, Starts, context_of

from belmont.federated.deployed.certificates import Certificates, make_certificates
from belmont.service.config import ServiceConfig
from belmont.service.errors import ConfigRefused
from belmont.service.notices import mail, webhook
from belmont.service.notices.choices import Channel
from belmont.service.notices.errors import DeliveryFailed
from belmont.service.notices.kinds import Kind
from belmont.service.notices.outbox import Notice
from belmont.service.notices.settings import NoticesConfig

URL = "https://belmont.example"
NOTICE = Notice("0" * 32, "0x", Channel.EMAIL, Kind.FREEZE, 1, "Kidney function", "/permits/1", 0, 0)  # type: ignore[arg-type]


def config_of(server: Server, certificates: Certificates | None, **changes: Any) -> NoticesConfig:
    found = NoticesConfig(
        smtp_host="localhost",
        smtp_port=server.port,
        smtp_security="starttls",
        smtp_user=USER,
        smtp_password=PASSWORD,
        sender="belmont@hospital.example",
        email_domains=("hospital.example",),
        authorities=None if certificates is None else certificates.authority.decode(),
    )
    return replace(found, **changes)


def send(config: NoticesConfig) -> None:
    mail.send(mail.composed(NOTICE, "ada@hospital.example", "en", config, URL), config)


def test_a_mail_goes_by_starttls_to_a_server_whose_authority_is_configured(mail_server: Starts) -> None:
    certificates = make_certificates(["localhost"])
    server = mail_server(certificates)
    send(config_of(server, certificates))
    ((content, is_encrypted),) = server.mails
    assert is_encrypted and b"To: ada@hospital.example" in content and f"{URL}/permits/1".encode() in content
    assert server.passwords == [(PASSWORD, True)]


def test_a_mail_goes_by_tls_from_the_first_byte(mail_server: Starts) -> None:
    certificates = make_certificates(["localhost"])
    server = mail_server(certificates, wrapped=True)
    send(config_of(server, certificates, smtp_security="tls"))
    assert len(server.mails) == 1 and server.passwords == [(PASSWORD, True)]


@pytest.mark.parametrize("wrapped", [False, True], ids=["starttls", "tls"])
def test_a_certificate_for_another_name_gets_no_password_and_no_mail(mail_server: Starts, wrapped: bool) -> None:
    certificates = make_certificates(["mail.elsewhere.example"])
    server = mail_server(certificates, wrapped=wrapped)
    with pytest.raises(DeliveryFailed, match=r"certificate was not accepted: .*localhost"):
        send(config_of(server, certificates, smtp_security="tls" if wrapped else "starttls"))
    assert server.passwords == [] and server.mails == []


@pytest.mark.parametrize("wrapped", [False, True], ids=["starttls", "tls"])
@pytest.mark.parametrize("known", [None, "another"])
def test_an_authority_that_is_not_configured_gets_no_password_and_no_mail(
    mail_server: Starts, known: str | None, wrapped: bool
) -> None:
    server = mail_server(make_certificates(["localhost"]), wrapped=wrapped)
    trusted = None if known is None else make_certificates(["localhost"])
    with pytest.raises(DeliveryFailed, match="certificate was not accepted"):
        send(config_of(server, trusted, smtp_security="tls" if wrapped else "starttls"))
    assert server.passwords == [] and server.mails == []


def test_a_certificate_that_ended_gets_no_password_and_no_mail(mail_server: Starts) -> None:
    certificates = make_certificates(["localhost"], days=0)
    server = mail_server(certificates)
    with pytest.raises(DeliveryFailed, match="certificate was not accepted"):
        send(config_of(server, certificates))
    assert server.passwords == [] and server.mails == []


@pytest.mark.parametrize("user", [USER, None])
def test_a_server_that_offers_no_starttls_gets_no_password_and_no_mail(mail_server: Starts, user: str | None) -> None:
    server = mail_server(None)
    with pytest.raises(DeliveryFailed, match="offers no STARTTLS"):
        send(config_of(server, None, smtp_user=user))
    assert server.passwords == [] and server.mails == []


def test_a_password_that_the_server_refuses_is_told_without_it(mail_server: Starts) -> None:
    certificates = make_certificates(["localhost"])
    server = mail_server(certificates)
    with pytest.raises(DeliveryFailed, match="refused smtp_user and its password") as failed:
        send(config_of(server, certificates, smtp_password="another-word"))
    assert "another-word" not in str(failed.value) and server.mails == []


# --- webhooks ---


@contextmanager
def receiver(certificates: Certificates, folder: Path) -> Iterator[tuple[str, list[bytes]]]:
    """A receiver over TLS: its address, and what it was sent."""
    posted: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context_of(certificates, folder).wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"https://localhost:{server.server_port}/hook", posted
        finally:
            server.shutdown()
            thread.join(10)


@pytest.mark.parametrize("name", ["localhost", "hooks.elsewhere.example"])
@pytest.mark.parametrize("is_known", [True, False])
def test_a_webhook_goes_to_a_receiver_with_its_name_and_a_known_authority_alone(
    name: str, is_known: bool, tmp_path: Path
) -> None:
    certificates = make_certificates([name])
    with receiver(certificates, tmp_path) as (url, posted):
        authorities = certificates.authority.decode() if is_known else None
        config = NoticesConfig(webhook_hosts=(url.split("/")[2],), authorities=authorities)
        if is_known and name == "localhost":
            webhook.send(NOTICE, url, "00" * 32, config, URL, 0)
        else:
            with pytest.raises(DeliveryFailed, match="not reached"):
                webhook.send(NOTICE, url, "00" * 32, config, URL, 0)
        assert len(posted) == (is_known and name == "localhost")


# --- what the operator says ---


def configured(folder: Path, more: str) -> NoticesConfig:
    path = folder / "service.toml"
    path.write_text(
        'name = "H"\nchain = "http://127.0.0.1:8545"\ndatabase = "sqlite://"\npublic_url = "https://belmont.example"\n'
        f'[notices]\nsmtp_host = "mail.hospital.example"\nsender = "belmont@hospital.example"\n{more}\n'
    )
    return ServiceConfig.read(path).notices


def test_the_authority_and_a_short_password_are_read_from_their_files(tmp_path: Path) -> None:
    authority = make_certificates(["localhost"]).authority.decode()
    (tmp_path / "ca.pem").write_text(authority)
    (tmp_path / "smtp.secret").write_text(f"{PASSWORD}\n")
    names = f'authority_file = "ca.pem"\nsmtp_user = "{USER}"\nsmtp_password_file = "smtp.secret"'
    found = configured(tmp_path, names)
    assert found.authorities == authority and found.smtp_password == PASSWORD
    assert PASSWORD not in repr(found)


@pytest.mark.parametrize(
    "content", [None, "", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_an_authority_that_cannot_be_read_is_refused_at_the_start(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "ca.pem").write_text(content)
    with pytest.raises(ConfigRefused, match=r"ca\.pem"):
        configured(tmp_path, 'authority_file = "ca.pem"')
