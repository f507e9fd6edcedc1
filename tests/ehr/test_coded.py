"""Code books, pseudonyms and the coded table."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from belmont.ehr.codebook import NumericBook
from belmont.ehr.coded import CodedTable
from belmont.ehr.dictionary import Dictionary
from belmont.ehr.errors import EhrError, PseudonymCollision, TableCorrupted, WrongDictionary
from belmont.ehr.pseudonyms import pseudonym, pseudonyms, refuse_collisions

BOOK = NumericBook(0.3, 12.0, 0.05)


def table_of(dictionary: Dictionary, rows: int, seed: int = 0) -> CodedTable:
    generator = np.random.default_rng(seed)
    codes = {
        column.name: generator.integers(
            0 if column.kind == "bit" or column.allows_missing else 1, column.width + 1, rows
        ).astype(np.uint16)
        for column in dictionary
    }
    return CodedTable(dictionary, codes, np.arange(1, rows + 1, dtype=np.uint64) * np.uint64(977))


@given(st.integers(1, BOOK.width))
def test_every_code_decodes_to_a_value_that_encodes_to_it(code: int) -> None:
    value = float(BOOK.decode_array(np.array([code], np.uint16))[0])
    assert BOOK.encode(value) == code
    assert round(value, 2) == value


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_one_value_and_an_array_are_coded_alike_and_only_within_range(value: float) -> None:
    code = BOOK.encode(value)
    assert code == int(BOOK.encode_array(np.array([value]))[0])
    assert (code > 0) == (0.3 <= value <= 12.0)
    assert code <= BOOK.width


def test_a_table_is_ordered_by_pseudonym_and_its_arrays_cannot_be_written(dictionary: Dictionary) -> None:
    table = table_of(dictionary, 50)
    shuffled = np.random.default_rng(1).permutation(50)
    codes = {name: table.codes(name)[shuffled] for name in table.columns}
    assert CodedTable(dictionary, codes, table.pseudonyms[shuffled]) == table
    with pytest.raises(ValueError, match="read-only"):
        table.codes("age")[0] = 1


def test_values_are_in_the_dictionarys_units_and_nan_where_missing(dictionary: Dictionary) -> None:
    table = table_of(dictionary, 500)
    hba1c = table.values("hba1c")
    assert np.array_equal(np.isnan(hba1c), table.codes("hba1c") == 0)
    assert np.nanmin(hba1c) >= 15
    assert np.nanmax(hba1c) <= 200
    assert set(np.unique(table.values("statin"))) == {0.0, 1.0}
    assert (table.center("hba1c"), table.scale("hba1c"), table.width("hba1c")) == (56, 13, 186)
    frame = table.decode()
    assert list(frame.columns) == list(table.columns)
    assert frame["sex"].isna().sum() == (table.codes("sex") == 0).sum()


@pytest.mark.parametrize("rows", [0, 1, 7, 8, 9, 1000])
def test_a_stored_table_reads_back_and_is_always_the_same_bytes(dictionary: Dictionary, rows: int) -> None:
    table = table_of(dictionary, rows)
    assert CodedTable.from_bytes(dictionary, table.to_bytes()) == table
    assert table.to_bytes() == table_of(dictionary, rows).to_bytes()


def test_any_flipped_byte_and_any_other_length_is_refused(dictionary: Dictionary) -> None:
    data = table_of(dictionary, 5).to_bytes()
    for place in range(len(data)):
        broken = bytearray(data)
        broken[place] ^= 1
        with pytest.raises(TableCorrupted):
            CodedTable.from_bytes(dictionary, bytes(broken))
    for length in (0, 1, 60, len(data) - 1):
        with pytest.raises(TableCorrupted):
            CodedTable.from_bytes(dictionary, data[:length])
    with pytest.raises(TableCorrupted):
        CodedTable.from_bytes(dictionary, data + b"\x00")


def test_a_table_with_a_right_checksum_but_wrong_content_is_refused(dictionary: Dictionary) -> None:
    import hashlib

    data = table_of(dictionary, 5).to_bytes()[:-32]

    def signed(body: bytes) -> bytes:
        return body + hashlib.sha256(body).digest()

    header = len(data) - 5 * 8 - sum(1 if column.kind == "bit" else 10 for column in dictionary)
    swapped = data[:header] + data[header + 8 : header + 16] + data[header : header + 8] + data[header + 16 :]
    for body in (data + b"\x00", data[:-1], data[:14] + b"\x09" + data[15:], swapped, data[:-1] + b"\x07"):
        with pytest.raises(TableCorrupted):
            CodedTable.from_bytes(dictionary, signed(body))


def test_a_table_coded_under_another_dictionary_is_refused(dictionary: Dictionary) -> None:
    other = dataclasses.replace(dictionary, version=2)
    with pytest.raises(WrongDictionary, match="diabetes-cvd"):
        CodedTable.from_bytes(other, table_of(dictionary, 3).to_bytes())


@pytest.mark.parametrize("fault", ["too high", "missing", "absent column", "wrong type", "twice", "zero"])
def test_codes_that_the_dictionary_does_not_allow_make_no_table(dictionary: Dictionary, fault: str) -> None:
    table = table_of(dictionary, 4)
    codes = {name: table.codes(name).copy() for name in table.columns}
    names = table.pseudonyms.copy()
    if fault == "too high":
        codes["statin"][0] = 2
    elif fault == "missing":
        codes["age"][0] = 0
    elif fault == "absent column":
        del codes["age"]
    elif fault == "wrong type":
        codes["age"] = codes["age"].astype(np.int64)
    elif fault == "twice":
        names[1] = names[0]
    else:
        names[0] = 0
    with pytest.raises(TableCorrupted):
        CodedTable(dictionary, codes, names)


def test_select_keeps_whole_rows(dictionary: Dictionary) -> None:
    table = table_of(dictionary, 20)
    keep = table.codes("statin") == 1
    smaller = table.select(keep)
    assert smaller.rows == int(keep.sum())
    assert bool((smaller.codes("statin") == 1).all())


def test_a_table_shows_its_shape_and_no_row(dictionary: Dictionary) -> None:
    table = table_of(dictionary, 3)
    assert "3 rows" in table._repr_html_()
    assert str(int(table.pseudonyms[0])) not in table._repr_html_() + repr(table)


def test_pseudonyms_depend_on_key_and_identifier_and_follow_the_formula() -> None:
    import hmac

    key = b"k" * 32
    assert pseudonym(key, "MRN-1") == int.from_bytes(hmac.digest(key, b"MRN-1", "sha256")[:8], "big")
    assert pseudonym(key, "MRN-1") != pseudonym(b"l" * 32, "MRN-1")
    assert len(set(pseudonyms(key, [str(i) for i in range(1000)]).tolist())) == 1000


def test_equal_pseudonyms_and_short_keys_are_refused() -> None:
    with pytest.raises(PseudonymCollision):
        refuse_collisions(np.array([5, 9, 5], np.uint64))
    with pytest.raises(PseudonymCollision):
        pseudonyms(b"k" * 32, ["same", "same"])
    with pytest.raises(EhrError, match="at least 16"):
        pseudonyms(b"short", ["x"])
