"""An operator who fills in ``[notices]`` as docs/console.md has it: mail and webhook arrive."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import expect
from tests.service.browser import Person, chromium
from tests.service.conftest import CHAIN_ID, World
from tests.service.console.browsing import refuse_violations
from tests.service.notices.conftest import Receiver
from tests.service.notices.servers import PASSWORD, Starts

from belmont.federated.deployed.certificates import make_certificates

DOCS = Path(__file__).resolve().parents[3] / "docs" / "console.md"
ADDRESS = "ada@hospital.example"


def documented() -> str:
    """The table as the page has it."""
    (found,) = re.findall(r"```toml\n(\[notices\]\n.*?)```", DOCS.read_text(encoding="utf-8"), re.S)
    return str(found)


def filled_in(table: str, **values: str) -> str:
    """Other values for keys that are there; comments stay."""
    for key, value in values.items():
        table, changed = re.subn(rf"(?m)^{key} = [^#\n]*", lambda _, key=key, value=value: f"{key} = {value}  ", table)
        assert changed == 1, key
    return table


@contextmanager
def served(folder: Path, url: str, port: int) -> Iterator[None]:
    """``belmont service serve``, ended as systemd does."""
    command = [sys.executable, "-m", "belmont.cli", "service", "serve", "--config", str(folder / "service.toml")]
    command += ["--port", str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log, env=os.environ)
        try:
            until(lambda: process.poll() is not None or alive(url))
            assert process.poll() is None, (folder / "log").read_text()
            yield
        finally:
            process.terminate()
            assert process.wait(30) == 0


def alive(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/v1/health/live", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def until(happened: Callable[[], Any], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def test_what_the_documentation_says_is_enough_for_a_mail_and_a_webhook(
    world: World, mail_server: Starts, receiver: Receiver, tmp_path: Path
) -> None:
    certificates = make_certificates(["localhost"])
    mailbox = mail_server(certificates)
    (tmp_path / "smtp.secret").write_text(f"{PASSWORD}\n")
    (tmp_path / "hospital-ca.pem").write_bytes(certificates.authority)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://localhost:{port}"
    path, members = tmp_path / "service.toml", world.registry.addresses["Members"]
    words = ["--chain", world.url, "--public-url", url, "--members", members, "--out", str(path)]
    made = [sys.executable, "-m", "belmont.cli", "service", "init", *words]
    done = subprocess.run(made, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    table = filled_in(
        documented(), smtp_host='"localhost"', smtp_port=str(mailbox.port), webhook_hosts=f'["{receiver.host}"]'
    )
    path.write_text(f"{path.read_text()}\n{table}")
    with served(tmp_path, url, port), chromium() as browser:
        person = Person.sits_down(browser, url, world.people["board"], CHAIN_ID)
        person.sign_in("/settings")
        page = person.page
        page.get_by_label("E-mail address").fill(ADDRESS)
        page.get_by_role("button", name="Save").first.click()
        expect(page.get_by_label("E-mail address")).to_have_value(ADDRESS)
        page.get_by_label("Address", exact=True).fill(receiver.url)
        page.get_by_role("button", name="Save").last.click()
        expect(page.get_by_text("Secret that they are signed by")).to_be_visible()
        refuse_violations(page, "notices-chosen")
        time.sleep(1.1)  # what happens in the second of the choice is no news
        study = world.study(title="Kidney function")
        until(lambda: mailbox.mails and receiver.posted)
        ((content, is_encrypted),) = mailbox.mails
        mail = message_from_bytes(content, policy=policy.default)
        link = f"{url}/studies/{study}"
        assert is_encrypted and mailbox.passwords == [(PASSWORD, True)]
        assert (mail["To"], mail["From"]) == (ADDRESS, "belmont@hospital.example")
        assert f"study {study}" in mail["Subject"] and link in mail.get_content()
        ((_, body),) = receiver.posted
        assert f'"link":"{link}"'.encode() in body
        page.goto(link)
        expect(page.get_by_role("heading", level=1)).to_have_text("Kidney function")
    assert PASSWORD not in (tmp_path / "log").read_text()


def test_every_key_of_the_table_is_documented() -> None:
    from belmont.service.notices import settings

    keys = set(re.findall(r"^ {4}(\w+) = ", settings.__doc__ or "", re.M))
    assert keys == set(re.findall(r"(?m)^(\w+) = ", documented()))
