"""Signing in with a key, a wallet, a key in another's place; and every way in which it must not work."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_utils import keccak

from belmont.identity.sign_in_message import parse
from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.identities.wallet import deploy_wallet
from belmont.registry.types import Address
from belmont.service.errors import TooMany
from belmont.service.sign_in.challenges import CHALLENGE_SECONDS, Challenges, SignInRefused
from belmont.service.store.database import Store
from belmont.service.store.sessions import Way
from belmont.service.store.tickets import Tickets

ORIGIN = "https://belmont.example"
BROWSER, OTHER_BROWSER = "a" * 43, "b" * 43
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@pytest.fixture
def challenges(world: Any, store: Store, clock: Any) -> Challenges:
    return Challenges(store, world.registry, ORIGIN, clock)


def signature(account: Any, text: str) -> bytes:
    return bytes(account.sign_message(encode_defunct(text=text)).signature)


def test_a_key_signs_in_as_its_own_account(challenges: Challenges, world: Any) -> None:
    board = world.people["board"]
    text = challenges.issue(BROWSER, board.address).message.text
    proof = challenges.check(BROWSER, text, signature(board, text))
    assert (proof.account, proof.signer, proof.way) == (board.address, board.address, Way.KEY)


def test_the_text_names_the_service_the_chain_and_when_it_ends(challenges: Challenges, world: Any) -> None:
    message = challenges.issue(BROWSER, world.address("board")).message
    assert (message.domain, message.uri, message.chain_id) == ("belmont.example", f"{ORIGIN}/sign-in", 1337)
    assert len(message.nonce) == 32 and message.expiration_time is not None
    assert parse(message.text) == message


def test_a_text_counts_once(challenges: Challenges, world: Any) -> None:
    board = world.people["board"]
    text = challenges.issue(BROWSER, board.address).message.text
    challenges.check(BROWSER, text, signature(board, text))
    with pytest.raises(SignInRefused, match="signed in with already"):
        challenges.check(BROWSER, text, signature(board, text))


def test_a_failed_attempt_uses_the_text_up(challenges: Challenges, world: Any) -> None:
    board = world.people["board"]
    text = challenges.issue(BROWSER, board.address).message.text
    with pytest.raises(SignInRefused, match="no signature"):
        challenges.check(BROWSER, text, signature(world.people["lay"], text))
    with pytest.raises(SignInRefused, match="signed in with already"):
        challenges.check(BROWSER, text, signature(board, text))


def test_another_browser_uses_the_text_up_and_is_refused(challenges: Challenges, world: Any) -> None:
    board = world.people["board"]
    text = challenges.issue(BROWSER, board.address).message.text
    for browser in (OTHER_BROWSER, BROWSER):
        with pytest.raises(SignInRefused, match="another browser"):
            challenges.check(browser, text, signature(board, text))


def test_a_text_ends_after_five_minutes(challenges: Challenges, world: Any, clock: Any) -> None:
    board = world.people["board"]
    text = challenges.issue(BROWSER, board.address).message.text
    clock.ahead = CHALLENGE_SECONDS + 2
    with pytest.raises(SignInRefused, match="has ended"):
        challenges.check(BROWSER, text, signature(board, text))


CHANGES: dict[str, Callable[[str], str]] = {
    "another domain": lambda text: text.replace("belmont.example wants", "evil.example wants"),
    "a scheme": lambda text: "https://" + text,
    "another address of the service": lambda text: text.replace(f"URI: {ORIGIN}", "URI: https://evil.example"),
    "another chain": lambda text: text.replace("Chain ID: 1337", "Chain ID: 1"),
    "another statement": lambda text: text.replace("decides nothing", "decides everything"),
    "a later end": lambda text: text.replace("Expiration Time: 2", "Expiration Time: 3"),
    "no end": lambda text: text[: text.index("\nExpiration Time")],
    "another issue": lambda text: text.replace("Issued At: 2", "Issued At: 1"),
    "a time before which": lambda text: text + "\nNot Before: 2020-01-01T00:00:00Z",
    "a request id": lambda text: text + "\nRequest ID: 1",
    "another identity": lambda text: text + "\nResources:\n- did:ethr:0x539:0x" + "11" * 20,
    "no resources": lambda text: text + "\nResources:",
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_text_with_another_field_is_refused_though_its_key_signed(
    challenges: Challenges, world: Any, what: str
) -> None:
    board = world.people["board"]
    text = challenges.issue(BROWSER, board.address).message.text
    changed = CHANGES[what](text)
    assert parse(changed).text != text
    with pytest.raises(SignInRefused, match=r"another .* than was asked"):
        challenges.check(BROWSER, changed, signature(board, changed))


def test_a_text_for_another_account_is_refused(challenges: Challenges, world: Any) -> None:
    board, lay = world.people["board"], world.people["lay"]
    text = challenges.issue(BROWSER, board.address).message.text.replace(board.address, lay.address)
    with pytest.raises(SignInRefused, match="another address"):
        challenges.check(BROWSER, text, signature(lay, text))


def test_a_text_that_this_service_never_issued_is_refused(challenges: Challenges, world: Any) -> None:
    board = world.people["board"]
    text = challenges.issue(BROWSER, board.address).message.text
    nonce = parse(text).nonce
    forged = text.replace(nonce, "0" * 32)
    with pytest.raises(SignInRefused, match="another browser"):
        challenges.check(BROWSER, forged, signature(board, forged))


def high(signed: bytes) -> bytes:
    s = ORDER - int.from_bytes(signed[32:64])
    return signed[:32] + s.to_bytes(32) + bytes([55 - signed[64]])


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "s in the upper half": high,
    "v of 0 or 1": lambda signed: signed[:64] + bytes([signed[64] - 27]),
    "the compact form": lambda signed: signed[:32] + bytes([signed[32] | (signed[64] - 27) << 7]) + signed[33:64],
    "a byte more": lambda signed: signed + b"\0",
    "nothing": lambda signed: b"",
    "zeros": lambda signed: bytes(65),
    "too much": lambda signed: bytes(2049),
}


@pytest.mark.parametrize("what", FORMS)
def test_a_signature_has_one_form(challenges: Challenges, world: Any, what: str) -> None:
    board = world.people["board"]
    message = challenges.issue(BROWSER, board.address).message
    with pytest.raises(SignInRefused, match="no signature"):
        challenges.check_nonce(BROWSER, message.nonce, FORMS[what](signature(board, message.text)))


def test_the_hash_alone_is_not_what_is_signed(challenges: Challenges, world: Any) -> None:
    """A signature under other rules, as of typed data, does not sign anybody in."""
    board = world.people["board"]
    text = challenges.issue(BROWSER, board.address).message.text
    raw = bytes(board.unsafe_sign_hash(keccak(text=text)).signature)
    with pytest.raises(SignInRefused, match="no signature"):
        challenges.check(BROWSER, text, raw)


@pytest.fixture
def rotated(world: Any) -> tuple[Address, Any, Any]:
    """An identity whose key was replaced: the identity, its old key, its new one."""
    old, new = Account.create(), Account.create()
    world.registry.as_(old).identities.rotate(new)
    return Address(old.address), old, new


def test_the_new_key_signs_in_as_the_identity(challenges: Challenges, rotated: Any) -> None:
    identity, _, new = rotated
    text = challenges.issue(BROWSER, new.address, identity).message.text
    assert f"did:ethr:0x539:{identity.lower()}" in text
    proof = challenges.check(BROWSER, text, signature(new, text))
    assert (proof.account, proof.signer) == (identity, new.address)


def test_a_replaced_key_signs_in_no_more(challenges: Challenges, rotated: Any) -> None:
    identity, old, _ = rotated
    for named in (None, identity):
        text = challenges.issue(BROWSER, old.address, named).message.text
        with pytest.raises(SignInRefused, match="does not speak for"):
            challenges.check(BROWSER, text, signature(old, text))


def test_a_delegate_does_not_sign_in_as_whom_it_works_for(challenges: Challenges, world: Any) -> None:
    principal, delegate = Account.create(), Account.create()
    registry: ChainRegistry = world.registry.as_(principal)
    registry.identities.add_delegate("sigAuth", Address(delegate.address), 3600)
    assert world.registry.identities.works_for(principal.address, delegate.address)
    text = challenges.issue(BROWSER, delegate.address, Address(principal.address)).message.text
    with pytest.raises(SignInRefused, match="does not speak for"):
        challenges.check(BROWSER, text, signature(delegate, text))


def test_nobody_signs_in_as_somebody_else(challenges: Challenges, world: Any) -> None:
    lay = world.people["lay"]
    text = challenges.issue(BROWSER, lay.address, world.address("board")).message.text
    with pytest.raises(SignInRefused, match="does not speak for"):
        challenges.check(BROWSER, text, signature(lay, text))


def test_a_wallet_signs_in_by_as_many_of_its_people_as_it_asks_for(challenges: Challenges, world: Any) -> None:
    people = sorted((Account.create() for _ in range(3)), key=lambda each: int(each.address, 16))
    addresses = [each.address for each in people]
    wallet = deploy_wallet(world.registry.chain, Account.create(), addresses, 2)
    for signers, accepted in ((people[:2], True), (people[:1], False), ((people[1], people[0]), False)):
        text = challenges.issue(BROWSER, wallet).message.text
        joined = b"".join(signature(each, text) for each in signers)
        if accepted:
            assert challenges.check(BROWSER, text, joined).way is Way.WALLET
        else:
            with pytest.raises(SignInRefused, match="no signature"):
                challenges.check(BROWSER, text, joined)


HOSTILE = {
    "accepts with a word and more": "631626ba7e60e01b5f5260405ff3",
    "accepts in four bytes only": "631626ba7e60e01b5f5260045ff3",
    "answers nothing": "5f5ff3",
    "answers one": "60015f5260205ff3",
    "reverts": "5f5ffd",
    "never ends": "5b5f56",
    "wants to write": "60015f55631626ba7e60e01b5f5260205ff3",
}
"""Code of contracts that are asked whether somebody signed."""


def deploy(world: Any, code: str) -> Address:
    runtime = bytes.fromhex(code)
    creation = bytes([0x60, len(runtime), 0x60, 0x0B, 0x5F, 0x39, 0x60, len(runtime), 0x5F, 0xF3, 0x00]) + runtime
    _, created = world.registry.chain.send(Account.create(), None, creation)
    assert created is not None and world.registry.chain.code(created) == runtime
    return Address(created)


@pytest.mark.parametrize("what", HOSTILE)
def test_a_contract_that_does_not_answer_as_the_standard_says_signs_nobody_in(
    challenges: Challenges, world: Any, what: str
) -> None:
    wallet = deploy(world, HOSTILE[what])
    message = challenges.issue(BROWSER, wallet).message
    if what == "wants to write":  # a call may; nothing of it stays
        assert challenges.check_nonce(BROWSER, message.nonce, b"x").way is Way.WALLET
        assert world.registry.chain.storage([(wallet, 0)]) == [bytes(32)]
        return
    with pytest.raises(SignInRefused, match="no signature"):
        challenges.check_nonce(BROWSER, message.nonce, b"x")


def test_a_contract_that_answers_as_the_standard_says_signs_in(challenges: Challenges, world: Any) -> None:
    wallet = deploy(world, "631626ba7e60e01b5f5260205ff3")
    message = challenges.issue(BROWSER, wallet).message
    assert challenges.check_nonce(BROWSER, message.nonce, b"x").account == wallet


def test_so_many_texts_are_out_at_a_time_and_no_more(store: Store, clock: Any) -> None:
    tickets = Tickets(store, "sign-in", 300, clock, most=3)
    for number in range(3):
        tickets.issue(str(number), BROWSER, {})
    with pytest.raises(TooMany):
        tickets.issue("one more", BROWSER, {})
    clock.ahead = 302
    tickets.issue("later", BROWSER, {})


def test_strangers_who_begin_to_sign_in_keep_nobody_from_touching_a_key(store: Store, clock: Any) -> None:
    texts, touches = (Tickets(store, kind, 300, clock, most=3) for kind in ("sign-in", "passkey"))
    for number in range(3):
        texts.issue(str(number), f"stranger {number}", {})
    with pytest.raises(TooMany):
        texts.issue("one more", BROWSER, {})
    for number in range(3):
        touches.issue(str(number), BROWSER, {"for": "touch"})
    assert touches.take("2", BROWSER) == {"for": "touch"} and texts.look("2", BROWSER) is None
    with pytest.raises(TooMany):
        texts.issue("another", BROWSER, {})


def test_what_is_kept_of_a_text_is_no_secret(store: Store, challenges: Challenges, world: Any) -> None:
    message = challenges.issue(BROWSER, world.address("board")).message
    with store.engine.connect() as connection:
        kept = repr([tuple(row) for row in connection.exec_driver_sql("select * from tickets")])
    assert message.nonce not in kept and BROWSER not in kept


def test_of_many_who_bring_a_text_at_once_one_signs_in(challenges: Challenges, world: Any) -> None:
    board = world.people["board"]
    message = challenges.issue(BROWSER, board.address).message
    signed = signature(board, message.text)

    def attempt(_: int) -> bool:
        try:
            challenges.check_nonce(BROWSER, message.nonce, signed)
        except SignInRefused:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(16))) == 1
