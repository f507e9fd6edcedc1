"""The demonstration as one HTML page that needs no network: what was asked, allowed, done, refused and recorded."""

import secrets
import time
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from belmont.lab import cards

if TYPE_CHECKING:
    from belmont.lab.demo import DemoResult

PAGE_STYLE = """
body{font-family:system-ui,sans-serif;margin:0;background:#f6f8fa;color:#1f2328}
main{max-width:1240px;margin:0 auto;padding:24px}
h1{font-size:24px;margin:0}h2{font-size:17px;margin:26px 0 8px}p{max-width:900px;line-height:1.45}
.numbers{display:flex;flex-wrap:wrap;gap:12px;margin:16px 0}
.number{background:#fff;border:1px solid #d0d7de;border-radius:8px;padding:10px 16px;min-width:120px}
.number b{display:block;font-size:22px}.number span{color:#57606a;font-size:12px}
.cards,.pictures{display:grid;gap:14px;align-items:start}
.cards{grid-template-columns:repeat(auto-fit,minmax(420px,1fr))}
.pictures{grid-template-columns:repeat(auto-fit,minmax(330px,1fr))}
.panel{background:#fff;border:1px solid #d0d7de;border-radius:8px;padding:10px}
.panel svg{display:block;max-width:100%;height:auto}
.belmont-card{margin:0!important;max-width:none!important}
.scroll{max-height:460px;overflow:auto}
.audit td,.audit th{padding:3px 8px;font-size:12px;border-bottom:1px solid #eaeef2;text-align:left;vertical-align:top}
.audit{border-collapse:collapse;width:100%;background:#fff}
.no{color:#cf222e;font-weight:600}.yes{color:#1a7f37;font-weight:600}
footer{color:#57606a;font-size:12px;margin-top:28px}
"""


def write_report(result: "DemoResult", path: Path) -> Path:
    """Writes the page, whole or not at all, and returns its path."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    draft.write_text(page(result), encoding="utf-8")
    return draft.replace(path)


def page(result: "DemoResult") -> str:
    """The page's HTML."""
    parts = [
        f"<h1>{escape(result.study.record.terms.title)}</h1>",
        "<p>One study on synthetic records, run only as approved. Every refusal below is the answer of a hospital's "
        "own node; every event comes from the chain.</p>",
        _numbers(result),
        "<h2>Why these data may be used</h2>",
        "<p>Each hospital committed to its coded rows and proved to the contract that they are what the data "
        "dictionary allows. The contract verified the proofs itself; only then could the data be used.</p>",
        f'<div class="cards">{"".join(proof._repr_html_() for proof in result.proofs)}</div>',
        "<h2>What was approved</h2>",
        f'<div class="cards">{result.study._repr_html_()}{result.permit._repr_html_()}</div>',
        "<h2>What was learned</h2>",
        _pictures(result),
        "<h2>What was asked under encryption</h2>",
        _query(result),
        "<h2>What was refused</h2>",
        _refusals(result),
        "<h2>What was recorded</h2>",
        _audit(result),
        _footer(result),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Belmont: one approved study</title>'
        f"<style>{PAGE_STYLE}</style></head><body><main>{''.join(parts)}</main></body></html>\n"
    )


def _numbers(result: "DemoResult") -> str:
    summary = result.summary()
    shown = {
        "hospitals": summary["hospitals"],
        "consenting patients": f"{summary['rows']:,}",
        "datasets proven": summary["datasets_proven"],
        "federated rounds": summary["rounds_run"],
        "AUC federated": f"{summary['auc_federated']:.3f}",
        "AUC pooled rows": f"{summary['auc_pooled']:.3f}",
        "AUC true risk": f"{summary['auc_true_risk']:.3f}",
        "kinds of refusal": len(result.refusals),
        "audit events": summary["audit_events"],
        "seconds": summary["seconds"],
    }
    cells = (f'<div class="number"><b>{escape(str(v))}</b><span>{escape(k)}</span></div>' for k, v in shown.items())
    return f'<div class="numbers">{"".join(cells)}</div>'


def _pictures(result: "DemoResult") -> str:
    training = result.training
    pictures = (training.plot_learning(), training.plot_coefficients(), training.plot_roc())
    return f'<div class="pictures">{"".join(_panel(picture.svg()) for picture in pictures)}</div>'


def _query(result: "DemoResult") -> str:
    verdict = (
        '<span class="yes">exactly the clear total</span>'
        if result.query_exact
        else '<span class="no">not the clear total</span>'
    )
    text = (
        "<p>Each hospital added up its own rows, masked the sums and encrypted them; the coordinator added ciphertexts "
        f"it cannot read; the researcher decrypted the total. It is {verdict} of all hospitals' rows, and masked "
        "openings of the registered commitments prove it.</p>"
    )
    return text + result.answer._repr_html_()


def _refusals(result: "DemoResult") -> str:
    tried = (*result.attempts, result.revoked_round)
    rows = []
    for attempt in tried:
        said = next((f"{h.name}: {h.detail or h.remedy}" for h in attempt.hospitals if h.reason), "answered")
        good = attempt.refused_by_all
        verdict = cards.Html(f'<span class="{"yes" if good else "no"}">{", ".join(attempt.reasons) or "none"}</span>')
        rows.append([attempt.what, verdict, said])
    held = all(attempt.refused_by_all for attempt in tried)
    title = "Tried, and refused by every hospital" if held else "Tried, and NOT refused by every hospital"
    return cards.card(title, cards.table(["tried", "reason", "said"], rows))


def _audit(result: "DemoResult") -> str:
    columns = ["block", "time", "what", "who", "details"]
    rows = [[row[name] for name in columns] for row in result.audit.to_dict("records")]
    for row in rows:
        row[1] = row[1].strftime("%H:%M:%S")
    table = cards.table(columns, rows).replace("<table>", '<table class="audit">', 1)
    return f'<div class="panel scroll">{table}</div>'


def _footer(result: "DemoResult") -> str:
    made = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    return (
        f"<footer>Made {made} by belmont {escape(version('belmont'))} on {escape(result.consortium.name)}. Synthetic "
        "records: nobody in them exists. The hospitals' nodes shared one process with the study's code; the embedded "
        "chain has one sequencer.</footer>"
    )


def _panel(html: str) -> str:
    return f'<div class="panel">{html}</div>'
