"""What is found, in which order, and how many: compared with the same question asked of a list in Python."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.audit.conftest import everything
from tests.audit.made_up import OTHER, SOMEBODY, fill, made_up

from belmont.audit import EventQuery, Position
from belmont.audit.errors import QueryError

DATASET, OTHER_DATASET = b"\xab" * 32, b"\xcd" * 32
EVENTS = [
    made_up(0, "MemberAdmitted", "Members", account=SOMEBODY, name="Charité – Universitätsmedizin Berlin", roles=1),
    made_up(1, "MemberAdmitted", "Members", account=OTHER, name="MÜNCHEN Klinik 100%_a", roles=4),
    made_up(2, "StudyProposed", study=1, title="Herzinfarkt FRÜH erkennen", code_hash=b"\x12\x34\xab" + bytes(29)),
    made_up(3, "StudyProposed", study=12, title="COVID-19 bei Kindern", code_hash=b"\xff" * 32, by=OTHER),
    made_up(4, "VoteCast", study=1, approve=True, reason_hash=b"\x99" * 32, by=OTHER),
    made_up(5, "VoteCast", study=12, approve=False, reason_hash=b"\x88" * 32),
    made_up(6, "RoundOpened", "Uses", permit=1, n=3, model_hash=b"\x77" * 32),
    made_up(7, "UseRecorded", "Uses", permit=1, dataset=DATASET, rho=2**255 + 19, n=3),
    made_up(8, "DatasetRegistered", "Datasets", dataset=DATASET, name="糖尿病 Ａ級"),
    made_up(9, "DatasetRegistered", "Datasets", dataset=OTHER_DATASET, name="under_score % per \\ back 'quote\" --"),
    made_up(10, "ConsentGranted", "Consents", dataset=OTHER_DATASET, recipients=(SOMEBODY, OTHER), by=OTHER),
    made_up(12, "Empty", "Rules"),
]


@pytest.fixture
def filled(opened, world):
    index = opened(world.registry)
    fill(index, *EVENTS)
    return index


def found(index, **asked):
    """Places of what is found, oldest first."""
    page = index.search(EventQuery(ascending=True, limit=500, **asked))
    assert page.total == len(page.events) and page.next is None
    return [2 * each.position.block + each.position.log for each in page.events]


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12]),
        ("   ", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12]),
        ("infarkt", [2]),
        ("INFARKT früh", [2]),
        ("früh infarkt", [2]),
        ("infarkt spät", []),
        ("votecast", [4, 5]),
        ("vote", [4, 5]),
        ("covid", [3]),
        ("covid-19", [3]),
        ("19", [3]),
        ("9", []),
        ("12", [3, 5]),
        ("3", [6, 7]),
        (str(2**255 + 19), [7]),
        ("0x1234ab", [2]),
        ("0X1234AB", [2]),
        ("1234ab", [2]),
        ("0x1234ab…", [2]),
        ("0x1234ab...0000", [2]),
        ("0x1234ab…ffff", []),
        ("0x1234ab…00", [2]),
        ("00", []),
        ("0x" + "77" * 32, [6]),
        (f"0x{EVENTS[4].event.transaction.hex()}", [4]),
        ("糖尿", [8]),
        ("A級", [8]),
        ("charité", [0, 1, 2, 5, 6, 7, 8, 9, 12]),
        ("charité vote", [5]),
        ("münchen", [1, 3, 4, 10]),
        ("MÜNCHEN 100%_a", [1, 3, 4, 10]),
        (SOMEBODY, [0, 1, 2, 5, 6, 7, 8, 9, 10, 12]),
        (SOMEBODY.lower()[:12], [0, 1, 2, 5, 6, 7, 8, 9, 10, 12]),
        ("%", [1, 3, 4, 9, 10]),
        ("under_score", [9]),
        ("under%score", []),
        ("underxscore", []),
        ("\\ back", [9]),
        ("'quote\"", [9]),
        ("'; drop table index_events; --", []),
        ("\0", []),
        ("\ud800", []),
        ("true", []),
    ],
)
def test_text_is_found_wherever_it_is(filled, text, places):
    assert found(filled, text=text) == places


def test_the_filters_each_narrow(filled):
    assert found(filled, contract="Uses") == [6, 7]
    assert found(filled, names=("VoteCast", "RoundOpened")) == [4, 5, 6]
    assert found(filled, actor=OTHER) == found(filled, actor=OTHER.lower()) == [3, 4, 10]
    assert found(filled, study=1) == [2, 4, 6, 7]
    assert found(filled, dataset=DATASET) == [7, 8]
    assert found(filled, since=1030) == [6, 7, 8, 9, 10, 12]
    assert found(filled, until=1030) == [0, 1, 2, 3, 4, 5]
    assert found(filled, study=1, actor=OTHER, text="vote") == [4]
    for none in ({"study": 2**63 - 1}, {"contract": "uses"}, {"names": ("votecast",)}, {"dataset": bytes(32)}):
        assert found(filled, **none) == []
    assert found(filled, contract="' or 1=1 --") == []


QUERIES = st.fixed_dictionaries(
    {},
    optional={
        "contract": st.sampled_from(["Uses", "Studies", "Members"]),
        "names": st.lists(st.sampled_from(["VoteCast", "UseRecorded", "MemberAdmitted"]), max_size=2).map(tuple),
        "actor": st.sampled_from([SOMEBODY, OTHER]),
        "study": st.sampled_from([1, 12, 5]),
        "dataset": st.sampled_from([DATASET, OTHER_DATASET]),
        "since": st.integers(990, 1070),
        "until": st.integers(990, 1070),
        "text": st.sampled_from(["", "vote", "e", "0x", "klinik", "1", "charité o"]),
    },
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=QUERIES, limit=st.integers(1, 14), ascending=st.booleans())
def test_pages_together_are_what_a_list_gives(filled, asked, limit, ascending):
    text = asked.pop("text", "")
    matching = set(found(filled, text=text))
    whole = [each for each in everything(filled) if 2 * each.position.block + each.position.log in matching]
    for name, value in asked.items():
        keeps = {
            "contract": lambda each, value=value: each.contract == value,
            "names": lambda each, value=value: not value or each.name in value,
            "actor": lambda each, value=value: each.actor == value,
            "study": lambda each, value=value: each.study == value,
            "dataset": lambda each, value=value: each.dataset == value,
            "since": lambda each, value=value: each.timestamp >= value,
            "until": lambda each, value=value: each.timestamp < value,
        }[name]
        whole = [each for each in whole if keeps(each)]
    pages, before = [], None
    while True:
        page = filled.search(EventQuery(text=text, limit=limit, ascending=ascending, before=before, **asked))
        assert page.total == len(whole)
        assert len(page.events) <= limit
        pages += page.events
        if page.next is None:
            break
        assert page.next == page.events[-1].position
        before = page.next
    assert pages == (whole if ascending else whole[::-1])


@pytest.mark.parametrize("text", ["", "vote"])
def test_a_page_after_the_last_is_empty_and_knows_the_total(filled, text):
    page = filled.search(EventQuery(text=text, before=Position(0, 0)))
    assert (page.events, page.next) == ((), None)
    assert page.total == len(found(filled, text=text))


def test_what_comes_meanwhile_moves_no_page(filled):
    first = filled.search(EventQuery(limit=4))
    fill(filled, made_up(20), made_up(21))
    second = filled.search(EventQuery(limit=4, before=first.next))
    assert [each.position for each in first.events] == [Position(6, 0), Position(5, 0), Position(4, 1), Position(4, 0)]
    assert [each.position for each in second.events] == [Position(3, 1), Position(3, 0), Position(2, 1), Position(2, 0)]
    assert (first.total, second.total) == (12, 14)


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": "a" * 201},
        {"text": " ".join("abcdefghijklm")},
        {"limit": 0},
        {"limit": 501},
        {"limit": -1},
        {"actor": "0x12"},
        {"actor": "' or 1=1"},
        {"dataset": b"short"},
        {"study": -1},
        {"study": 2**63},
        {"since": -1},
        {"until": 2**63},
        {"contract": "x" * 65},
        {"contract": "\0"},
        {"names": ("x",) * 101},
        {"names": ("\0",)},
        {"contract": "\ud800"},
        {"names": ("\udfff",)},
    ],
)
def test_what_nobody_could_mean_is_refused_before_the_database_is_asked(wrong):
    with pytest.raises(QueryError):
        EventQuery(**wrong)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(codec=None), max_size=40))
def test_no_text_upsets_the_database(filled, text):
    try:
        query = EventQuery(text=text)
    except QueryError:
        return
    filled.search(query)
