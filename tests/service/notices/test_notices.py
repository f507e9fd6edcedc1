"""Notices: what is told, to whom, how often, whatever happens to the process or the other side; on both databases."""

import email
import email.policy
import hashlib
import hmac
import json
import socket
import threading
import time
from contextlib import suppress
from dataclasses import replace
from email.message import EmailMessage

import pytest
from sqlalchemy import select, update
from tests.service.conftest import World
from tests.service.notices.conftest import PUBLIC_URL, Mailbox, Receiver, Running

from belmont.audit.search import EventQuery
from belmont.identity.approval_conditions import ApprovalConditions
from belmont.registry import arguments
from belmont.registry.types import MicroRho, UseKind
from belmont.service.notices import mail, webhook
from belmont.service.notices.choices import Channel
from belmont.service.notices.errors import DeliveryFailed
from belmont.service.notices.kinds import Kind
from belmont.service.notices.outbox import GIVE_UP_SECONDS, Notice
from belmont.service.notices.tables import choices, outbox

ADDRESS = "ada@hospital.example"
DAY = 86_400


def choose(running: Running, world: World, name: str = "board", channel: Channel = Channel.EMAIL, target: str = ADDRESS,
           kinds: tuple[Kind, ...] = tuple(Kind), language: str = "en") -> None:  # fmt: skip
    running.notifier.choices.keep(world.address(name), channel, target, kinds, language)
    newest = running.index.search(EventQuery(limit=1)).events[0].timestamp
    with running.store.writing() as connection:
        connection.execute(update(choices).values(since=newest + 1))
    while world.registry.head().timestamp <= newest:  # what happens from here on is news
        time.sleep(0.1)


def rows(running: Running) -> list[str]:
    with running.store.reading() as connection:
        return [row.state for row in connection.execute(select(outbox).order_by(outbox.c.happened_at))]


def test_a_new_application_is_told_by_mail(running: Running, world: World, mailbox: Mailbox) -> None:
    choose(running, world)
    study = world.study(title="Kidney function")
    assert running.step() == 1
    (message,) = mailbox.messages
    assert message["To"] == ADDRESS and message["From"] == "belmont@hospital.example"
    assert message["Subject"] == f"New application: study {study}, “Kidney function”"
    assert f"{PUBLIC_URL}/studies/{study}" in message.get_content()


def test_it_is_told_in_the_language_that_was_chosen(running: Running, world: World, mailbox: Mailbox) -> None:
    choose(running, world, language="zh-Hans")
    world.study(title="Kidney function")
    running.step()
    assert "Kidney function" in mailbox.messages[0]["Subject"] and "新" in mailbox.messages[0]["Subject"]


def test_everything_that_can_be_chosen_is_told(running: Running, world: World, receiver: Receiver) -> None:
    choose(running, world, "auditor", Channel.WEBHOOK, receiver.url)
    conditional = world.study()
    world.as_("board").vote(conditional, True, "", ApprovalConditions.of(["Report."]).hash)
    permit = world.permit()
    model = hashlib.sha256(b"model %d" % permit).digest()
    world.as_("data_user").open_round(permit, 1, model, world.datasets)
    for name, dataset in zip(("holder", "other_holder", "third_holder"), world.datasets, strict=True):
        root = world.registry.consents.root(dataset)
        world.as_(name).record_use(permit, UseKind.ROUND, 1, dataset, b"\x01" * 32, MicroRho(0), 1, root)
    world.as_("data_user").close_round(permit, 1)
    world.as_("data_user").releases.release(permit, model, 1, b"\x33" * 32, b"\x34" * 32)
    world.as_("board").freeze_permit(permit, DAY)
    for name in ("board", "other_board"):
        world.as_(name).vote_revoke(permit)
    running.step()
    told = [json.loads(body) for _, body in receiver.posted]
    assert {each["kind"] for each in told} == {each.value for each in Kind}
    assert all(each["link"].startswith(PUBLIC_URL) for each in told)


def test_only_what_was_chosen_is_told(running: Running, world: World, mailbox: Mailbox) -> None:
    choose(running, world, kinds=(Kind.FREEZE,))
    world.study()
    assert running.step() == 0 and not mailbox.messages


def test_nobody_is_told_what_they_did_themselves(running: Running, world: World, mailbox: Mailbox) -> None:
    choose(running, world, "data_user")
    world.study()
    assert running.step() == 0 and not mailbox.messages


def test_what_happened_before_a_choice_is_no_news(running: Running, world: World, mailbox: Mailbox) -> None:
    world.study()
    running.keeper.told(running.index.catch_up())
    choose(running, world)
    assert running.notifier.step() == 0 and not mailbox.messages


def test_a_removed_member_is_told_nothing(running: Running, world: World, mailbox: Mailbox) -> None:
    choose(running, world, "removed")
    world.study()
    assert running.step() == 0 and rows(running) == []


def test_a_webhook_is_signed_over_its_time_and_body(running: Running, world: World, receiver: Receiver) -> None:
    choose(running, world, channel=Channel.WEBHOOK, target=receiver.url)
    secret = running.notifier.choices.of(world.address("board"))[Channel.WEBHOOK].secret
    study = world.study(title="Kidney function")
    running.step()
    ((headers, body),) = receiver.posted
    at, mac = (part.split("=", 1)[1] for part in headers[webhook.HEADER].split(","))
    expected = hmac.new(bytes.fromhex(secret), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(mac, expected) and int(at) == int(running.clock())
    assert json.loads(body)["number"] == study and set(json.loads(body)) == {
        "id", "kind", "number", "title", "link", "at",
    }  # fmt: skip


def test_a_webhook_follows_no_redirect(running: Running, world: World, receiver: Receiver) -> None:
    receiver.status, receiver.location = 307, receiver.url + "/elsewhere"
    choose(running, world, channel=Channel.WEBHOOK, target=receiver.url)
    world.study()
    assert running.step() == 0
    assert len(receiver.posted) == 1 and rows(running) == ["waiting"]


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.hospital.example/x",
        "https://other.example/",
        "ftp://127.0.0.1/",
        "http://user@127.0.0.1:1/",
        "https://:word@hooks.hospital.example/",
        "x",
    ],
)
def test_a_webhook_goes_only_where_the_operator_allows(url: str, running: Running) -> None:
    config = replace(running.notifier.config, webhook_hosts=("hooks.hospital.example", "127.0.0.1:1"))
    assert config.takes_url("https://hooks.hospital.example/x") and not config.takes_url(url)
    notice = Notice("0" * 32, "0x", Channel.WEBHOOK, Kind.FREEZE, 1, "t", "/permits/1", 0, 0)  # type: ignore[arg-type]
    with pytest.raises(DeliveryFailed):
        webhook.send(notice, url, "00", config, PUBLIC_URL, 0)


@pytest.mark.parametrize(
    "address",
    ["ada@elsewhere.example", "ada@hospital.example\r\nBcc: eve@x.example", "ada", "a b@hospital.example",
     "<ada@hospital.example>", "ada@hospital.example, eve@hospital.example"],
)  # fmt: skip
def test_a_mail_goes_only_to_addresses_that_the_operator_allows(address: str, running: Running) -> None:
    config = running.notifier.config
    notice = Notice("0" * 32, "0x", Channel.EMAIL, Kind.FREEZE, 1, "t", "/permits/1", 0, 0)  # type: ignore[arg-type]
    assert not config.takes_address(address)
    with pytest.raises(DeliveryFailed):
        mail.composed(notice, address, "en", config, PUBLIC_URL)


def test_a_title_adds_no_header_to_a_mail(running: Running) -> None:
    title = "A\r\nBcc: eve@evil.example\r\n\r\nbody\u202e"
    notice = Notice("0" * 32, "0x", Channel.EMAIL, Kind.FREEZE, 1, title, "/permits/1", 0, 0)  # type: ignore[arg-type]
    message = mail.composed(notice, ADDRESS, "en", running.notifier.config, PUBLIC_URL)
    assert message["Bcc"] is None and "\n" not in message["Subject"] and "\u202e" not in message["Subject"]
    assert message.as_bytes().count(b"\r\nBcc:") == 0


def test_what_the_mail_server_refuses_is_tried_again_later(running: Running, world: World, mailbox: Mailbox) -> None:
    choose(running, world)
    mailbox.broken = True
    world.study()
    assert running.step() == 0 and rows(running) == ["waiting"]
    assert running.step() == 0, "not before its time"
    mailbox.broken = False
    running.clock.now += 61
    assert running.step() == 1 and rows(running) == ["sent"]


def test_what_nobody_takes_for_a_day_is_given_up(running: Running, world: World, mailbox: Mailbox) -> None:
    choose(running, world)
    mailbox.broken = True
    world.study()
    running.step()
    begun = running.clock.now
    while rows(running) == ["waiting"]:
        running.clock.now += 600
        running.notifier.step()
        assert running.clock.now < begun + GIVE_UP_SECONDS + DAY
    assert rows(running) == ["given_up"] and running.clock.now >= begun + GIVE_UP_SECONDS - 2 * 3600


def test_a_process_that_is_killed_after_sending_sends_again_under_the_same_id(
    running: Running, world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(running, world, channel=Channel.WEBHOOK, target=receiver.url)
    world.study()
    with monkeypatch.context() as patch:
        patch.setattr(running.notifier.outbox, "sent", lambda notice: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            running.step()
    assert running.again().step() == 1
    ids = [json.loads(body)["id"] for _, body in receiver.posted]
    assert len(ids) == 2 and ids[0] == ids[1]


def test_a_process_that_is_killed_before_the_outbox_is_written_loses_nothing(
    running: Running, world: World, mailbox: Mailbox
) -> None:
    choose(running, world)
    world.study()
    running.keeper.told(running.index.catch_up())  # the index went on, and the process ended
    restarted = running.again()
    assert restarted.notifier.step() == 1 and len(mailbox.messages) == 1


def test_an_event_that_is_read_again_gives_no_second_notice(running: Running, world: World, mailbox: Mailbox) -> None:
    choose(running, world)
    world.study()
    assert running.step() == 1
    restarted = running.again()
    restarted.notifier.told(dropped=True)
    assert restarted.step() == 0 and len(mailbox.messages) == 1


def test_a_member_who_ends_notices_gets_none_that_waits(running: Running, world: World, mailbox: Mailbox) -> None:
    choose(running, world)
    mailbox.broken = True
    world.study()
    running.step()
    running.notifier.choices.end(world.address("board"), Channel.EMAIL)
    mailbox.broken, running.clock.now = False, running.clock.now + 61
    assert running.step() == 0 and rows(running) == ["given_up"] and not mailbox.messages


def test_a_title_that_databases_refuse_keeps_nobody_from_being_told(
    running: Running, world: World, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(running, world)
    with monkeypatch.context() as patch:
        patch.setattr(arguments, "check_text", lambda *_: None)
        world.study(title="A\0B\u202e")
    assert running.step() == 1
    with running.store.reading() as connection:
        assert connection.scalar(select(outbox.c.title)) == "A\ufffdB\ufffd"


@pytest.mark.parametrize("title", ["=?unknown-8bit?q?=ff=fe?=", "=?utf-8?q?=ED=A0=80?=", "=?utf-8?q?a=0D=0ABcc:_eve?="])
def test_a_title_that_looks_like_an_encoded_word_is_told_as_it_stands(title: str, running: Running) -> None:
    notice = Notice("0" * 32, "0x", Channel.EMAIL, Kind.FREEZE, 1, title, "/permits/1", 0, 0)  # type: ignore[arg-type]
    message = mail.composed(notice, ADDRESS, "en", running.notifier.config, PUBLIC_URL)
    read = email.message_from_bytes(message.as_bytes(), policy=email.policy.default)
    assert read["Subject"] == f"Permit 1 is frozen: “{title}”".replace("=?", "= ?")


@pytest.mark.parametrize(
    "address",
    [
        "=?utf-8?q?eve=40evil.example=2C?=x@hospital.example",
        "=?utf-8?q?eve=40evil.example=2Cx?=.a@hospital.example",
        "a=?utf-8?q?x?=@hospital.example",
    ],
)
def test_an_address_that_decodes_to_a_strangers_is_refused(address: str, running: Running) -> None:
    config = running.notifier.config
    assert config.takes_address("a=b@hospital.example") and config.takes_address("who?@hospital.example")
    assert not config.takes_address(address)


def test_a_notice_that_cannot_be_sent_keeps_no_other_from_being_sent(
    running: Running, world: World, mailbox: Mailbox, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(running, world)
    choose(running, world, "auditor", Channel.WEBHOOK, receiver.url)

    def broken(*_: object) -> EmailMessage:
        raise UnicodeEncodeError("ascii", "", 0, 1, "none")

    with monkeypatch.context() as patch:
        patch.setattr(mail, "composed", broken)
        world.study()
        assert running.step() == 1 and len(receiver.posted) == 1
    running.clock.now += 61
    assert running.step() == 1 and len(mailbox.messages) == 1


def test_a_receiver_that_does_not_take_one_is_not_asked_for_the_rest(
    running: Running, world: World, receiver: Receiver
) -> None:
    choose(running, world, "auditor", Channel.WEBHOOK, receiver.url)
    receiver.status = 500
    for _ in range(3):
        world.study()
    assert running.step() == 0 and len(receiver.posted) == 1 and rows(running) == ["waiting"] * 3
    receiver.status, running.clock.now = 204, running.clock.now + 61
    assert running.step() == 3


def test_a_receiver_that_answers_letter_by_letter_holds_nobody_up(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "TIMEOUT_SECONDS", 1.0)
    ended = threading.Event()

    def drip(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while not ended.wait(0.2):
                connection.sendall(b"a")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=drip, args=(listening,), daemon=True)
        thread.start()
        host = f"127.0.0.1:{listening.getsockname()[1]}"
        config = replace(running.notifier.config, webhook_hosts=(host,))
        notice = Notice("0" * 32, "0x", Channel.WEBHOOK, Kind.FREEZE, 1, "t", "/permits/1", 0, 0)  # type: ignore[arg-type]
        late = threading.Timer(20, ended.set)
        late.start()
        with pytest.raises(DeliveryFailed, match="TimeoutError"):
            webhook.send(notice, f"http://{host}/", "00" * 32, config, PUBLIC_URL, 0)
        assert not ended.is_set()
        ended.set()
        late.cancel()
        thread.join(5)
