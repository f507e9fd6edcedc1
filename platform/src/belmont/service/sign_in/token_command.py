"""``belmont service token``: sign in to a service as a program, with a key file.

1. The service is reached over TLS, or on this very machine, and no redirection is followed: a token is a secret.
2. Before anything is signed, the text is read strictly (ERC-4361) and has to be for the very service that was named,
   for this key, on its chain, and for the identity that was asked for. A service cannot have another's text signed.
3. The token is printed, or written to a new file that nobody else can read. It counts for an hour.
"""

from __future__ import annotations

import argparse
import http.client
import json
import ssl
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from belmont.service.errors import ServiceError

ANSWER_BYTES_MAX: Final = 64 * 1024
SECONDS: Final = 15.0


class TokenRefused(ServiceError):
    """No token was given, or the service is not to be trusted with a signature."""


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """token."""
    summary = "sign in to a service as a program: a bearer token for one hour"
    parser = subparsers.add_parser("token", help=summary, description=summary)
    parser.add_argument("--url", required=True, help="the service's public address")
    parser.add_argument("--key", type=Path, required=True, help="key file of who signs in")
    parser.add_argument("--password-file", type=Path, help="file whose first line is the key file's password")
    parser.add_argument("--actor", metavar="0x...", help="the identity, where it is not the key's own account")
    parser.add_argument("--out", type=Path, help="new file for the token; without it the token is printed")
    parser.set_defaults(run=_token)


def _token(options: argparse.Namespace) -> int:
    from belmont.identity.passwords import open_identity
    from belmont.identity.secret_file import create_secret_file

    identity = open_identity(options.key, options.password_file)
    token = token_of(options.url, identity, options.actor)
    if options.out is None:
        print(token)
    else:
        create_secret_file(options.out, token.encode() + b"\n")
        print(f"written to {options.out}")
    return 0


def token_of(url: str, identity: Any, actor: str | None = None) -> str:
    """A token of the service at ``url`` for the key of ``identity``. Raises ``TokenRefused``, ``IdentityError``."""
    from belmont.identity.sign_in_message import parse
    from belmont.service.sign_in.oidc.fetching import check_address

    parts = urlsplit(check_address(url, "the service's address"))  # 1
    asked = {"account": identity.address} | ({"identity": actor} if actor else {})
    given, cookie = _post(parts, "/api/v1/sign-in/challenge", asked, "")
    message = parse(str(given.get("message")))  # 2
    expected = (parts.netloc, identity.address, identity.chain_id, actor or identity.address)
    if (message.domain, message.address, message.chain_id, message.identity) != expected:
        raise TokenRefused(f"{parts.netloc} wants a text signed that is not for it, this key, its chain and identity.")
    signature = bytes(identity.account.unsafe_sign_hash(message.digest).signature)
    signed = {"message": message.text, "signature": "0x" + signature.hex()}
    token = _post(parts, "/api/v1/session", signed, cookie)[0].get("token")
    if not isinstance(token, str):
        raise TokenRefused(f"{parts.netloc} gave no token.")
    return token


def _post(parts: SplitResult, path: str, content: dict[str, Any], cookie: str) -> tuple[dict[str, Any], str]:
    """The answer, and the cookie that came with it."""
    from belmont.identity.strict_json import loads

    host = parts.hostname or ""
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(host, parts.port, timeout=SECONDS, context=context)
    else:
        connection = http.client.HTTPConnection(host, parts.port, timeout=SECONDS)
    headers = {"Content-Type": "application/json"} | ({"Cookie": cookie} if cookie else {})
    try:
        connection.request("POST", path, json.dumps(content), headers)
        answer = connection.getresponse()
        found = loads(answer.read(ANSWER_BYTES_MAX))
        given = [each.partition(";")[0] for each in answer.headers.get_all("Set-Cookie", [])]
    except (OSError, http.client.HTTPException, ValueError, RecursionError) as error:
        raise TokenRefused(f"{parts.netloc} does not answer as a service of ours: {type(error).__name__}.") from error
    finally:
        connection.close()
    if not isinstance(found, dict) or answer.status not in (200, 201):
        detail = found.get("detail") if isinstance(found, dict) else None
        raise TokenRefused(f"{parts.netloc} refuses with status {answer.status}: {str(detail)[:300]}")
    return found, "; ".join(given)
