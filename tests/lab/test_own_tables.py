"""A consortium of one's own tables: drafted dictionaries, CSV read as a hospital reads it, and a fit under a permit."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from belmont.ehr.dictionary import Dictionary
from belmont.ehr.errors import DictionaryError
from belmont.ehr.ingest import read_csv
from belmont.lab import Consortium
from belmont.lab.errors import LabError
from belmont.lab.models import LogisticRegression
from belmont.lab.own_tables import OwnTables, draft_dictionary


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    random = np.random.default_rng(5)
    age = random.integers(20, 80, 360)
    weight = np.round(random.normal(75.0, 12.0, 360), 1)
    weight[::20] = np.nan
    kind = random.choice(["public", "private", "none"], 360)
    event = (random.random(360) < 1 / (1 + np.exp(-(age - 50) / 10))).astype(int)
    return pd.DataFrame({"age": age, "weight": weight, "insured": kind, "smokes": age % 3 == 0, "event": event})


def test_a_drafted_dictionary_says_what_the_columns_are(frame: pd.DataFrame) -> None:
    book = Dictionary.loads(draft_dictionary(frame, name="own", outcome="event", title="Own rows"))
    kinds = {column.name: (column.role, column.kind, column.width, column.allows_missing) for column in book}
    assert kinds["age"] == ("feature", "range", 101, False)
    assert kinds["weight"][1:] == ("range", 402, True)
    assert kinds["insured"][1:3] == ("range", 3)
    assert kinds["smokes"][1] == kinds["event"][1] == "bit" and book.outcome == "event"
    coded = book.column("weight").codebook
    assert coded is not None and (coded.encode_array(frame["weight"].to_numpy())[1:20] > 0).all()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop(columns="event"), "no outcome 'event'"),
        (lambda f: f.assign(insured=[str(k) for k in range(len(f))]), "different words"),
        (lambda f: f.assign(insured="same"), "has 1 different words"),
    ],
)
def test_rows_that_no_dictionary_fits_are_refused(frame: pd.DataFrame, change: object, message: str) -> None:
    with pytest.raises(LabError, match=message):
        draft_dictionary(change(frame), name="own", outcome="event")  # type: ignore[operator]
    with pytest.raises(LabError, match="for each hospital"):
        OwnTables.of([frame], draft_dictionary(frame, name="own", outcome="event"))  # type: ignore[arg-type]
    with pytest.raises(DictionaryError):
        OwnTables.of({"A": frame}, "name: own\ncolumns: 3\n")


def test_what_would_stop_half_way_is_refused_before_anything_is_made(frame: pd.DataFrame, tmp_path: Path) -> None:
    text = draft_dictionary(frame, name="own", outcome="event")
    for tables, message in (
        ({f"H{k}": frame for k in range(17)}, "17 tables"),
        ({"": frame}, "names no hospital"),
        ({"é" * 40: frame}, "names no hospital"),
        ({7: frame}, "names no hospital"),
        ({"North": tmp_path / "none.csv"}, "no CSV file that is there"),
        ({"North": [1, 2]}, "no CSV file that is there"),
    ):
        with pytest.raises(LabError, match=message):
            Consortium.of_tables(tables, text, home=tmp_path / "own")  # type: ignore[arg-type]
    with pytest.raises(DictionaryError):
        Consortium.of_tables({"North": frame}, tmp_path / "none.yaml", home=tmp_path / "own")
    assert not (tmp_path / "own" / "consortium.json").exists()


def test_numbers_are_written_as_the_dictionary_reads_them(frame: pd.DataFrame, tmp_path: Path) -> None:
    text = draft_dictionary(frame, name="own", outcome="event", missing=("NA",))
    text = text.replace("csv:\n", "csv:\n  delimiter: ';'\n  decimal: ','\n")
    OwnTables.of({"North": frame}, text).write("North", tmp_path)
    book = Dictionary.loads(text)
    found = read_csv(tmp_path / "records.csv", book, bytes(32)).table
    assert found.rows == len(frame)
    read, given = (np.sort(each["weight"].to_numpy(float)) for each in (found.decode(), frame))
    assert np.allclose(read, given, rtol=0, atol=0.5, equal_nan=True)


def test_hospitals_of_own_tables_register_prove_and_train(frame: pd.DataFrame, tmp_path: Path) -> None:
    parts = {name: frame.iloc[k::3] for k, name in enumerate(("North", "South", "East"))}
    dictionary = draft_dictionary(frame, name="own", outcome="event", title="Own rows")
    features = ("age", "weight", "insured=public", "smokes")
    with Consortium.of_tables(parts, dictionary, home=tmp_path / "own") as consortium:
        assert [each.name for each in consortium.hospitals] == list(parts)
        assert not consortium.is_synthetic and consortium.datasets()["rows"].tolist() == [120, 120, 120]
        model = LogisticRegression(features, "event", ridge=0.0)
        study = consortium.propose("Own", model=model, rounds=10, queries=0)
        permit = study.vote(*consortium.board[:2]).accept(*consortium.hospitals).permit()
        model.fit(permit)
        local = LogisticRegression(features, "event", ridge=0.0)
        local.fit([each for each in consortium_tables(consortium)])
        assert np.abs(model.coef_ - local.coef_).max() < 1e-6
        version = consortium.new_version(consortium.hospitals[0])
        assert version.record.rows == 120
    with Consortium.of_tables(parts, dictionary, home=tmp_path / "own") as again:
        assert len(again.hospitals) == 3


def consortium_tables(consortium: Consortium) -> list[object]:
    from belmont.lab.hospital_files import stored_rows

    home, registry = consortium.home_here, consortium.registry
    return [stored_rows(home, each.slug, registry, each.dataset_id).table for each in consortium.hospitals]
