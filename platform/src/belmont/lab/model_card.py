"""What a model is, where it comes from and how well it does, on one page (Mitchell et al., FAT* 2019).

    card = model.card()
    card.to_markdown(), card.to_dict(), card.save("card.md")      or .json, or .html

1. Whatever the chain has is read from it: permit, purpose, hashes, the versions that were computed on, rounds, charges.
2. ``to_bytes`` is canonical JSON of ``to_dict``, the same for the same model and chain; a release records its hash.
3. What is not known says so; nothing is left out because it looks bad.
4. Names are a stranger's: in Markdown and HTML none begins a line, a heading, a link, a picture or a tag of its own, or
   hides a character.
"""

import html
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from belmont.federated.hashes import canonical_json, model_hash
from belmont.identity.words import purposes
from belmont.lab import cards, protection
from belmont.lab.errors import LabError, NotYet
from belmont.lab.own.visible import visible
from belmont.registry.types import UseKind

if TYPE_CHECKING:
    from belmont.lab.models import StudyModel
    from belmont.lab.performance import Performance
    from belmont.lab.permit import Permit

FORMAT = "belmont-model-card/1"
LIMITS = (
    "Who the patients are is what the hospitals registered: that values fit the dictionary is proved, that they are "
    "true is not.",
    "Patients who were kept apart are of the same hospitals and years as those who were trained on: how the model does "
    "elsewhere is not known from this.",
    "Coefficients and risks describe these patients; they are not effects of treatments.",
)


class ModelCard:
    """A card of nested names and values; ``to_dict`` has them all."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._content = dict(content)

    def to_dict(self) -> dict[str, Any]:
        return dict(self._content)

    def to_bytes(self) -> bytes:
        """Canonical JSON (2)."""
        return canonical_json(self._content)

    def to_markdown(self) -> str:
        parts = [f"# Model card: {_line(self._content['title'])}"]
        for section, content in self._sections():
            parts.append(f"## {section}")
            if isinstance(content, list) and content and isinstance(content[0], dict):
                names = list(content[0])
                parts.append("\n".join([_row(names), _row(["---"] * len(names)), *(_row(r.values()) for r in content)]))
            elif isinstance(content, list):
                parts.append("\n".join(f"- {_line(each)}" for each in content))
            elif isinstance(content, dict):
                parts.append("\n".join(f"- **{_line(name)}**: {_line(value)}" for name, value in content.items()))
            else:
                parts.append(_line(content))
        return "\n\n".join(parts) + "\n"

    def save(self, path: Path | str) -> Path:
        """Writes it in the form that the file's ending names: .md, .json (canonical) or .html."""
        where = Path(path)
        forms = {".md": self.to_markdown().encode, ".json": self.to_bytes, ".html": self._repr_html_().encode}
        if where.suffix not in forms:
            raise LabError(f"a model card is saved as .md, .json or .html, and not as {where.suffix or 'nothing'}")
        where.write_bytes(forms[where.suffix]())
        return where

    def __repr__(self) -> str:
        return f"ModelCard({self._content['title']})"

    def _repr_html_(self) -> str:
        parts: list[object] = []
        for section, content in self._sections():
            parts.append(cards.Html(f"<h5>{cards.text(section)}</h5>"))
            if isinstance(content, list) and content and isinstance(content[0], dict):
                head = [visible(name) for name in content[0]]
                parts.append(cards.table(head, [[visible(_text(v)) for v in row.values()] for row in content]))
            elif isinstance(content, dict):
                parts.append(cards.facts({visible(name): visible(_text(value)) for name, value in content.items()}))
            else:
                said = content if isinstance(content, list) else [content]
                parts.append(cards.Html("".join(f"<div>{cards.text(visible(_text(each)))}</div>" for each in said)))
        return cards.card(f"Model card: {visible(_text(self._content['title']))}", *parts)

    def _sections(self) -> list[tuple[str, Any]]:
        return [(name, each) for name, each in self._content.items() if name not in ("format", "title")]


def card_of(model: "StudyModel") -> ModelCard:
    """The card of a fitted model. Raises NotFittedError for one that is not."""
    arrays = model.fitted_arrays
    permit: Permit | None = getattr(model, "permit_", None)
    performance: Performance | None = getattr(model, "performance_", None)
    content: dict[str, Any] = {
        "format": FORMAT,
        "title": f"{model.outcome_name} by {type(model).__name__}",
        "model": {
            "kind": type(model).__name__,
            "outcome": model.outcome_name,
            "features": list(model.columns),
            "arrays": {name: list(array.shape) for name, array in arrays.items()},
            "code hash": "0x" + model.code_hash.hex(),
            **identity_of(model),
        },
    }
    if permit is None:
        content["permit"] = "none: fitted to rows that were here"
    else:
        content |= _approval(permit, model)
    content |= _coefficients(model)
    content |= _performance(performance)
    content["limits"] = [*_limits(model, performance), *LIMITS]
    return ModelCard(_plain(content))


def identity_of(model: "StudyModel") -> dict[str, str]:
    """All that its predictions rest on: arrays, configuration, how rows are read, and what the outcomes are called."""
    return {
        "model hash": "0x" + model_hash(model.fitted_arrays).hex(),
        "configuration hash": "0x" + model.config_hash.hex(),
        "references hash": "0x" + model.references_.hash.hex(),
        "classes": ", ".join(str(each) for each in getattr(model, "classes_", ())) or "none",
    }


def _approval(permit: "Permit", model: "StudyModel") -> dict[str, Any]:
    """What the chain has of it (1)."""
    record, host = permit.record, permit.consortium
    terms, registry = record.terms, host.registry
    uses = [use for use in registry.uses(permit.id) if use.kind is UseKind.ROUND]
    datasets = []
    for dataset_id, number in sorted({(use.dataset_id, use.version) for use in uses}):
        version = registry.version(dataset_id, number)
        datasets.append(
            {
                "dataset": host.dataset_names[dataset_id],
                "version": number,
                "rows": "unknown" if version is None else version.rows,
                "rows are": "unknown" if version is None else version.status.name.lower(),
                "rounds": sum((use.dataset_id, use.version) == (dataset_id, number) for use in uses),
                "micro-rho": sum(use.rho for use in uses if (use.dataset_id, use.version) == (dataset_id, number)),
            }
        )
    result = model.result_
    performance: Performance | None = getattr(model, "performance_", None)
    charged = result.rounds[-1].privacy if performance is None else performance.result.privacy
    privacy = "none: sums are exact"
    if charged is not None:
        privacy = f"epsilon {charged.epsilon:.3g} at delta {charged.spent[0].delta:g}, of the dataset that spent most"
    return {
        "permit": {
            "permit": permit.id,
            "consortium": host.name,
            "study": terms.title,
            "purpose": purposes(terms.purpose),
            "approved code": "0x" + terms.code_hash.hex(),
            "approved configuration": "0x" + terms.config_hash.hex(),
            "safeguards": f"at least {terms.min_hospitals} hospitals, {terms.min_cohort} patients at each",
            "rounds": f"{record.rounds_opened} of {terms.rounds} used, {len(result.rounds)} of them trained this model",
            "patients in the last round": result.rounds[-1].rows if result.rounds else 0,
            "who sees an update": protection.sentence(model.config),
            "privacy": privacy,
        },
        "data": datasets,
    }


def _coefficients(model: "StudyModel") -> dict[str, Any]:
    try:
        found = model.coefficients(model.fitted_arrays)
    except LabError:
        return {}
    if getattr(model, "covariance_", None) is None or not hasattr(model, "summary"):
        return {"coefficients": [{"term": name, "coefficient": value} for name, value in found.items()]}
    return {"coefficients": model.summary().reset_index().to_dict("records")}


def _performance(performance: "Performance | None") -> dict[str, Any]:
    if performance is None:
        return {"performance": "not evaluated: no patients were kept apart, or no round was left"}
    rows = performance.table.reset_index().to_dict("records")
    found: dict[str, Any] = {
        "evaluation": {"round": performance.n, "hospitals": performance.answered, "patients": performance.patients},
        "performance": rows,
    }
    if performance.evaluated_class is not None:
        found["evaluation"]["class, against all others"] = performance.evaluated_class
    if performance.results.is_risk or performance.results.is_survival:
        with_parts = [parts for parts in performance.results.groups.values() if len(parts) > 1]
        if with_parts:
            found["differences between subgroups"] = performance.fairness().reset_index().to_dict("records")
    try:
        found["hospitals"] = performance.hospitals.reset_index().to_dict("records")
    except NotYet:
        found["hospitals"] = "not shown: the permit has no report-hospitals"
    advantage = performance.membership
    if advantage is not None:
        found["guessing who was trained on"] = {
            "advantage": str(advantage.advantage),
            "at most, by any threshold on the loss": advantage.upper,
        }
    return found


def _limits(model: "StudyModel", performance: "Performance | None") -> list[str]:
    found = []
    if performance is None:
        found.append("How well it does is not known.")
    elif performance.note:
        found.append(performance.note[0].upper() + performance.note[1:] + ".")
    if model.private is not None:
        found.append("Noise was added to every sum: coefficients are uncertain by more than their sampling.")
    return found


def _plain(value: Any) -> Any:
    """Only what canonical JSON has: numbers that are none become null."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value


def _text(value: object) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() and abs(value) >= 1000 else f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(_text(each) for each in value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(each)}" for name, each in value.items())
    return str(value)


def _line(value: object) -> str:
    """On one line of Markdown, without a link, a picture or HTML (4)."""
    escaped = html.escape(visible(" ".join(_text(value).split())), quote=False)
    return escaped.replace("](", "]&#40;").replace("`", "&#96;")


def _row(values: Any) -> str:
    return "| " + " | ".join(_line(each).replace("|", "&#124;") for each in values) + " |"
