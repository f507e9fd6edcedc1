"""Tables of one's own instead of generated records: a consortium of hospitals that each have one, on this machine.

    dictionary = draft_dictionary(frame, name="rand", outcome="any_visit")
    consortium = Consortium.of_tables({"Plan A": first, "Plan B": second, "Plan C": third}, dictionary)

For development, teaching and public data: all members' keys are on this machine, as in ``Consortium.local``. The tables
are written as CSV and read back as a hospital would read its own (`belmont.ehr.csv_ingest`).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from belmont.ehr.dictionary import FORMAT, Dictionary
from belmont.lab.errors import LabError
from belmont.registry.limits import DATASETS_MAX, TEXT_MAX_BYTES

if TYPE_CHECKING:
    import pandas as pd

IDENTIFIER = "patient_id"
CSV_FILE = "records.csv"
FEW_STEPS, MANY_STEPS = 100, 400
"""How many steps a drafted number has: columns share widths, which the proofs' lookup table is shared by."""
MOST_LEVELS = 50


@dataclass(frozen=True)
class OwnTables:
    """A table for each hospital, by its name; a path is of a CSV file that the dictionary describes."""

    dictionary: str
    """YAML."""
    tables: "Mapping[str, pd.DataFrame | Path | str]"

    @classmethod
    def of(cls, tables: "Mapping[str, pd.DataFrame | Path | str]", dictionary: "str | Path") -> "OwnTables":
        """``dictionary`` is YAML text or a path. Raises LabError or DictionaryError for what would stop half way."""
        import pandas as pd

        if not isinstance(tables, Mapping) or len(tables) < 1:
            raise LabError('give a table for each hospital, by its name: {"Northgate": frame, ...}')
        if len(tables) > DATASETS_MAX:
            raise LabError(f"there are {len(tables)} tables: a study is over {DATASETS_MAX} hospitals at most")
        for name, table in tables.items():
            if not isinstance(name, str) or not name.strip() or len(name.encode()) > TEXT_MAX_BYTES:
                raise LabError(f"{name!r} names no hospital: give a name of 1 to {TEXT_MAX_BYTES} bytes")
            if not isinstance(table, pd.DataFrame) and not (isinstance(table, Path | str) and Path(table).is_file()):
                raise LabError(f"the table of {name} is no DataFrame, and no CSV file that is there")
        if isinstance(dictionary, str) and "\n" in dictionary:
            text = dictionary
            Dictionary.loads(text)
        else:
            Dictionary.load(dictionary)
            text = Path(dictionary).read_text(encoding="utf-8")
        return cls(text, dict(tables))

    def write(self, name: str, folder: Path) -> None:
        """One hospital's table, as CSV."""
        import pandas as pd

        given = self.tables[name]
        folder.mkdir(parents=True, exist_ok=True)
        if not isinstance(given, pd.DataFrame):
            (folder / CSV_FILE).write_bytes(Path(given).read_bytes())
            return
        dictionary = Dictionary.loads(self.dictionary)
        frame = given.copy()
        identifier = dictionary.csv.identifier
        if identifier not in frame.columns:
            frame.insert(0, identifier, [f"{name}/{row}" for row in range(len(frame))])
        for column in frame.columns:
            if pd.api.types.is_bool_dtype(frame[column]):
                frame[column] = frame[column].astype(int)
        about = dictionary.csv
        missing = about.missing[0] if about.missing else ""
        frame.to_csv(folder / CSV_FILE, index=False, sep=about.delimiter, decimal=about.decimal, na_rep=missing)


def draft_dictionary(
    frame: "pd.DataFrame", *, name: str, outcome: str, title: str = "", missing: tuple[str, ...] = ("", "NA")
) -> str:
    """A dictionary's YAML for rows like these, to be read and corrected: ranges, steps, levels, centers and scales.

    What is 0 or 1 everywhere becomes a bit, a few whole numbers keep their step, other numbers get about 400 steps,
    words become levels. Raises LabError for a column that none of this fits.
    """
    if outcome not in frame.columns:
        raise LabError(f"the rows have no outcome {outcome!r}; they have {', '.join(map(str, frame.columns))}")
    columns = [
        _column(frame[each], "outcome" if each == outcome else "feature")
        for each in frame.columns
        if each != IDENTIFIER
    ]
    document = {
        "format": FORMAT,
        "name": name,
        "version": 1,
        "title": title or name,
        "csv": {"identifier": IDENTIFIER, "missing": list(missing)},
        "columns": columns,
    }
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    Dictionary.loads(text, "the drafted dictionary")
    return text


def _column(series: "pd.Series[Any]", role: str) -> dict[str, Any]:
    import pandas as pd

    name, has_missing = str(series.name), bool(series.isna().any())
    head = {"name": name, "label": name.replace("_", " "), "role": role}
    missing = {"allows_missing": True, "on_bad": "drop_value"} if has_missing else {"on_bad": "drop_row"}
    is_number = pd.api.types.is_numeric_dtype(series) or pd.api.types.is_bool_dtype(series)
    if not is_number:
        levels = sorted({str(each) for each in series.dropna()})
        if not 2 <= len(levels) <= MOST_LEVELS:
            raise LabError(f"column {name} has {len(levels)} different words: leave it out, or group them")
        categories = [{"name": level, "value": k, "matches": []} for k, level in enumerate(levels)]
        return {**head, "kind": "range", "codebook": {"categories": categories}, **missing}
    values = series.dropna().astype(float)
    if not has_missing and values.isin((0.0, 1.0)).all():
        spread = {} if role == "outcome" else _spread(values)
        return {**head, "kind": "bit", "on_bad": "drop_row", **spread}
    return {**head, "kind": "range", "codebook": _range(values), **missing, **_spread(values)}


def _range(values: "pd.Series[float]") -> dict[str, float]:
    low, high = float(values.min()), float(values.max())
    if (values == values.round()).all() and high - low <= FEW_STEPS:
        return {"min": int(low), "max": int(low) + FEW_STEPS, "step": 1}
    raw = max((high - low) / MANY_STEPS, 1e-9)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * (1 - 1e-9))
    digits = max(0, -math.floor(math.log10(step)))
    start = round(math.floor(low / step) * step, digits)
    return {"min": start, "max": round(start + (MANY_STEPS + 1) * step, digits), "step": round(step, digits)}


def _spread(values: "pd.Series[float]") -> dict[str, float]:
    scale = float(values.std())
    return {"center": round(float(values.mean()), 6), "scale": round(scale, 6) if scale > 1e-6 else 1.0}
