"""What an operator says of notices: ``[notices]`` of ``service.toml``. Without it none is sent.

    [notices]
    smtp_host = "mail.hospital.example"
    smtp_port = 587
    smtp_security = "starttls"               # or "tls"; "none" only to this machine
    smtp_user = "belmont"
    smtp_password_file = "smtp.secret"       # its first line
    sender = "belmont@hospital.example"
    email_domains = ["hospital.example"]     # members name addresses of these only
    webhook_hosts = ["hooks.hospital.example"]  # and webhooks on these hosts only, as host or host:port
    authority_file = "hospital-ca.pem"       # trusted for both beside the system's authorities; mostly left out

Members choose addresses themselves, so the operator says where this machine sends anything: nobody's mailbox is filled
and nothing inside the institution's network is reached through it.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from belmont.service.sign_in.oidc.fetching import LOOPBACK

if TYPE_CHECKING:
    from belmont.service.config import Section

SECURITIES: Final = ("starttls", "tls", "none")
ADDRESS_MOST: Final = 254
URL_MOST: Final = 500
_ADDRESS: Final = re.compile(
    r"(?!.*=\?)[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@((?:[A-Za-z0-9-]{1,63}\.)*[A-Za-z0-9-]{1,63})", re.ASCII
)
"""Without ``=?``: the standard library reads an encoded word (RFC 2047) in an address, and mails what it decodes to."""


@dataclass(frozen=True)
class NoticesConfig:
    """Where notices may go, and by which server."""

    smtp_host: str | None = None
    smtp_port: int = 587
    smtp_security: str = "starttls"
    smtp_user: str | None = None
    smtp_password: str | None = field(default=None, repr=False)
    sender: str = ""
    email_domains: tuple[str, ...] = ()
    webhook_hosts: tuple[str, ...] = ()
    authorities: str | None = field(default=None, repr=False)
    """Certificates in PEM that mail servers and webhooks may be certified by, beside the system's."""

    def trusted(self) -> ssl.SSLContext:
        """What certifies the other side, whose name is checked."""
        context = ssl.create_default_context()
        if self.authorities is not None:
            context.load_verify_locations(cadata=self.authorities)
        return context

    def takes_address(self, address: str) -> bool:
        """Whether a member may name this e-mail address."""
        found = _ADDRESS.fullmatch(address) if len(address) <= ADDRESS_MOST else None
        return self.smtp_host is not None and found is not None and found[1].lower() in self.email_domains

    def takes_url(self, url: str) -> bool:
        """Whether a member may name this webhook: https, or http on this machine, on a host that the operator named."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            return False
        if (
            not host
            or len(url) > URL_MOST
            or not url.isascii()
            or not url.isprintable()
            or "@" in parts.netloc
            or parts.fragment
        ):
            return False
        if parts.scheme != "https" and not (parts.scheme == "http" and host in LOOPBACK):
            return False
        return (f"{host}:{port}" if port else host) in self.webhook_hosts


def read(section: Section) -> NoticesConfig:
    """Raises ConfigRefused."""
    host, security = section.optional("smtp_host"), section.text("smtp_security", "starttls")
    if security not in SECURITIES:
        raise section.wrong("smtp_security", f"is {security!r}: it is one of {', '.join(SECURITIES)}")
    if security == "none" and host not in (None, *LOOPBACK):
        raise section.wrong("smtp_security", "is none, which is for this machine only: take starttls or tls")
    user = section.optional("smtp_user")
    sender = section.text("sender") if host is not None else ""
    if host is not None and _ADDRESS.fullmatch(sender) is None:
        raise section.wrong("sender", f"is {sender!r}: it is an e-mail address")
    return NoticesConfig(
        smtp_host=host,
        smtp_port=section.number("smtp_port", 1, 65_535, 587),
        smtp_security=security,
        smtp_user=user,
        smtp_password=section.secret("smtp_password_file", least=1) if user is not None else None,
        sender=sender,
        email_domains=tuple(each.lower() for each in section.texts("email_domains")),
        webhook_hosts=tuple(each.lower() for each in section.texts("webhook_hosts")),
        authorities=section.authorities("authority_file"),
    )
