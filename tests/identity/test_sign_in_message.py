"""ERC-4361: what is read, what is refused, and that a text and its reading are one."""

import string
from dataclasses import replace

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from hypothesis import given
from hypothesis import strategies as st

from belmont.identity.did import did_of
from belmont.identity.errors import MessageMalformed
from belmont.identity.sign_in_message import SignInMessage, instant, parse, resources_of, written

ADDRESS = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"
OTHER = "0x742D35Cc6634c0532925A3b844BC9e7595F2bd3E"
EXAMPLE = f"""example.com wants you to sign in with your Ethereum account:
{ADDRESS}

I accept the ExampleOrg Terms of Service: https://example.com/tos

URI: https://example.com/login
Version: 1
Chain ID: 1
Nonce: 32891756
Issued At: 2021-09-30T16:25:24Z
Resources:
- ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/
- https://example.com/my-web2-claim.json"""
"""The first example of the ERC ("Examples")."""
FULL = EXAMPLE.replace(
    "\nResources",
    "\nExpiration Time: 2021-09-30T17:25:24.5+02:00\nNot Before: 2021-09-30t16:00:00z\nRequest ID: a%20b\nResources",
)


def test_the_examples_of_the_standard_are_read() -> None:
    message = parse(EXAMPLE)
    assert (message.domain, message.address, message.chain_id, message.nonce) == ("example.com", ADDRESS, 1, "32891756")
    assert message.statement == "I accept the ExampleOrg Terms of Service: https://example.com/tos"
    assert message.resources is not None and len(message.resources) == 2
    assert parse(EXAMPLE.replace("example.com wants", "example.com:3388 wants")).domain == "example.com:3388"
    assert parse("https://" + EXAMPLE).scheme == "https"


def test_every_optional_field_is_read_and_written() -> None:
    message = parse(FULL)
    assert message.expiration_time == "2021-09-30T17:25:24.5+02:00"
    assert (message.not_before, message.request_id) == ("2021-09-30t16:00:00z", "a%20b")
    assert message.text == FULL


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("a line feed at the end", EXAMPLE + "\n"),
        ("lines of another system", EXAMPLE.replace("\n", "\r\n")),
        ("a space before", " " + EXAMPLE),
        ("a wrong checksum", EXAMPLE.replace(ADDRESS, ADDRESS.replace("C02", "c02"))),
        ("an address in lower case", EXAMPLE.replace(ADDRESS, ADDRESS.lower())),
        ("another version", EXAMPLE.replace("Version: 1", "Version: 2")),
        ("a chain id with a zero before", EXAMPLE.replace("Chain ID: 1", "Chain ID: 01")),
        ("a chain id of more than 64 bits", EXAMPLE.replace("Chain ID: 1", f"Chain ID: {1 << 64}")),
        ("a chain id of a million digits", EXAMPLE.replace("Chain ID: 1", "Chain ID: " + "1" * 3000)),
        ("a nonce of seven characters", EXAMPLE.replace("32891756", "3289175")),
        ("a nonce with a hyphen", EXAMPLE.replace("32891756", "3289-1756")),
        ("a day that no calendar has", EXAMPLE.replace("2021-09-30", "2021-09-31")),
        ("a time without a zone", EXAMPLE.replace("16:25:24Z", "16:25:24")),
        ("fields in another order", EXAMPLE.replace("Version: 1\nChain ID: 1", "Chain ID: 1\nVersion: 1")),
        ("a field given twice", EXAMPLE.replace("Version: 1", "Version: 1\nVersion: 1")),
        ("a field that the standard has not", EXAMPLE.replace("\nResources", "\nRole: admin\nResources")),
        ("a statement over two lines", EXAMPLE.replace("I accept", "I\naccept")),
        ("a statement outside ASCII", EXAMPLE.replace("I accept", "Ich möchte")),
        ("a statement with a control character", EXAMPLE.replace("I accept", "I\x00accept")),
        ("a domain with a path", EXAMPLE.replace("example.com wants", "example.com/a wants")),
        ("a domain with a space", EXAMPLE.replace("example.com wants", "example.com evil.com wants")),
        ("an IPv6 address that is none", EXAMPLE.replace("example.com wants", "[1:2:3] wants")),
        ("a uri without a scheme", EXAMPLE.replace("URI: https://example.com/login", "URI: /login")),
        ("a uri with a space", EXAMPLE.replace("com/login", "com/lo gin")),
        ("a half percent sign", EXAMPLE.replace("com/login", "com/%4")),
        ("a digit that is not ASCII", EXAMPLE.replace("Chain ID: 1", "Chain ID: ١")),
        ("too long a text", EXAMPLE + "a" * 4096),
        ("nothing", ""),
    ],
)  # fmt: skip
def test_what_the_grammar_has_not_is_refused(what: str, text: str) -> None:
    with pytest.raises(MessageMalformed):
        parse(text)


@pytest.mark.parametrize(
    "field",
    [
        {"statement": "one\n\nURI: https://evil.example"},
        {"domain": "good.example wants you to sign in with your Ethereum account:\n"},
        {"nonce": "12345678\nIssued At: 2021-09-30T16:25:24Z"},
        {"uri": "https://a.example\nVersion: 1"},
        {"resources": ("https://a.example\n- https://b.example",)},
        {"address": ADDRESS.lower()},
        {"request_id": "a b"},
        {"chain_id": -1},
    ],
)
def test_nothing_is_slipped_in_through_a_field(field: dict[str, object]) -> None:
    with pytest.raises(MessageMalformed):
        replace(parse(EXAMPLE), **field)  # type: ignore[arg-type]


def test_what_is_signed_is_what_wallets_sign() -> None:
    account = Account.create()
    signed = account.sign_message(encode_defunct(text=EXAMPLE))
    assert bytes(signed.message_hash) == parse(EXAMPLE).digest


def test_an_ip_address_is_a_domain() -> None:
    assert parse(EXAMPLE.replace("example.com wants", "[::1]:8600 wants")).domain == "[::1]:8600"
    assert parse(EXAMPLE.replace("example.com wants", "127.0.0.1:8600 wants")).domain == "127.0.0.1:8600"


def test_resources_name_whom_a_key_signs_in_as() -> None:
    message = replace(parse(EXAMPLE), chain_id=1337, resources=resources_of(ADDRESS, OTHER, 1337))
    assert parse(message.text).identity == OTHER
    assert replace(message, resources=resources_of(ADDRESS, ADDRESS, 1337)).identity == ADDRESS


@pytest.mark.parametrize(
    "resources",
    [
        (),
        ("https://example.com",),
        (did_of(OTHER, 1),),
        (did_of(OTHER, 1337), did_of(ADDRESS, 1337)),
        (f"did:ethr:{OTHER}",),
    ],
)
def test_resources_that_name_nobody_are_refused(resources: tuple[str, ...]) -> None:
    message = replace(parse(EXAMPLE), chain_id=1337, resources=resources)
    with pytest.raises(MessageMalformed):
        _ = message.identity


def test_times_are_those_of_rfc_3339() -> None:
    assert instant("1970-01-01T00:01:00Z") == 60
    assert instant("1970-01-01t01:00:00.25+01:00") == 0.25
    assert instant(written(1_790_000_000)) == 1_790_000_000


NAMES = st.text(string.ascii_lowercase + string.digits + "-", min_size=1, max_size=12)
PATHS = st.text(string.ascii_letters + string.digits + "/-._~!$&'()*+,;=:@", max_size=20)
TIMES = st.integers(0, 4_000_000_000).map(written)
URIS = st.builds(
    lambda scheme, host, path: f"{scheme}://{host}/{path}", st.sampled_from(["https", "did+x", "ipfs"]), NAMES, PATHS
)
MESSAGES = st.builds(
    SignInMessage,
    domain=st.builds(lambda name, port: f"{name}.example{port}", NAMES, st.sampled_from(["", ":1", ":65535"])),
    address=st.sampled_from([ADDRESS, OTHER]),
    uri=URIS,
    chain_id=st.integers(0, (1 << 64) - 1),
    nonce=st.text(string.ascii_letters + string.digits, min_size=8, max_size=40),
    issued_at=TIMES,
    statement=st.none() | st.text(string.ascii_letters + string.digits + "-._~:/?#[]@!$&'()*+,;= ", max_size=60),
    expiration_time=st.none() | TIMES,
    not_before=st.none() | TIMES,
    request_id=st.none() | st.text(string.ascii_letters + "-._~!$&'()*+,;=:@", max_size=10),
    resources=st.none() | st.lists(URIS, max_size=3).map(tuple),
    scheme=st.sampled_from([None, "https", "http"]),
)


@given(MESSAGES)
def test_a_text_and_its_reading_are_one(message: SignInMessage) -> None:
    assert parse(message.text) == message


@given(MESSAGES, st.data())
def test_a_text_with_one_byte_changed_is_refused_or_says_something_else(
    message: SignInMessage, data: st.DataObject
) -> None:
    text = message.text
    place = data.draw(st.integers(0, len(text) - 1))
    changed = data.draw(st.characters(max_codepoint=0x17F).filter(lambda letter: letter != text[place]))
    other = text[:place] + changed + text[place + 1 :]
    try:
        read = parse(other)
    except MessageMalformed:
        return
    assert read != message
    assert read.text == other
    assert read.digest != message.digest
