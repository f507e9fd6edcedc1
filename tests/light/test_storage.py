"""Where Vyper keeps values: computed slots against what a contract really wrote, and typed values out of words."""

import secrets
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from belmont.chain.errors import CompilationError
from belmont.light import storage
from belmont.light.errors import PathUnknown, ProofRefused
from belmont.light.storage import Layout, Place, layout_of, read_path

CONTRACTS = Path(__file__).parent / "contracts"
KEY = b"\x07" * 32
ENTRY = {
    "owner": "0x" + "Ab" * 20,
    "part": {"amount": 200, "label": "a label of more than 32 characters here"},
    "parts": [{"amount": 1, "label": "one"}, {"amount": 2, "label": ""}],
    "closed": True,
    "fixed": [1, 2**64 - 1, 3],
    "tag": b"tag!",
    "blob": bytes(range(65)),
}


@pytest.fixture(scope="module")
def layout() -> Layout:
    return layout_of("Ledger", CONTRACTS)


@pytest.fixture(scope="module")
def read(chain: Any, layout: Layout) -> Any:
    """Reads a path of the ledger on the chain by ``eth_getStorageAt``, after it was filled."""
    functions = chain.ledger.functions
    entry = tuple(ENTRY.values())
    entry = (ENTRY["owner"], tuple(ENTRY["part"].values()), [tuple(p.values()) for p in ENTRY["parts"]], *entry[3:])
    checksummed = chain.client.web3.to_checksum_address(ENTRY["owner"])
    chain.client.send(chain.account, functions.put(4, KEY, (checksummed, *entry[1:])))
    chain.client.send(chain.account, functions.fill("ten chars.", -5, b"four", bytes(range(70)), -3))

    def word(slot: int) -> int:
        parameters = [chain.ledger.address, hex(slot), "latest"]
        return int(chain.client.transport.request("eth_getStorageAt", parameters), 16)

    return lambda path: layout.place(*read_path(path)).read(word)


def test_every_shape_is_read_from_where_the_contract_keeps_it(read: Any, chain: Any) -> None:
    expected = ENTRY | {"owner": chain.client.web3.to_checksum_address(ENTRY["owner"])}
    key = "0x" + KEY.hex()
    assert read(f"_entries[4][{key}]") == expected
    assert read(f"_entries[4][{key}].part.label") == ENTRY["part"]["label"]
    assert read(f"_entries[4][{key}].parts[1].amount") == 2
    assert read(f"_entries[4][{key}].fixed[1]") == 2**64 - 1
    assert read(f"_entries[4][{key}].closed") is True
    assert read('_names["ten chars."]') == -5
    assert read("_blobs[0x666f7572]") == bytes(range(70))
    assert read(f"_by[{chain.account.address}][true]") == 7
    assert read("_signed[-3]") == read("kind") == 2
    assert read("_lists") == [[1, 2], [], [3]]
    assert read("_lists[2][0]") == 3


def test_what_was_never_written_reads_as_empty(read: Any) -> None:
    empty = read(f"_entries[5][0x{KEY.hex()}]")
    assert empty["owner"] == "0x" + "00" * 20
    assert (empty["part"], empty["parts"], empty["blob"]) == ({"amount": 0, "label": ""}, [], b"")
    assert read('_names["nobody"]') == 0


WRONG_PATHS = [
    "",
    "nothing",
    "_entries",
    "_entries[4]",
    "_entries[-1][0x" + KEY.hex() + "]",
    "_entries[18446744073709551616][0x" + KEY.hex() + "]",
    "_entries[4][0x07]",
    "_entries[4][7]",
    "_entries[true]",
    "_entries[4][0x" + KEY.hex() + "].nothing",
    "_entries[4][0x" + KEY.hex() + "].fixed[3]",
    "_entries[4][0x" + KEY.hex() + "].fixed[-1]",
    "_entries[4][0x" + KEY.hex() + "].closed[0]",
    '_names["longer than 10"]',
    "_names[0x00]",
    "_blobs[0x666f75]",
    "_by[0x01][true]",
    "_by[0x" + "ab" * 20 + "][1]",
    "_signed[128]",
    "count[0]",
    "count.x",
    "[4]count",
    "count[",
    "count]",
    "count[x]",
    'count["a]',
    "_lists[" + "1" * 600 + "]",
]


@pytest.mark.parametrize("path", WRONG_PATHS)
def test_a_path_to_nothing_is_refused_with_what_is_there(read: Any, path: str) -> None:
    with pytest.raises(PathUnknown) as refused:
        read(path)
    assert len(str(refused.value)) < 400


@given(st.text(max_size=30))
def test_any_text_is_a_path_or_refused(layout: Layout, text: str) -> None:
    try:
        layout.place(*read_path(text))
    except PathUnknown:
        return


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("_entries[4][0x" + KEY.hex() + "].closed", 2),
        ("_entries[4][0x" + KEY.hex() + "].owner", 2**160),
        ("_entries[4][0x" + KEY.hex() + "].part.amount", 256),
        ("_entries[4][0x" + KEY.hex() + "].tag", 1),
        ("_entries[4][0x" + KEY.hex() + "].part.label", 41),
        ("_entries[4][0x" + KEY.hex() + "].parts", 4),
        ('_names["a"]', 2**127),
    ],
)
def test_a_word_that_is_no_value_of_its_type_is_refused(layout: Layout, path: str, word: int) -> None:
    with pytest.raises(ProofRefused):
        layout.place(*read_path(path)).read(lambda slot: word)


def test_only_the_slots_that_a_value_needs_are_asked_for(layout: Layout) -> None:
    asked: list[int] = []

    def word(slot: int) -> int:
        asked.append(slot)
        return 33 if len(asked) == 1 else 0

    place = layout.place("_entries", 4, KEY, "part", "label")
    assert place.read(word) == "\0" * 33
    assert asked == [place.slot, place.slot + 1, place.slot + 2]


def test_a_value_of_too_many_slots_is_read_in_parts() -> None:
    huge = Place(0, storage.Array(storage.Word("uint", 8), storage.SLOTS_MAX, True))
    with pytest.raises(PathUnknown, match="name a part"):
        huge.read(lambda slot: 0)
    assert huge.inner(5).read(lambda slot: slot) == 6


def test_slots_are_known_by_name_for_contracts_of_this_release() -> None:
    layout = layout_of("Verifier")
    assert layout.variables == {}
    with pytest.raises(PathUnknown, match="keeps no"):
        storage.slot("Verifier", "_permits", 3)


def test_a_source_that_does_not_compile_is_named(tmp_path: Path) -> None:
    (tmp_path / "Broken.vy").write_text(secrets.token_hex(8))
    for name in ("Broken", "Absent"):
        with pytest.raises(CompilationError, match=name):
            layout_of(name, tmp_path)


def test_variables_of_imported_modules_are_found(tmp_path: Path) -> None:
    (tmp_path / "part.vy").write_text("a: uint8\nb: HashMap[uint8, bool]\n")
    (tmp_path / "Whole.vy").write_text("import part\ninitializes: part\nx: uint8\n")
    layout = layout_of("Whole", tmp_path)
    slots = {name: place.slot for name, place in layout.variables.items()}
    assert sorted(slots) == ["part.a", "part.b", "x"] and len(set(slots.values())) == 3
    assert layout.place(*read_path("part.a")).slot == slots["part.a"]
