"""The quality report: what was read, what was converted, what was refused and where.

Counts are complete; the list of single refusals is cut at MAX_LISTED. It names file and line, and may quote a wrong
value or code, so it stays at the hospital. Nothing of a patient whose consent denies is in it but the count.
"""

import html
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from belmont.ehr.coded import CodedTable

MAX_LISTED = 500

Kind = Literal["line", "row", "value"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refused line, row or value. `where` is file:line, `category` the heading it is counted under."""

    kind: Kind
    where: str
    column: str | None
    category: str
    reason: str

    def __str__(self) -> str:
        column = "" if self.column is None else f" {self.column}"
        return f"{self.where}:{column} {self.reason}"


@dataclass(frozen=True, slots=True)
class ColumnQuality:
    """Counts of one column: over the rows of the table, then over the values that were read for it."""

    name: str
    observed: int
    missing: int
    out_of_range: int
    unit_conversions: int
    other_bad_values: int
    duplicates: int
    conflicts: int
    """Two values of the same moment that differ."""


@dataclass(frozen=True)
class QualityReport:
    """What ingest did with one hospital's files."""

    source: str
    dictionary: str
    rows: int
    patients_read: int
    lines_read: int
    resources: dict[str, int]
    duplicate_patients: int
    """Patient records beyond a patient's first: in FHIR Patient resources, in a CSV rows."""
    consent_denied: int
    refused_lines: int
    refused_rows: int
    refused_values: int
    by_category: dict[str, int]
    columns: tuple[ColumnQuality, ...]
    refusals: tuple[Refusal, ...]
    unused_codes: dict[str, int]
    unused_files: tuple[str, ...]

    @property
    def duplicates(self) -> int:
        """Records of patients already read plus values sent again."""
        return self.duplicate_patients + sum(column.duplicates for column in self.columns)

    @property
    def missing(self) -> dict[str, int]:
        return {column.name: column.missing for column in self.columns}

    @property
    def out_of_range(self) -> int:
        return sum(column.out_of_range for column in self.columns)

    @property
    def unit_conversions(self) -> int:
        return sum(column.unit_conversions for column in self.columns)

    def to_dict(self) -> dict[str, Any]:
        """Counts only, without the list of refusals: fit to be shown outside the hospital's own team."""
        return {
            "source": self.source,
            "dictionary": self.dictionary,
            "rows": self.rows,
            "patients_read": self.patients_read,
            "lines_read": self.lines_read,
            "resources": dict(self.resources),
            "duplicate_patients": self.duplicate_patients,
            "duplicates": self.duplicates,
            "consent_denied": self.consent_denied,
            "out_of_range": self.out_of_range,
            "unit_conversions": self.unit_conversions,
            "refused_lines": self.refused_lines,
            "refused_rows": self.refused_rows,
            "refused_values": self.refused_values,
            "by_category": dict(self.by_category),
            "missing": self.missing,
        }

    def to_frame(self) -> "pd.DataFrame":
        """One row for each column of the table."""
        import pandas as pd

        frame = pd.DataFrame(
            {
                "observed": [each.observed for each in self.columns],
                "missing": [each.missing for each in self.columns],
                "missing_share": [each.missing / self.rows if self.rows else 0.0 for each in self.columns],
                "out_of_range": [each.out_of_range for each in self.columns],
                "unit_conversions": [each.unit_conversions for each in self.columns],
                "other_bad_values": [each.other_bad_values for each in self.columns],
                "duplicates": [each.duplicates for each in self.columns],
                "conflicts": [each.conflicts for each in self.columns],
            },
            index=pd.Index([each.name for each in self.columns], name="column"),
        )
        return frame

    def refusals_frame(self) -> "pd.DataFrame":
        """The listed refusals, at most MAX_LISTED of them; for the hospital's own eyes."""
        import pandas as pd

        names = ["kind", "where", "column", "category", "reason"]
        return pd.DataFrame([[getattr(each, name) for name in names] for each in self.refusals], columns=names)

    def summary(self) -> str:
        """A few lines of text, counts only."""
        lines = [
            f"{self.source}, coded by {self.dictionary}",
            f"  rows {self.rows:,} of {self.patients_read:,} patients"
            f" ({self.consent_denied:,} without consent, {self.refused_rows:,} refused,"
            f" {self._repeated()})",
            f"  values: {self.unit_conversions:,} converted, {self.out_of_range:,} out of range,"
            f" {self.refused_values:,} refused in all; lines refused: {self.refused_lines:,} of {self.lines_read:,}",
        ]
        if self.by_category:
            parts = ", ".join(f"{name} {count:,}" for name, count in sorted(self.by_category.items()))
            lines.append(f"  refused for: {parts}")
        gaps = ", ".join(
            f"{each.name} {each.missing / self.rows:.1%}" for each in self.columns if self.rows and each.missing
        )
        lines.append(f"  missing: {gaps or 'nothing'}")
        return "\n".join(lines)

    def _repeated(self) -> str:
        count = self.duplicate_patients
        if "row" not in self.resources:
            return f"{count:,} registered twice"
        if count == 1:
            return "1 further row of a patient already read"
        return f"{count:,} further rows of patients already read"

    def _repr_html_(self) -> str:
        head = (
            f"<b>{html.escape(self.source)}</b>: {self.rows:,} rows of {self.patients_read:,} patients; "
            f"{self.consent_denied:,} without consent, {self.refused_rows:,} rows refused, "
            f"{self.duplicates:,} duplicates, {self.unit_conversions:,} units converted, "
            f"{self.out_of_range:,} out of range"
        )
        titles = ("column", "observed", "missing", "out of range", "converted", "other bad", "duplicates")
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in cells) + "</tr>"
            for cells in (
                (
                    each.name,
                    f"{each.observed:,}",
                    f"{each.missing / self.rows:.1%}" if self.rows else "",
                    each.out_of_range,
                    each.unit_conversions,
                    each.other_bad_values,
                    each.duplicates,
                )
                for each in self.columns
            )
        )
        header = "".join(f"<th>{title}</th>" for title in titles)
        return f"<p>{head}</p><table><tr>{header}</tr>{body}</table>"


@dataclass
class QualityCounts:
    """The report while it is being made."""

    source: str
    lines_read: int = 0
    resources: Counter[str] = field(default_factory=Counter)
    duplicate_patients: int = 0
    consent_denied: int = 0
    by_kind: Counter[str] = field(default_factory=Counter)
    by_category: Counter[str] = field(default_factory=Counter)
    out_of_range: Counter[str] = field(default_factory=Counter)
    unit_conversions: Counter[str] = field(default_factory=Counter)
    other_bad_values: Counter[str] = field(default_factory=Counter)
    duplicates: Counter[str] = field(default_factory=Counter)
    conflicts: Counter[str] = field(default_factory=Counter)
    unused_codes: Counter[str] = field(default_factory=Counter)
    refusals: list[Refusal] = field(default_factory=list)

    def refuse(self, kind: Kind, where: str, column: str | None, category: str, reason: str) -> None:
        """Count a refusal and list it while there is room."""
        self.by_kind[kind] += 1
        self.by_category[category] += 1
        if column is not None:
            (self.out_of_range if category == "out of range" else self.other_bad_values)[column] += 1
        if len(self.refusals) < MAX_LISTED:
            self.refusals.append(Refusal(kind, where, column, category, reason))

    def report(self, table: "CodedTable", patients_read: int, unused_files: Sequence[str] = ()) -> QualityReport:
        """The finished report about `table`."""
        columns = []
        for name in table.columns:
            observed = int(np.count_nonzero(table.observed(name)))
            columns.append(
                ColumnQuality(
                    name=name,
                    observed=observed,
                    missing=table.rows - observed,
                    out_of_range=self.out_of_range[name],
                    unit_conversions=self.unit_conversions[name],
                    other_bad_values=self.other_bad_values[name],
                    duplicates=self.duplicates[name],
                    conflicts=self.conflicts[name],
                )
            )
        return QualityReport(
            source=self.source,
            dictionary=f"{table.dictionary.name} version {table.dictionary.version}",
            rows=table.rows,
            patients_read=patients_read,
            lines_read=self.lines_read,
            resources=dict(self.resources),
            duplicate_patients=self.duplicate_patients,
            consent_denied=self.consent_denied,
            refused_lines=self.by_kind["line"],
            refused_rows=self.by_kind["row"],
            refused_values=self.by_kind["value"],
            by_category=dict(self.by_category),
            columns=tuple(columns),
            refusals=tuple(self.refusals),
            unused_codes=dict(self.unused_codes.most_common(50)),
            unused_files=tuple(unused_files),
        )
