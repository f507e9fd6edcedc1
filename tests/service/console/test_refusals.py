"""Whatever is refused is said in the visitor's language."""

import ast
import re
from http import HTTPStatus
from pathlib import Path

import pytest

from belmont.registry.errors import RegistryRefused
from belmont.service import errors
from belmont.service.console import refusals
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
    for sentence in (found.says, found.remedy):
        if sentence is not None:
            assert EN.say(sentence) != ZH.say(sentence) and not ENGLISH.search(ZH.say(sentence))


def test_a_word_that_nobody_foresaw_is_said_to_be_a_refusal_with_its_text_beside() -> None:
    found = refusals.refusal(RegistryRefused("NEVER_HEARD_OF"))
    assert found is not None and found.code == "NEVER_HEARD_OF"
    assert "NEVER_HEARD_OF" in found.particulars
    is_said(found)


@pytest.mark.parametrize("status", [each for each in HTTPStatus if each >= HTTPStatus.BAD_REQUEST], ids=int)
def test_what_the_framework_refuses_is_said_too(status: HTTPStatus) -> None:
    code = status.phrase.upper().replace(" ", "_")
    is_said(refusals.told(errors.Problem("its own words", code=code), status))
