"""Bodies of requests: read as UTF-8 and as nothing else, whatever codec a stranger names."""

import httpx
import pytest
from tests.service.running import Running

from belmont.service.store.sessions import Proof, Way

FORM = b'--x\r\nContent-Disposition: form-data; name="back"\r\n\r\n/about\r\n--x--\r\n'
PAGE = {"Sec-Fetch-Site": "same-origin"}


def form(charset: str) -> dict[str, str]:
    return PAGE | {"Content-Type": f"multipart/form-data; boundary=x; charset={charset}"}


@pytest.mark.parametrize("charset", ["undefined", "punycode", "unicode_escape", "utf-7", '"UTF-16"'])
def test_a_form_in_another_character_set_is_refused(service: Running, charset: str) -> None:
    answer = httpx.post(f"{service.url}/appearance", content=FORM, headers=form(charset), trust_env=False)
    assert answer.status_code == 400
    account = service.account("board")
    secret, _ = service.service.sessions.open(Proof(account, Way.KEY, account), by_token=False)
    cookies = {service.service.cookie_name: secret}
    with httpx.Client(base_url=service.url, cookies=cookies, trust_env=False) as browser:
        answer = browser.post("/api/v1/messages", content=FORM, headers=form(charset))
    assert (answer.status_code, answer.json()["code"]) == (400, "CHARSET_UNKNOWN")


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", '"utf8"'])
def test_a_form_in_utf_8_is_taken(service: Running, charset: str) -> None:
    answer = httpx.post(f"{service.url}/appearance", content=FORM, headers=form(charset), trust_env=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/about")
