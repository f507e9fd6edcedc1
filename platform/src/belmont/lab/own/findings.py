"""What a check found, each with what to do about it and the rule of a node that it comes from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from belmont.lab import cards
from belmont.lab.own.visible import visible

if TYPE_CHECKING:
    import pandas as pd


class Level(StrEnum):
    """How much a finding matters."""

    REFUSED = "refused"
    """A node would refuse it, or get nothing out of it."""
    UNSAFE = "unsafe"
    """A node would run it: the board has to know, and a study should not be like that."""
    NOTE = "note"
    """Worth knowing; a check passes with it."""


_COLOURS = {Level.REFUSED: cards.BAD, Level.UNSAFE: cards.WAITING, Level.NOTE: cards.NEUTRAL}
CANNOT_SHOW = (
    "A check runs code on made-up rows: code can notice that, and do something else at a hospital. What approved code "
    "computes from its rows is held by nothing but the reading of it: read every line that the difference shows."
)


@dataclass(frozen=True)
class Finding:
    """One. ``where`` is a file and line, or the hospital of the check."""

    level: Level
    what: str
    remedy: str
    rule: str
    where: str = ""


@dataclass(frozen=True)
class CheckResult:
    """Of one folder with one configuration. ``facts`` are what was tried, and what it took."""

    name: str
    code_hash: bytes
    config_hash: bytes | None
    findings: tuple[Finding, ...]
    tried: tuple[str, ...]
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether nothing was found but notes. It is no proof of anything: see `CANNOT_SHOW`."""
        return all(each.level is Level.NOTE for each in self.findings)

    def of(self, level: Level) -> tuple[Finding, ...]:
        return tuple(each for each in self.findings if each.level is level)

    def frame(self) -> "pd.DataFrame":
        """One row for each finding."""
        import pandas as pd

        rows = [(str(each.level), each.what, each.where, each.remedy, each.rule) for each in self.findings]
        return pd.DataFrame(rows, columns=["level", "finding", "where", "remedy", "rule"])

    @property
    def summary(self) -> str:
        counts = [f"{len(self.of(level))} {level}" for level in (Level.REFUSED, Level.UNSAFE) if self.of(level)]
        notes = len(self.of(Level.NOTE))
        counts += [f"{notes} note{'' if notes == 1 else 's'}"] if notes else []
        return ", ".join(counts) or "nothing found"

    def table(self) -> Any:
        """For a terminal (`rich.table.Table`)."""
        from rich.table import Table
        from rich.text import Text

        table = Table(show_lines=True)
        for column in ("", "finding", "what to do", "rule"):
            table.add_column(column, overflow="fold")
        styles = {Level.REFUSED: "bold red", Level.UNSAFE: "bold yellow", Level.NOTE: "dim"}
        for each in self.findings:
            what = each.what + (f"\n{each.where}" if each.where else "")
            cells = [Text(visible(text)) for text in (what, each.remedy, each.rule)]
            table.add_row(Text(str(each.level), style=styles[each.level]), *cells)
        return table

    def __repr__(self) -> str:
        return f"CheckResult({self.name}: {'passed' if self.passed else 'not passed'}, {self.summary})"

    def _repr_html_(self) -> str:
        mark = cards.badge("passed" if self.passed else "not passed", cards.GOOD if self.passed else cards.BAD)
        rows = [
            [cards.badge(str(each.level), _COLOURS[each.level]), _what(each), visible(each.remedy), each.rule]
            for each in self.findings
        ]
        facts: dict[str, object] = {"code": cards.short(self.code_hash), "tried": ", ".join(self.tried), **self.facts}
        found = cards.table(["", "finding", "what to do", "rule of the node"], rows) if rows else cards.text("Nothing.")
        note = cards.Html(f"<p><i>{cards.text(CANNOT_SHOW)}</i></p>")
        return cards.card(f"Check of {visible(self.name)}", cards.facts(facts), found, note, mark=mark)


def in_order(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The gravest first, each once."""
    order = list(Level)
    return tuple(sorted(dict.fromkeys(findings), key=lambda each: order.index(each.level)))


def _what(finding: Finding) -> cards.Html:
    where = f"<br>{cards.mono(visible(finding.where))}" if finding.where else ""
    return cards.Html(f"{cards.text(visible(finding.what))}{where}")
