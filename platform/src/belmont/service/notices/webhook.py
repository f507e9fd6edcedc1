"""A notice as a webhook: POST of a small JSON object, signed so that its receiver knows who sent it and when.

1. ``Belmont-Signature: t=<Unix seconds>,v1=<hex>``: HMAC-SHA-256, by the secret that the settings page shows, over
   ``<t>.<body>``. A receiver refuses a ``t`` that is older than some minutes, and an ``id`` that it knows.
2. Only to where the operator allows (``settings``): https, or this machine. No redirect is followed, whatever the
   receiver answers is not read beyond its status.
3. Taken is a status from 200 to 299, ``TIMEOUT_SECONDS`` after the beginning at the latest: a receiver that answers
   letter by letter gets no more time than one that does not.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from typing import Final

import httpx

from belmont.service.console.addresses import rfc3339
from belmont.service.notices.errors import DeliveryFailed
from belmont.service.notices.outbox import Notice
from belmont.service.notices.settings import NoticesConfig

TIMEOUT_SECONDS: Final = 10.0
HEADER: Final = "Belmont-Signature"


def body_of(notice: Notice, public_url: str) -> bytes:
    """The JSON."""
    content = {
        "id": notice.id,
        "kind": notice.kind.value,
        "number": notice.number,
        "title": notice.title,
        "link": public_url + notice.path,
        "at": rfc3339(notice.happened_at),
    }
    return json.dumps(content, ensure_ascii=True, separators=(",", ":")).encode()


def signature(body: bytes, secret: str, at: int) -> str:
    """The header's value (1)."""
    mac = hmac.digest(bytes.fromhex(secret), f"{at}.".encode() + body, hashlib.sha256)
    return f"t={at},v1={mac.hex()}"


def send(notice: Notice, url: str, secret: str, config: NoticesConfig, public_url: str, now: int) -> None:
    """Post it. Raises DeliveryFailed."""
    if not config.takes_url(url):
        raise DeliveryFailed("the operator does not allow this address")
    body = body_of(notice, public_url)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "belmont",
        "Belmont-Notice": notice.id,
        HEADER: signature(body, secret, now),
    }
    try:
        status = asyncio.run(_status(url, body, headers, config))
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:  # a TimeoutError is an OSError
        raise DeliveryFailed(f"{type(error).__name__}: the receiver was not reached") from error
    if not 200 <= status < 300:  # 3
        raise DeliveryFailed(f"the receiver answered {status}")


async def _status(url: str, body: bytes, headers: dict[str, str], config: NoticesConfig) -> int:
    async with (
        asyncio.timeout(TIMEOUT_SECONDS),  # 3
        httpx.AsyncClient(
            verify=config.trusted(), timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False
        ) as client,
        client.stream("POST", url, content=body, headers=headers) as answer,
    ):
        return answer.status_code  # 2
