"""Conditions of an ethics board have one text form and one hash."""

import contextlib
import hashlib
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from belmont.identity.approval_conditions import (
    CANONICAL_BYTES_MAX,
    CONDITION_CHARACTERS_MAX,
    CONDITIONS_MAX,
    ApprovalConditions,
)
from belmont.identity.errors import ApprovalConditionsMalformed

TEXTS = ("Report to the board every six months.", "结果发表前须经伦理委员会审阅。", 'Name no "hospital" \\ site.')


def test_has_these_bytes_and_this_hash():
    """A fixed vector, so that no later version hashes anything else."""
    found = ApprovalConditions(("Report every six months.", "每六个月报告一次。"))
    text = (
        '{"conditions":["Report every six months.","每六个月报告一次。"],'
        '"format":"belmont-approval-conditions","version":1}'
    )
    assert found.canonical() == text.encode()
    assert found.hash == hashlib.sha256(text.encode()).digest()
    assert found.hash.hex() == "3ce31af1dcd91e653b3ed8624d396f97001c1a239491802d846f12dd1ec385fa"


def test_is_read_as_it_was_written():
    found = ApprovalConditions(TEXTS)
    assert ApprovalConditions.parse(found.canonical()) == found


def test_what_a_person_wrote_is_put_into_the_one_form():
    written = ["  Report\u00a0every\tsix\r\n months. ", "Cafe\u0301 only\u3000now"]
    assert ApprovalConditions.of(written).texts == ("Report every six months.", "Café only now")


def test_order_counts():
    assert ApprovalConditions(TEXTS).hash != ApprovalConditions(TEXTS[::-1]).hash


@pytest.mark.parametrize(
    "texts",
    [
        (),
        ("",),
        ("x" * (CONDITION_CHARACTERS_MAX + 1),),
        tuple(f"condition {number}" for number in range(CONDITIONS_MAX + 1)),
        ("one", "one"),
        (" one",),
        ("one  two",),
        ("one\ntwo",),
        ("one\u00a0two",),
        ("Cafe\u0301",),
        ("nobody sees \u202e this",),
        ("zero\u200bwidth",),
        ("bell\a",),
        ("\ud800",),
        (1,),
        (b"one",),
        ["one"],
        "one",
        None,
    ],
)
def test_what_is_none_is_refused(texts):
    with pytest.raises(ApprovalConditionsMalformed):
        ApprovalConditions(texts)


@pytest.mark.parametrize("texts", ["one text", b"bytes", [1], [], [" \n "]])
def test_what_is_no_list_of_texts_is_refused(texts):
    with pytest.raises(ApprovalConditionsMalformed):
        ApprovalConditions.of(texts)


def test_the_most_and_the_longest_are_taken_and_fit_the_bound_on_bytes():
    longest = tuple(chr(0x20000 + number) * CONDITION_CHARACTERS_MAX for number in range(CONDITIONS_MAX))
    found = ApprovalConditions(longest)
    assert len(found.canonical()) < CANONICAL_BYTES_MAX
    assert ApprovalConditions.parse(found.canonical()) == found


CANONICAL = ApprovalConditions(TEXTS).canonical()
DOCUMENT = json.loads(CANONICAL)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"7",
        b"null",
        b"\xff",
        b"[" * 100_000,
        b" " + CANONICAL,
        CANONICAL + b"\n",
        b"\xef\xbb\xbf" + CANONICAL,
        json.dumps(DOCUMENT, ensure_ascii=True, sort_keys=True, separators=(",", ":")).encode(),
        json.dumps(DOCUMENT, ensure_ascii=False, sort_keys=True).encode(),
        json.dumps({**DOCUMENT, "version": 2}, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode(),
        json.dumps({**DOCUMENT, "version": 1.0}, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode(),
        json.dumps({**DOCUMENT, "format": "other"}, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode(),
        json.dumps({**DOCUMENT, "more": 1}, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode(),
        b'{"conditions":"abc","format":"belmont-approval-conditions","version":1}',
        b'{"conditions":{"a":1},"format":"belmont-approval-conditions","version":1}',
        b'{"conditions":[],"conditions":["a"],"format":"belmont-approval-conditions","version":1}',
        b'{"conditions":["\\u0061"],"format":"belmont-approval-conditions","version":1}',
        b'{"conditions":["\\ud800"],"format":"belmont-approval-conditions","version":1}',
        b" " * (CANONICAL_BYTES_MAX + 1),
    ],
)
def test_other_bytes_are_refused_also_if_they_only_mean_the_same(content):
    with pytest.raises(ApprovalConditionsMalformed):
        ApprovalConditions.parse(content)


@given(st.binary(max_size=200))
def test_no_bytes_do_anything_else_than_be_refused(content):
    with contextlib.suppress(ApprovalConditionsMalformed):
        assert ApprovalConditions.parse(content).canonical() == content


@given(st.lists(st.text(max_size=60), max_size=6))
def test_whatever_is_taken_of_a_person_is_in_its_one_form(written):
    try:
        found = ApprovalConditions.of(written)
    except ApprovalConditionsMalformed:
        return
    assert ApprovalConditions.parse(found.canonical()) == found == ApprovalConditions.of(found.texts)
    assert all(text.isprintable() and unicodedata.is_normalized("NFC", text) for text in found.texts)
