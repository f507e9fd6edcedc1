"""A notice as an e-mail: what happened, by number and title, and the link to its page. Nothing else is in it.

1. The header fields are made of what is checked: the sender and the address by ``settings``, the subject of one line in
   which whatever nobody sees is replaced. The standard library refuses a line end in a header as well; but it decodes
   what looks like an encoded word (RFC 2047), so a title that has the beginning of one is parted there.
2. The connection is encrypted and the server's name checked, but on this machine. A server that offers no STARTTLS, or
   is certified for another name or by nobody who is trusted, is sent nothing: no password and no mail.
3. The Message-ID is the notice's: a mailbox that gets it twice can tell.
"""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from typing import Final

from belmont.service import words
from belmont.service.console.rendering import shown
from belmont.service.notices import kinds
from belmont.service.notices.errors import DeliveryFailed
from belmont.service.notices.outbox import Notice
from belmont.service.notices.settings import NoticesConfig
from belmont.service.words import Sentence

TIMEOUT_SECONDS: Final = 15.0


def composed(notice: Notice, to: str, language: str, config: NoticesConfig, public_url: str) -> EmailMessage:
    """The message. Raises DeliveryFailed for an address that the operator does not allow any more (1)."""
    if not config.takes_address(to):
        raise DeliveryFailed("the operator does not allow this address")
    spoken = words.of(language)
    says = one_line(spoken.say(kinds.sentence(notice.kind, notice.number, notice.title)))
    message = EmailMessage(policy=SMTP)
    message["From"] = config.sender
    message["To"] = to
    message["Subject"] = says.replace("=?", "= ?")
    message["Date"] = formatdate(notice.happened_at, usegmt=True)
    message["Message-ID"] = f"<{notice.id}@{config.sender.partition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Belmont-Notice"] = notice.id
    why = spoken.say(Sentence("You chose such notices in the settings of this service, and can end them there."))
    message.set_content(f"{says}\n\n{public_url}{notice.path}\n\n{why}\n{public_url}/settings\n")
    return message


def send(message: EmailMessage, config: NoticesConfig) -> None:
    """Hand it to the server. Raises DeliveryFailed."""
    try:
        with _connected(config) as server:
            if config.smtp_user and config.smtp_password:
                server.login(config.smtp_user, config.smtp_password)
            server.send_message(message)
    except ssl.SSLCertVerificationError as error:
        raise DeliveryFailed(f"the mail server's certificate was not accepted: {error.verify_message}") from error
    except smtplib.SMTPNotSupportedError as error:
        raise DeliveryFailed("the mail server offers no STARTTLS, or no sign-in with a password") from error
    except smtplib.SMTPAuthenticationError as error:
        raise DeliveryFailed("the mail server refused smtp_user and its password") from error
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise DeliveryFailed(f"{type(error).__name__}: the mail server did not take it") from error


def _connected(config: NoticesConfig) -> smtplib.SMTP:
    host, port = config.smtp_host or "", config.smtp_port
    if config.smtp_security == "tls":
        return smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_SECONDS, context=config.trusted())
    server = smtplib.SMTP(host, port, timeout=TIMEOUT_SECONDS)
    if config.smtp_security == "starttls":  # 2
        try:
            server.starttls(context=config.trusted())
        except Exception:
            server.close()
            raise
    return server


def one_line(text: str) -> str:
    """A text without line ends, and without what nobody sees."""
    return " ".join(str(shown(text)).split())
