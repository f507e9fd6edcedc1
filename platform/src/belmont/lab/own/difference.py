"""Two bundles side by side: every file, every line that differs, and the configuration, as a person can read them.

1. Every file of both is named, whatever it is: what cannot be shown as text is shown by size and SHA-256.
2. Everything is a stranger's: escaped for HTML, and with its hidden characters written out (`visible`).
3. A file is compared line by line up to `MOST_LINES`; beyond that it is said to be too large to be read, which is a
   reason to refuse it.
"""

import difflib
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape

from belmont.lab import cards
from belmont.lab.own.visible import visible

MOST_LINES = 3_000
MOST_CHARS = 400_000
MOST_SHOWN = 20_000
"""Lines of all files together that are compared; a file beyond that is said to be one."""
MOST_LETTERS = 8_000_000
"""The same in letters."""
MOST_CELLS = 4_000_000
"""Pairs of letters, of all lines together, that are compared to mark words."""
NOT_THERE = "(not there)"
"""In place of a setting's value, on the side that has none; a value is written as Python writes it, never like this."""
_CONTEXT = 3
_MOST_WORDS = 300
_STYLE = """<style>
.belmont-diff{border-collapse:collapse;width:100%;font-family:ui-monospace,monospace;font-size:12px;
 table-layout:fixed!important}
.belmont-diff td{white-space:pre-wrap;overflow-wrap:anywhere;padding:0 6px!important;border:0!important;
 vertical-align:top}
.belmont-diff td.n{width:3em;color:#57606a;text-align:right!important;user-select:none}
.belmont-diff td.a{background:#ffebe9}.belmont-diff td.b{background:#dafbe1}
.belmont-diff .a b{background:#ff818266;font-weight:600}.belmont-diff .b b{background:#4ac26b66;font-weight:600}
.belmont-diff td.f{color:#57606a;background:#f6f8fa}
.belmont-card details{margin:4px 0}.belmont-card summary{cursor:pointer}
</style>"""


@dataclass(frozen=True)
class FileDifference:
    """One file: ``before`` and ``after`` are its bytes, None where it is not there."""

    name: str
    before: bytes | None
    after: bytes | None

    @property
    def kind(self) -> str:
        """``same``, ``changed``, ``new`` or ``gone``."""
        if self.before is None:
            return "new"
        if self.after is None:
            return "gone"
        return "same" if self.before == self.after else "changed"

    @property
    def texts(self) -> tuple[str, str] | None:
        """Both sides as they are, empty where there is none; None where a side is no text, or too large (3)."""
        before, after = (_text(each or b"") for each in (self.before, self.after))
        return None if before is None or after is None else (before, after)

    @property
    def lines(self) -> tuple[list[str], list[str]] | None:
        """Both sides as lines, with hidden characters written out; None where a side is no text, or too large (3)."""
        if (both := self.texts) is None:
            return None
        before, after = (
            [] if content is None else [visible(line) for line in text.split("\n")]
            for content, text in zip((self.before, self.after), both, strict=True)
        )
        return before, after


@dataclass(frozen=True)
class CodeDifference:
    """Of files and configuration. ``left`` and ``right`` say what is compared."""

    left: str
    right: str
    files: tuple[FileDifference, ...]
    settings: tuple[tuple[str, str, str], ...] = ()
    """Keys whose values differ: the key, as it is left, as it is right."""

    @property
    def changed(self) -> tuple[FileDifference, ...]:
        return tuple(each for each in self.files if each.kind != "same")

    @property
    def summary(self) -> str:
        """How much differs, in a sentence."""
        counts = [f"{sum(each.kind == kind for each in self.files)} {kind}" for kind in ("changed", "new", "gone")]
        counts = [each for each in counts if not each.startswith("0 ")]
        files = f"files against {self.left}: {', '.join(counts)}" if counts else f"the same files as {self.left}"
        return f"{files}; {len(self.settings)} settings differ" if self.settings else files

    def to_text(self) -> str:
        """As ``diff -u`` writes it, with hidden characters written out."""
        parts: list[str] = []
        effort = _Effort()
        for each in self.changed:
            name = visible(each.name)
            both = each.lines if effort.takes_file(each.texts) else None
            if both is None:
                parts.append(f"--- {name}: {_unshown(each.before)}\n+++ {name}: {_unshown(each.after)}")
                continue
            old = "/dev/null" if each.before is None else f"{self.left}/{name}"
            new = "/dev/null" if each.after is None else f"{self.right}/{name}"
            parts += difflib.unified_diff(*both, old, new, lineterm="", n=_CONTEXT)
        parts += [f"setting {visible(key)}: {visible(left)} -> {visible(right)}" for key, left, right in self.settings]
        return "\n".join(parts)

    def __repr__(self) -> str:
        return f"CodeDifference({self.summary})"

    def html(self) -> cards.Html:
        """Without a card around it: each file folded, those that differ open."""
        parts = [_STYLE, f"<p>{cards.text(visible(self.summary))}</p>"]
        if self.settings:
            rows = [[visible(cell) for cell in row] for row in self.settings]
            parts.append(cards.table(["setting", self.left, self.right], rows))
        effort = _Effort()
        parts += [_file(each, self.left, self.right, effort) for each in self.changed]
        same = [visible(each.name) for each in self.files if each.kind == "same"]
        if same:
            parts.append(f"<p>{cards.text('unchanged: ' + ', '.join(same))}</p>")
        return cards.Html("".join(parts))

    def _repr_html_(self) -> str:
        return cards.card(f"{self.right} against {self.left}", self.html())


def compared(
    left: str,
    before: Mapping[str, bytes],
    right: str,
    after: Mapping[str, bytes],
    settings: tuple[Mapping[str, object], Mapping[str, object]] | None = None,
) -> CodeDifference:
    """Two bundles' files, and the two configurations where given."""
    files = tuple(FileDifference(name, before.get(name), after.get(name)) for name in sorted({*before, *after}))
    old, new = settings or ({}, {})
    keys = [key for key in sorted({*old, *new}) if _typed(old, key) != _typed(new, key)]
    return CodeDifference(left, right, files, tuple((key, _typed(old, key), _typed(new, key)) for key in keys))


def likeness(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> float:
    """From 0 to 1: how many of the second's lines are in the first."""
    lines = [line for content in after.values() for line in set(content.split(b"\n"))]
    known = {line for content in before.values() for line in content.split(b"\n")}
    return sum(line in known for line in lines) / max(len(lines), 1)


def _typed(config: Mapping[str, object], key: str) -> str:
    """1, 1.0, True and "1" are different values."""
    return repr(config[key]) if key in config else NOT_THERE


def _text(content: bytes) -> str | None:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if len(text) > MOST_CHARS or text.count("\n") > MOST_LINES or "\0" in text else text


def _unshown(content: bytes | None) -> str:
    if content is None:
        return "not there"
    digest = hashlib.sha256(content).hexdigest()
    return f"{len(content):,} bytes that are no text, or too many to read, SHA-256 {digest}: see study.code()"


@dataclass
class _Effort:
    """What is left of it: a stranger's files do not decide how long a comparison takes."""

    lines: int = MOST_SHOWN
    letters: int = MOST_LETTERS
    cells: int = MOST_CELLS

    def takes_file(self, texts: tuple[str, str] | None) -> bool:
        if texts is None:
            return False
        lines, letters = sum(each.count("\n") + 1 for each in texts), sum(map(len, texts))
        if is_possible := lines <= self.lines and letters <= self.letters:
            self.lines, self.letters = self.lines - lines, self.letters - letters
        return is_possible

    def takes_cells(self, count: int) -> bool:
        self.cells -= count if (is_possible := count <= self.cells) else 0
        return is_possible


def _file(each: FileDifference, left: str, right: str, effort: _Effort) -> str:
    colour = {"new": cards.GOOD, "gone": cards.BAD}.get(each.kind, cards.WAITING)
    head = f"<summary>{cards.mono(visible(each.name))}{cards.badge(each.kind, colour)}</summary>"
    texts = each.texts
    both = each.lines if effort.takes_file(texts) else None
    if both is None:
        unread = cards.badge("cannot be read" if texts is None else "more than is shown at once", cards.BAD)
        body = cards.table([left, right], [[_unshown(each.before), _unshown(each.after)]])
        return f"<details open>{head}{unread}{body}</details>"
    return f'<details open>{head}<table class="belmont-diff">{"".join(_rows(*both, effort))}</table></details>'


def _rows(before: list[str], after: list[str], effort: _Effort) -> Iterator[str]:
    """The table's rows: equal lines only around what differs."""
    end = 0
    for group in difflib.SequenceMatcher(None, before, after).get_grouped_opcodes(_CONTEXT):
        yield from _gap(group[0][3] - end)
        for kind, i1, i2, j1, j2 in group:
            for k in range(max(i2 - i1, j2 - j1)):
                i, j = (i1 + k if k < i2 - i1 else None), (j1 + k if k < j2 - j1 else None)
                yield _row(kind, i, j, before, after, effort)
        end = group[-1][4]
    yield from _gap(len(after) - end)


def _gap(lines: int) -> Iterator[str]:
    if lines > 0:
        yield f'<tr><td class="f" colspan="4">… {lines} equal lines</td></tr>'


def _side(number: int | None, cell: str, kind: str) -> str:
    """A line's number and its text."""
    if number is None:
        return '<td class="n"></td><td class="f"></td>'
    return f'<td class="n">{number + 1}</td><td class="{kind}">{cell}</td>'


def _row(kind: str, i: int | None, j: int | None, before: list[str], after: list[str], effort: _Effort) -> str:
    old, new = ("" if i is None else before[i]), ("" if j is None else after[j])
    cells = (escape(old), escape(new))
    pair = kind == "replace" and i is not None and j is not None and max(len(old), len(new)) <= _MOST_WORDS
    if pair and effort.takes_cells(len(old) * len(new)):
        cells = _words(old, new)
    differs = kind != "equal"
    return f"<tr>{_side(i, cells[0], 'a' if differs else '')}{_side(j, cells[1], 'b' if differs else '')}</tr>"


def _words(old: str, new: str) -> tuple[str, str]:
    """Both lines with what differs in bold."""
    sides: tuple[list[str], list[str]] = ([], [])
    for kind, i1, i2, j1, j2 in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        for side, part in zip(sides, (old[i1:i2], new[j1:j2]), strict=True):
            if part:
                side.append(escape(part) if kind == "equal" else f"<b>{escape(part)}</b>")
    return "".join(sides[0]), "".join(sides[1])
