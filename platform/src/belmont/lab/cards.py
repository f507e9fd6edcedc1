"""HTML for notebooks and the report: one card, one table, one badge, everything escaped."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from time import gmtime, strftime

STYLE = """
<style>
.belmont-card{font-family:system-ui,sans-serif;font-size:13px;border:1px solid #c9d1d9;border-radius:8px;
 padding:10px 14px;margin:6px 0;max-width:900px;overflow-x:auto;background:#fff;color:#1f2328}
.belmont-card h4{margin:0 0 6px 0;font-size:15px}
.belmont-card table{border-collapse:collapse;width:100%;table-layout:auto!important;
 background:#fff!important;color:#1f2328}
.belmont-card tr{background:#fff!important}
.belmont-card td,.belmont-card th{padding:3px 8px;border:0;border-bottom:1px solid #eaeef2;
 text-align:left!important;vertical-align:top}
.belmont-card th{font-weight:600;color:#57606a;white-space:nowrap}
.belmont-card .belmont-columns th{white-space:normal}
.belmont-badge{display:inline-block;border-radius:10px;padding:1px 9px;font-size:12px;margin-left:8px;color:#fff}
.belmont-bar{height:8px;border-radius:4px;background:#eaeef2;overflow:hidden}
.belmont-bar>div{height:100%;background:#1f6feb}
.belmont-mono{font-family:ui-monospace,monospace;font-size:12px}
</style>"""

GOOD, BAD, WAITING, NEUTRAL = "#1a7f37", "#cf222e", "#9a6700", "#57606a"


class Html(str):
    """Text that is HTML already and is not escaped again."""


def text(value: object) -> Html:
    """``value`` as HTML, escaped unless it is HTML already."""
    return value if isinstance(value, Html) else Html(escape(str(value)))


def badge(label: str, colour: str) -> Html:
    return Html(f'<span class="belmont-badge" style="background:{colour}">{escape(label)}</span>')


def mono(value: object) -> Html:
    return Html(f'<span class="belmont-mono">{escape(str(value))}</span>')


def link(url: str, label: str | None = None) -> Html:
    """A link to an address of HTTP; of anything else only its text, which nobody can follow."""
    if not url.startswith(("http://", "https://")):
        return text(url)
    return Html(f'<a href="{escape(url)}" target="_blank" rel="noopener noreferrer">{escape(label or url)}</a>')


def bar(done: int, total: int, label: str = "") -> Html:
    share = 100.0 * done / total if total else 0.0
    return Html(f'<div class="belmont-bar"><div style="width:{share:.1f}%"></div></div>{escape(label)}')


def curve(values: Sequence[float], label: str, width: int = 360, height: int = 70) -> Html:
    """A small line through ``values`` in order, with the first and the last written beside it."""
    if len(values) < 2:
        return Html("")
    low, high = min(values), max(values)
    across, down = width / (len(values) - 1), (height - 10) / ((high - low) or 1.0)
    points = " ".join(f"{across * k:.1f},{5 + (high - value) * down:.1f}" for k, value in enumerate(values))
    return Html(
        f'<svg width="{width + 10}" height="{height}" role="img" aria-label="{escape(label)}">'
        f'<polyline points="{points}" fill="none" stroke="#1f6feb" stroke-width="2"/></svg>'
        f"<div>{escape(label)}: {values[0]:.4g} to {values[-1]:.4g}</div>"
    )


def facts(rows: Mapping[str, object]) -> Html:
    """A two-column table of names and values."""
    body = "".join(f"<tr><th>{escape(name)}</th><td>{text(value)}</td></tr>" for name, value in rows.items())
    return Html(f'<table class="belmont-facts">{body}</table>')


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Html:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{text(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return Html(f'<table class="belmont-columns"><tr>{head}</tr>{body}</table>')


def card(title: str, *parts: object, mark: Html | None = None) -> str:
    body = "".join(text(part) for part in parts)
    return f'{STYLE}<div class="belmont-card"><h4>{escape(title)}{mark or ""}</h4>{body}</div>'


def moment(seconds: int) -> str:
    """Unix seconds as people write a time."""
    return strftime("%Y-%m-%d %H:%M UTC", gmtime(seconds))


def short(data: bytes) -> Html:
    """The first bytes of a hash, enough to compare by eye."""
    return mono("0x" + data.hex()[:16] + "…")
