"""The data dictionary: what each column of a study's table is, where it comes from, and what it may hold.

Rules kept here, in order:

1. A dictionary is YAML; an unknown field, a field given twice or a wrong type is refused, with its place.
2. A column is a `bit` (0 or 1, never missing) or a `range` with a code book of width W: 0 is missing, values are
   1 to W.
3. The sum of (W + 1) over the distinct widths is at most 4032, the size of the proof system's lookup table.
4. A bad value may be dropped (`drop_value`) only where the column allows missing; otherwise it drops the row
   (`drop_row`) or refuses the file (`refuse_file`).
5. Only listed units convert. A unit that is not listed is a bad value, never a guess.
6. `hash` is the SHA-256 of two hashes: of the `layout`, which is all that a proof of validity knows of a dictionary,
   and of the dictionary as canonical JSON. Two YAML files that say the same have one hash, and a contract that is given
   the second hash can check that a layout belongs to the first.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from belmont.ehr.codebook import CategoryBook, NumericBook
from belmont.ehr.errors import DictionaryError

FORMAT = "belmont-dictionary/1"
LOOKUP_TABLE_SIZE = 4032
"""Rows of the lookup table (4096 less 64 blinding rows): all (value, class) pairs have to fit."""

MAX_COLUMNS = 512

LAYOUT_VERSION = 1
LAYOUT_BIT, LAYOUT_RANGE, LAYOUT_RANGE_OR_MISSING = 1, 2, 3
"""Kinds of columns in a layout (docs/protocol.md, "Layout")."""

Policy = Literal["drop_value", "drop_row", "refuse_file"]
LinePolicy = Literal["drop_line", "refuse_file"]


@dataclass(frozen=True, slots=True)
class Coding:
    """A code in a code system, as FHIR writes it."""

    system: str
    code: str


@dataclass(frozen=True, slots=True)
class Window:
    """Days from baseline, both ends included; None is open. Baseline is day 0, the days before it are negative."""

    from_day: int | None
    to_day: int | None

    def holds(self, day: int) -> bool:
        return (self.from_day is None or day >= self.from_day) and (self.to_day is None or day <= self.to_day)


@dataclass(frozen=True, slots=True)
class Source:
    """The FHIR R4 element a column is read from.

    `resource` Patient reads `field` (`age` in whole years at baseline, or `gender`). Observation takes the newest
    valid value among `codes` inside `window`, component values included. Condition and MedicationRequest give a bit:
    is there one among `codes` that began inside `window`?
    """

    resource: Literal["Patient", "Observation", "Condition", "MedicationRequest"]
    field: str | None
    codes: tuple[Coding, ...]
    window: Window


@dataclass(frozen=True, slots=True)
class CsvSource:
    """The CSV header a column is read from, and the header of the column that holds its unit, if there is one."""

    header: str
    unit_header: str | None


@dataclass(frozen=True, slots=True)
class Conversion:
    """value in the column's unit = value in `unit` * multiply + add."""

    unit: str
    multiply: float
    add: float


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `center` and `scale` are fixed reference values, in its unit, that models standardise with."""

    name: str
    label: str
    role: Literal["feature", "outcome", "other"]
    kind: Literal["bit", "range"]
    unit: str | None
    codebook: NumericBook | CategoryBook | None
    conversions: tuple[Conversion, ...]
    allows_missing: bool
    on_bad: Policy
    center: float
    scale: float
    source: Source | None
    csv: CsvSource
    labels: tuple[tuple[str, str], ...] = ()
    """The label in further languages, by BCP 47 tag, in order of the tags."""

    @property
    def width(self) -> int:
        """The highest code: 1 for a bit, W for a range."""
        return 1 if self.codebook is None else self.codebook.width

    @property
    def layout_kind(self) -> int:
        """What kind of column a layout calls it."""
        if self.kind == "bit":
            return LAYOUT_BIT
        return LAYOUT_RANGE_OR_MISSING if self.allows_missing else LAYOUT_RANGE

    def named(self, value: float) -> str:
        """A value that models see, as people write it: a category's name, or the number."""
        categories = self.codebook.categories if isinstance(self.codebook, CategoryBook) else ()
        return next((each.name for each in categories if each.value == value), f"{value:g}")

    def convert(self, value: float, unit: str | None) -> float | None:
        """`value` in the column's unit; None where the dictionary does not list `unit`."""
        if unit == self.unit:
            return value
        for conversion in self.conversions:
            if conversion.unit == unit:
                return value * conversion.multiply + conversion.add
        return None


@dataclass(frozen=True, slots=True)
class Baseline:
    """Which Encounter is day 0 of a patient: the earliest or newest with one of these types."""

    codes: tuple[Coding, ...]
    pick: Literal["earliest", "newest"]


@dataclass(frozen=True, slots=True)
class ConsentRule:
    """The purpose (v3 ActReason code) a nested provision has to permit; if `required`, no Consent means no."""

    purpose: str
    required: bool


@dataclass(frozen=True, slots=True)
class CsvFormat:
    """How a hospital's own table is written."""

    identifier: str
    date: str | None
    consent: str | None
    consent_yes: tuple[str, ...]
    delimiter: str
    decimal: str
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """`left` has to be greater than `right` in a row that has both; otherwise both are bad values."""

    left: str
    right: str


@dataclass(frozen=True)
class Dictionary:
    """A study's data dictionary. Load one with `Dictionary.load(path)`; it never changes afterwards."""

    name: str
    version: int
    title: str
    columns: tuple[Column, ...]
    on_malformed_line: LinePolicy
    identifier_system: str | None
    baseline: Baseline | None
    consent: ConsentRule | None
    csv: CsvFormat
    checks: tuple[Check, ...]

    @staticmethod
    def load(path: Path | str) -> "Dictionary":
        """Read a YAML file. Raises DictionaryError, naming the file and the place in it."""
        from belmont.ehr.dictionary_yaml import parse

        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise DictionaryError(f"{path}: cannot be read: {error}") from error
        return parse(text, str(path))

    @staticmethod
    def loads(text: str, origin: str = "dictionary") -> "Dictionary":
        """Read YAML text; `origin` names it in errors."""
        from belmont.ehr.dictionary_yaml import parse

        return parse(text, origin)

    @staticmethod
    def builtin(name: str = "diabetes_cvd") -> "Dictionary":
        """A dictionary shipped with the package; read once a process."""
        return _builtin(name)

    def __post_init__(self) -> None:
        if not self.columns or len(self.columns) > MAX_COLUMNS:
            raise DictionaryError(f"{self.name}: a dictionary has 1 to {MAX_COLUMNS} columns, not {len(self.columns)}")
        if len(self._by_name) != len(self.columns):
            raise DictionaryError(f"{self.name}: two columns have the same name")
        used = sum(width + 1 for width in self.distinct_widths)
        if used > LOOKUP_TABLE_SIZE:
            raise DictionaryError(
                f"{self.name}: the distinct widths {self.distinct_widths} need {used} lookup rows of "
                f"{LOOKUP_TABLE_SIZE}; use coarser steps, or the same width for more columns"
            )
        for check in self.checks:
            for name in (check.left, check.right):
                if not isinstance(self.column(name).codebook, NumericBook):
                    raise DictionaryError(f"{self.name}: a check compares numeric columns, and {name} is not one")

    @cached_property
    def _by_name(self) -> dict[str, Column]:
        return {column.name: column for column in self.columns}

    @cached_property
    def distinct_widths(self) -> tuple[int, ...]:
        """The distinct W of the range columns, ascending; bits need no lookup."""
        return tuple(sorted({column.width for column in self.columns if column.kind == "range"}))

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the columns a model may learn from."""
        return tuple(column.name for column in self.columns if column.role == "feature")

    @property
    def outcome(self) -> str | None:
        """Name of the outcome column, if the dictionary names one."""
        return next((column.name for column in self.columns if column.role == "outcome"), None)

    def column(self, name: str) -> Column:
        """The column of that name. Raises DictionaryError if there is none."""
        try:
            return self._by_name[name]
        except KeyError:
            known = ", ".join(self._by_name)
            raise DictionaryError(f"{self.name} has no column {name!r}; it has {known}") from None

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns)

    def to_dict(self) -> dict[str, Any]:
        """Everything the dictionary says, as plain values; what `text_hash` is taken over.

        `labels` is in a column that has some, so that a dictionary without them has the hash it always had."""
        said = {"format": FORMAT, **asdict(self)}
        said["columns"] = [
            {name: value for name, value in each.items() if name != "labels" or value} for each in said["columns"]
        ]
        return said

    @cached_property
    def layout(self) -> bytes:
        """Kinds and widths of the columns in their order, as docs/protocol.md encodes them."""
        parts = [bytes([LAYOUT_VERSION]), len(self.columns).to_bytes(2, "big")]
        parts += [bytes([column.layout_kind]) + column.width.to_bytes(2, "big") for column in self.columns]
        return b"".join(parts)

    @cached_property
    def layout_hash(self) -> bytes:
        """32 bytes: SHA-256 of `layout`."""
        return hashlib.sha256(self.layout).digest()

    @cached_property
    def hash(self) -> bytes:
        """32 bytes: SHA-256 of `layout_hash` and `text_hash`."""
        return hashlib.sha256(self.layout_hash + self.text_hash).digest()

    @cached_property
    def text_hash(self) -> bytes:
        """32 bytes: SHA-256 of `to_dict()` as JSON with sorted keys, no spaces, ASCII only."""
        canonical = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(canonical.encode("ascii")).digest()

    def __hash__(self) -> int:
        return hash(self.hash)

    def _repr_html_(self) -> str:
        import html

        cells = "".join(
            "<tr>"
            + "".join(
                f"<td>{html.escape(str(cell))}</td>"
                for cell in (
                    column.name,
                    column.label,
                    column.kind,
                    column.width,
                    column.unit or "",
                    "may be missing" if column.allows_missing else "",
                )
            )
            + "</tr>"
            for column in self.columns
        )
        head = "".join(f"<th>{title}</th>" for title in ("column", "meaning", "kind", "W", "unit", ""))
        caption = html.escape(f"{self.name} version {self.version}: {self.title}")
        return f"<table><caption>{caption}</caption><tr>{head}</tr>{cells}</table>"


@cache
def _builtin(name: str) -> Dictionary:
    resource = resources.files("belmont.ehr") / "dictionaries" / f"{name}.yaml"
    if not resource.is_file():
        raise DictionaryError(f"there is no built-in dictionary {name!r}")
    return Dictionary.loads(resource.read_text(encoding="utf-8"), f"{name}.yaml (built in)")
