"""Whatever is refused is said in the visitor's language, and so is what exactly is wrong."""

import ast
import html
import json
import re
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from tests.service.conftest import World
from tests.service.console.conftest import Browser, Story

from belmont.identity.errors import IdentityError, MessageMalformed, SignatureRefused, Why
from belmont.identity.messages import ConsentGrant, Vote, reason_hash
from belmont.identity.signed_message import FILE_BYTES_MAX, SignedMessage
from belmont.registry.errors import RegistryRefused
from belmont.service import errors
from belmont.service.console import refusals
from belmont.service.console.particulars import of_identity
from belmont.service.console.refusal_words import SAID
from belmont.service.words import names, of

SOURCES = Path(errors.__file__).resolve().parent
CONTRACTS = SOURCES.parent / "contracts"
NOT_RELAYED = {"Proxy", "Wallet"}
"""Contracts that nobody calls through this service."""
EN, ZH = of("en"), of("zh-Hans")
ENGLISH = re.compile(r"\b(the|of|and|this|is|was|no)\b", re.I)


def codes_in(source: str) -> set[str]:
    """Every code that a source gives to an error, or a class of errors has by itself."""
    values = []
    for node in ast.walk(ast.parse(source)):
        is_default = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "default_code"
        if is_default or (isinstance(node, ast.keyword) and node.arg == "code"):
            values.append(node.value)
    texts = {each.value for value in values for each in ast.walk(value) if isinstance(each, ast.Constant)}
    return {each for each in texts if isinstance(each, str) and re.fullmatch(r"[A-Z][A-Z_]+", each)}


CODES = sorted(set().union(*(codes_in(each.read_text()) for each in SOURCES.rglob("*.py"))))
WORDS = sorted(
    {
        word
        for each in CONTRACTS.glob("*.vy")
        if each.stem not in NOT_RELAYED
        for word in re.findall(r'(?:assert|raise)\b[^"\n]*"([A-Z][A-Z_]+)"', each.read_text())
    }
)


def test_the_sources_are_read_for_their_codes() -> None:
    assert codes_in('raise Malformed("a", code="ONE")\nclass A:\n    default_code = "TWO"\nf(code=x or "THREE")') == {
        "ONE", "TWO", "THREE",
    }  # fmt: skip
    assert len(CODES) > 50 and {"NOT_FOUND", "NO_HOST_NAME", "REFUSED", "INTERNAL"} <= set(CODES)
    assert len(WORDS) > 50 and {"RECUSED", "FREEZE_SPENT"} <= set(WORDS)


@pytest.mark.parametrize("code", CODES)
def test_every_code_of_this_service_has_words_in_every_language(code: str) -> None:
    assert code in SAID or names.refusal(code) is not None
    is_said(refusals.told(errors.Problem("the detail", code=code, remedy="the remedy"), 400))


@pytest.mark.parametrize("word", WORDS)
def test_every_word_of_the_contracts_has_words_in_every_language(word: str) -> None:
    found = refusals.refusal(RegistryRefused(word))
    assert names.refusal(word) is not None and found is not None and found.remedy is not None
    is_said(found)


def is_said(found: refusals.Refused) -> None:
    for sentence in (found.says, *found.particulars, found.remedy):
        if sentence is not None:
            assert EN.say(sentence) != ZH.say(sentence) and not ENGLISH.search(ZH.say(sentence))


def test_a_word_that_nobody_foresaw_is_said_to_be_a_refusal_with_its_text_beside() -> None:
    found = refusals.refusal(RegistryRefused("NEVER_HEARD_OF"))
    assert found is not None and found.code == "NEVER_HEARD_OF"
    assert "NEVER_HEARD_OF" in found.english
    is_said(found)


@pytest.mark.parametrize("status", [each for each in HTTPStatus if each >= HTTPStatus.BAD_REQUEST], ids=int)
def test_what_the_framework_refuses_is_said_too(status: HTTPStatus) -> None:
    code = status.phrase.upper().replace(" ", "_")
    is_said(refusals.told(errors.Problem("its own words", code=code), status))


# --- what exactly is wrong ---

VALUES: dict[str, str | int] = {
    "most": 20, "known": 1, "kind": "bytes32", "name": "actor", "number": 2, "character": "U+200B",
}  # fmt: skip
"""Values of every ``Why``."""
LONG, MANY = "x" * 120_001, "abcdefghijklmnopqrstu"
OPEN = Callable[..., Browser]


@pytest.mark.parametrize("why", list(Why))
def test_every_word_for_what_is_wrong_with_a_message_has_words_in_every_language(why: Why) -> None:
    found = of_identity(IdentityError("its own words", why, **VALUES))
    assert found is not None
    assert EN.say(found) != ZH.say(found) and not ENGLISH.search(ZH.say(found))
    others = {EN.say(of_identity(IdentityError("", each, **VALUES)) or found) for each in Why if each is not why}
    assert EN.say(found) not in others, "each says something of its own"


@pytest.mark.parametrize("kind", ["address", "address[]", "bytes32", "bytes", "bool", "uint64", "uint256"])
def test_what_a_field_of_a_message_has_to_be_is_said(kind: str) -> None:
    found = of_identity(IdentityError("", Why.VALUE, name="actor", kind=kind, most=8))
    assert found is not None and not ENGLISH.search(ZH.say(found))


def test_an_error_without_a_word_has_its_text_beside_in_english() -> None:
    found = refusals.refusal(MessageMalformed("a text of a library"))
    assert found is not None and (found.particulars, found.english) == ((), "a text of a library")


def broken_files(world: World, study: int) -> dict[str, bytes]:
    """Files of a vote that cannot be taken, by what is wrong with them."""
    text = "Sound."
    vote = Vote(actor=world.address("board"), study=study, approve=True, reason_hash=reason_hash(text))
    whole = SignedMessage(vote, world.registry.relay.domain, (), text).signed_by(world.people["board"])

    def changed(**changes: Any) -> bytes:
        document = json.loads(whole.to_json())
        for path, value in changes.items():
            *parents, last = path.split("__")
            place = document
            for each in parents:
                place = place[each]
            place[last] = value
        return json.dumps(document).encode()

    return {
        "too large": b" " * (FILE_BYTES_MAX + 1),
        "no json": b"{",
        "something else": b"{}",
        "cut off": changed(typed_data={}),
        "of another version": changed(version=99),
        "of an unknown kind": changed(typed_data__primaryType="Gift"),
        "another sentence": changed(says="I approve everything."),
        "another field": changed(typed_data__message__more="1"),
        "no account": changed(typed_data__message__actor="0x12"),
        "no number": changed(typed_data__message__study="one"),
        "too large a number": changed(typed_data__message__study=str(2**64)),
        "no truth value": changed(typed_data__message__approve="yes"),
        "no hash": changed(typed_data__message__reasonHash="0x12"),
        "another reason": changed(reason="Other."),
        "conditions that nobody signed": changed(conditions=["Delete all."]),
        "a condition twice": changed(conditions=["Delete.", "Delete."]),
        "no condition": changed(conditions=[]),
        "an invisible character": changed(conditions=["De\u200blete."]),
        "a condition of nothing": changed(conditions=["x" * 1_001]),
        "a condition with spaces": changed(conditions=["Delete  all."]),
        "no signature": changed(signatures=["what"]),
        "an empty signature": changed(signatures=["0x"]),
        "a long signature": changed(signatures=["0x" + "ab" * 4_000]),
        "a signature twice": changed(signatures=[*json.loads(whole.to_json())["signatures"]] * 2),
        "signed by nobody": changed(signatures=[]),
        "several that are of no keys": changed(signatures=["0x" + f"{each:02x}" * 65 for each in (1, 2)]),
    }


def paragraphs(page: str) -> Iterator[str]:
    """What a page of a refusal says beside its menus, names of codes left out."""
    found = re.search(r"<main.*?</main>", page, re.S)
    assert found
    is_form = 'class="errors"' in found[0]
    part = re.search(r'<section class="errors".*?</section>', found[0], re.S) if is_form else found
    assert part
    for each in re.findall(r"<(?:p|li|h1|h2)\b[^>]*>(.*?)</(?:p|li|h1|h2)>", part[0], re.S):
        yield html.unescape(re.sub(r"<code>.*?</code>|<[^>]*>", "", each)).strip()


def is_chinese(answer: Any, statuses: tuple[int, ...] = (400, 401, 403, 404, 409, 413, 422)) -> list[str]:
    assert answer.status_code in statuses, (answer.status_code, answer.text)
    said = [each for each in paragraphs(answer.text) if each]
    assert said and '<p class="quiet" lang="en">' not in answer.text
    for each in said:
        assert re.search(r"[\u4e00-\u9fff]", each) or re.fullmatch(r"[\d\s]*", each), each
        assert not ENGLISH.search(each), each
    return said


def test_every_file_that_cannot_be_taken_is_refused_in_chinese_with_what_is_wrong(
    browser: OPEN, world: World, story: Story
) -> None:
    board, told = browser("board", "zh-Hans"), set()
    codes = set()
    for name, content in broken_files(world, story.open).items():
        answer = board.post("/signed", files={"file": ("signed.json", content, "application/json")})
        said = is_chinese(answer)
        codes.update(re.findall(r"<code>([A-Z_]+)</code>", answer.text))
        if "MESSAGE_MALFORMED" in answer.text:
            assert len(said) >= 4, (name, said)
        told.update(said)
    assert "MESSAGE_MALFORMED" in codes and len(told) > 22, told


def test_a_message_that_a_contract_refuses_is_refused_in_chinese_beside_the_message(
    browser: OPEN, world: World, story: Story
) -> None:
    vote = Vote(actor=world.address("auditor"), study=story.open, approve=True, reason_hash=reason_hash("Sound."))
    unsigned = SignedMessage(vote, world.registry.relay.domain, (), "Sound.")
    board = browser("board", "zh-Hans")
    for content in (unsigned.signed_by(world.people["auditor"]).to_json(), unsigned.to_json(), "{"):
        files = {"file": ("signed.json", content.encode(), "application/json")}
        answer = board.post("/signed", {"message": unsigned.to_json()}, files=files)
        is_chinese(answer)
    is_chinese(board.post("/signed", {"message": unsigned.to_json()}))
    grant = json.loads(unsigned.to_json())
    grant["typed_data"]["primaryType"] = ConsentGrant.__name__
    is_chinese(board.post("/signed/unsigned.json", {"message": json.dumps(grant)}))


@pytest.mark.parametrize(
    ("who", "path", "data", "says"),
    [
        ("board", "/studies/{open}/vote", {"choice": "perhaps"}, "“您的表决”不在可选项之中。"),
        ("board", "/studies/{open}/vote", {"choice": "refuse", "reason": LONG}, "“理由”最多 120,000 个字符。"),
        ("board", "/studies/{open}/vote", {"choice": ""}, ""),
        ("board", "/studies/{open}/vote", {"choice": "refuse"}, ""),
        ("board", "/studies/{open}/vote", {"choice": "conditions"}, ""),
        ("board", "/studies/{open}/vote", {"choice": "conditions", "conditions": "a\u200bb"}, "U+200B"),
        ("board", "/studies/{open}/vote", {"choice": "conditions", "conditions": "Do.\nDo."}, "重复"),
        ("board", "/studies/{open}/vote", {"choice": "conditions", "conditions": "x" * 1_001}, "1,000"),
        ("board", "/studies/{open}/vote", {"choice": "conditions", "conditions": "\n".join(MANY)}, "20"),
        ("board", "/permits/{running}/freeze", {"duration": "soon"}, "“时长”应为整数。"),
        ("board", "/permits/{running}/freeze", {"duration": "0", "reason": "Odd."}, "“时长”至少为 1。"),
        ("board", "/permits/{running}/freeze", {"duration": "9" * 12, "reason": "Odd."}, "“时长”至多为"),
        ("board", "/permits/{running}/freeze", {"duration": "3600", "reason": LONG}, "“理由”最多 20,000 个字符。"),
        ("board", "/permits/{running}/revoke", {"reason": LONG}, "“理由”最多"),
        ("auditor", "/permits/{running}/freeze", {"duration": "3600", "reason": "Odd."}, ""),
        ("board", "/proposals/members/99999999/support", {}, ""),
        ("board", "/proposals/rules/99999999/support", {}, ""),
        ("auditor", "/proposals/members/1/support", {}, ""),
        ("data_user", "/studies/{open}/agree", {}, "缺少“seen”。"),
        ("board", "/signed", {"signature": "0x12"}, "“签名”的写法不符合此处的要求。"),
        ("board", "/signed", {"message": "x" * 200_000}, ""),
        ("board", "/settings/notices", {"channel": "pigeon"}, ""),
        ("stranger", "/sign-in", {"signature": "0x12"}, "缺少“待签文字”。"),
        ("stranger", "/sign-in", {"nonce": "n" * 41, "signature": "0x12"}, "“待签文字”最多 40 个字符。"),
        ("stranger", "/sign-in", {"nonce": "n", "signature": "what"}, ""),
        ("board", "/account/sessions/end", {"id": "mine"}, "“id”的写法"),
    ],
)  # fmt: skip
def test_a_form_that_cannot_be_taken_is_refused_in_chinese(
    who: str, path: str, data: dict[str, object], says: str, browser: OPEN, story: Story
) -> None:
    said = is_chinese(browser(who, "zh-Hans").post(path.format(**vars(story)), data))
    assert any(says in each for each in said), said


@pytest.mark.parametrize(
    "path",
    ["/permits/0", "/studies/99999999", "/studies/x", "/datasets/0x12", "/members/0x12", "/accesses?outcome=maybe",
     "/accesses?before=0", "/uses?permit=x", "/uses?before=yesterday",
     "/search?q=" + "x" * 101, "/events?q=" + "x" * 201, "/nowhere", "/patient/records"],
)  # fmt: skip
def test_an_address_that_leads_nowhere_is_refused_in_chinese(path: str, browser: OPEN) -> None:
    is_chinese(browser("auditor", "zh-Hans").get(path))


def test_in_english_the_same_is_said_in_english(browser: OPEN, story: Story) -> None:
    page = browser("board").post(f"/permits/{story.running}/freeze", {"duration": "0", "reason": "Odd."}).text
    assert "“Duration” is at least 1." in html.unescape(page)
    page = browser("board").post("/signed", files={"file": ("a.json", b"{", "application/json")}).text
    assert "The file is no JSON, or was cut off." in page


def test_scripts_of_pages_are_told_in_the_visitors_language(browser: OPEN) -> None:
    path = "/api/v1/passkeys/touch"
    headers = {"Sec-Fetch-Site": "same-origin"}
    for language, says in (("zh-Hans", "未登记硬件密钥"), ("en", "No hardware key is enrolled.")):
        board = browser("board", language)
        headers["X-CSRF-Token"] = board.csrf
        answer = board.client.post(path, json={"purpose": "message", "digest": "0x" + "ab" * 32}, headers=headers)
        assert answer.json()["code"] == "NO_KEYS" and answer.json()["detail"] == "No hardware key is enrolled."
        assert says in answer.json()["says"]
        assert board.client.post(path, json={"purpose": "what"}, headers=headers).json()["says"]


def test_a_signature_that_is_refused_has_its_particular() -> None:
    found = refusals.refusal(SignatureRefused("nobody has signed this yet", Why.UNSIGNED))
    assert found is not None and found.particulars and not found.english
    is_said(found)
