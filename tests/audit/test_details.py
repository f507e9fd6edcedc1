"""Details as text and back, exactly; and in both databases, whatever a stranger wrote."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.audit.conftest import HASH, YEAR, everything, trail
from tests.audit.made_up import SOMEBODY, fill, made_up

from belmont.audit import EventQuery
from belmont.audit.details import QUERY_WORDS_MAX, SEARCH_TEXT_MAX, asked_words, from_json, search_text, to_json
from belmont.audit.errors import QueryError
from belmont.registry.contract_set import contract
from belmont.registry.records import conditions_struct
from belmont.registry.types import Address

VALUES = st.recursive(
    st.booleans()
    | st.integers(0, 2**256 - 1)
    | st.integers(-(2**255), 2**255)
    | st.binary(max_size=100)
    | st.text(st.characters(codec=None), max_size=50),
    lambda inner: st.lists(inner, max_size=4).map(tuple) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
DETAILS = st.dictionaries(st.text(max_size=10), VALUES, max_size=6)


def same(one, other):
    """Equal, and of equal types: True is not 1."""
    if type(one) is not type(other):
        return False
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return one == other


@given(DETAILS)
def test_details_survive_exactly(details):
    assert same(from_json(to_json(details)), details)
    assert to_json(details).isascii() and "\0" not in to_json(details)


@given(DETAILS)
def test_search_text_can_be_stored_anywhere(details):
    text = search_text(details)
    assert "\0" not in text and len(text) <= SEARCH_TEXT_MAX + 2
    text.encode()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(details=DETAILS)
def test_both_databases_give_back_what_they_were_given(stored_index, details):
    index, place = stored_index
    place[0] += 1
    fill(index, made_up(2 * place[0], **{f"d{key}": value for key, value in details.items()}))
    (event,) = index.search(EventQuery(limit=1)).events
    assert same({key[1:]: value for key, value in event.details.items()}, details)


@pytest.fixture
def stored_index(index):
    return index, [0]


HOSTILE = [
    "a\0b",
    "\ud800\udfff",
    "'; drop table index_events; --",
    "%_\\%",
    "x" * 50_000,
    "\u202egnirts",
    "<script>alert(1)</script>",
    "{{ 7*7 }} ${7*7}",
    "\x1b[2J",
]


@pytest.mark.parametrize("title", HOSTILE, ids=range(len(HOSTILE)))
def test_a_strangers_title_is_kept_as_it_is_and_found_as_it_can_be(index, title):
    fill(index, made_up(0, title=title, study=1), made_up(1, title="harmless", study=2))
    first, second = everything(index)
    assert first.details["title"] == title and second.details["title"] == "harmless"
    assert index.search(EventQuery(text="harmless")).total == 1
    assert index.search(EventQuery(study=1)).events == (first,)


def test_what_a_member_wrote_past_our_python_comes_through_the_chain(opened, living):
    """The decoder shows what is not printable as U+FFFD; the index has what the registry reads."""
    holder = living.registry.as_(living.accounts[0])
    for text in (b"\0\0\0\0", b"\xff\xfe\xfd\xfc", b"\x1b[2J", b"%_'\\", b"\xed\xa0\x80x"):
        until = holder.head().timestamp + 2 * YEAR
        living.made += 1
        name = "A" * len(text) + f"{text.hex()}n{living.made}"
        fields = (holder.address, name, conditions_struct(1 << 4, None), HASH, 1, 1, until, 0)
        data = contract("Datasets").interface.encode_call("register", *fields)
        assert data.count(name.encode()) == 1
        data = data.replace(name.encode(), text + name[len(text) :].encode())
        living.registry.chain.send(living.accounts[0], living.registry.addresses["Datasets"], data)
    index = opened(living.registry)
    index.catch_up()
    assert trail(index) == living.registry.audit_events()
    assert index.search(EventQuery(text=f"\ufffd\ufffd\ufffd\ufffd00000000n{living.made - 4}")).total == 1
    assert index.search(EventQuery(text=f"%_'\\255f275cn{living.made - 1}")).total == 1


def test_numbers_of_every_size_and_addresses_come_back_as_they_were(index):
    details = {"total": 2**256 - 1, "small": 0, "study": 2**64 - 1, "who": SOMEBODY, "all": (SOMEBODY,), "yes": True}
    fill(index, made_up(0, **details))
    (event,) = everything(index)
    assert same(event.details, details) and event.study is None
    assert Address(event.details["who"]) == SOMEBODY
    assert index.search(EventQuery(text=str(2**256 - 1))).total == 1


def test_text_is_asked_for_in_words():
    assert asked_words("  VoteCast\tFRÜH\n") == ["votecast", "früh"]
    assert asked_words("0x12ab…89ef") == ["0x12ab", "89ef"]
    assert asked_words("0x12ab...") == ["0x12ab"]
    assert asked_words("12 123456 12") == [" 12 ", "123456"]
    assert asked_words("0x12…34 34") == ["0x12", "34", " 34 "]
    assert asked_words("…") == []


def test_too_much_text_is_refused():
    for text in ("a" * 201, " ".join(str(each) for each in range(QUERY_WORDS_MAX + 1))):
        with pytest.raises(QueryError):
            asked_words(text)
