"""Other terms for a permit: an application of its own, which takes the permit's place once it was voted and accepted.

What is not named stays as it is, the protocol too: datasets may be bound to it as a project. Rounds and queries count
over the whole line of permits. Why it is asked for is for the board to read: the text stays in the directory of whoever
applied (`belmont.lab.documents`), and nothing of it is on chain.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from belmont.lab import cards, documents
from belmont.lab.errors import LabError
from belmont.lab.people import Hospital, dataset_ids
from belmont.registry.differences import differences as changed_terms
from belmont.registry.duo import Declaration
from belmont.registry.types import (
    AnswerMode,
    DatasetId,
    MicroRho,
    Permit,
    StudyTerms,
)

if TYPE_CHECKING:
    from belmont.lab.models import StudyModel


def amended(
    permit: Permit,
    *,
    reason: str,
    title: str | None = None,
    datasets: Sequence[DatasetId | Hospital] | None = None,
    model: "StudyModel | None" = None,
    rounds: int | None = None,
    queries: int | None = None,
    purpose: int | None = None,
    protocol: str | Path | None = None,
    intended_use: Declaration | None = None,
    min_hospitals: int | None = None,
    min_cohort: int | None = None,
    duration_days: float | None = None,
    rho_per_dataset: int | None = None,
) -> StudyTerms:
    """The terms to apply for. Raises ``LabError`` where nothing changes, or where more was used than they allow."""
    from belmont.lab.applications import answer_mode, computations_of, duration_seconds

    if not reason.strip():
        raise LabError("say why in reason=...: the board reads it before it votes")
    terms = permit.terms
    given: dict[str, object] = {
        "title": title,
        "datasets": None if datasets is None else dataset_ids(datasets),
        "code_hash": model.code_hash if model else None,
        "config_hash": model.config_hash if model else None,
        "answer_mode": answer_mode(model) if model else None,
        "rounds": rounds,
        "queries": queries,
        "purpose": purpose,
        "protocol_hash": None if protocol is None else hashlib.sha256(documents.protocol_of(protocol)).digest(),
        "intended_use": intended_use,
        "min_hospitals": min_hospitals,
        "min_cohort": min_cohort,
        "duration_seconds": None if duration_days is None else duration_seconds(duration_days),
        "rho_per_dataset": None if rho_per_dataset is None else MicroRho(rho_per_dataset),
    }
    changed = replace(terms, **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    changed = replace(changed, computations=computations_of(changed.rounds, changed.queries))
    if changed == terms:
        raise LabError("nothing changes: name what the amendment changes, such as rounds=20 or duration_days=60")
    for name, used in (("rounds", permit.rounds_opened), ("queries", permit.queries_opened)):
        if getattr(changed, name) < used:
            raise LabError(f"{name}={getattr(changed, name)} is fewer than the {used} that were used: they count too")
    return changed


def differences(
    permit: StudyTerms, amendment: StudyTerms, names: Mapping[DatasetId, str]
) -> list[tuple[str, object, object]]:
    """What changes: the term, as it was permitted, and as it is applied for."""
    found = []
    for each in changed_terms(permit, amendment):
        before, after = each.before, each.after
        label, shown = _SHOWN.get(each.name, (each.name.replace("_", " "), str))
        if each.name == "datasets":
            before, after = ([names.get(id_, id_.hex()[:12]) for id_ in side] for side in (before, after))
        found.append((label, shown(before), shown(after)))
    return found


def side_by_side(permit: Permit, amendment: StudyTerms, names: Mapping[DatasetId, str]) -> cards.Html:
    """The differences as a table, with what was used already."""
    rows = differences(permit.terms, amendment, names)
    used = (
        f"{permit.rounds_opened} rounds and {permit.queries_opened} queries were used, and count against the new terms"
    )
    table = cards.table(["term", f"permit {permit.id}", "amendment"], rows)
    return cards.Html(table + cards.text(used + "; everything else stays as it is."))


def _days(seconds: int) -> str:
    return f"{seconds / 86400:g} days from when it is issued"


def _purposes(mask: int) -> str:
    return " ".join(f"DUO:{bit:07d}" for bit in range(64) if mask >> bit & 1)


_SHOWN: dict[str, tuple[str, Callable[..., object]]] = {
    "protocol_hash": ("protocol", cards.short),
    "code_hash": ("code", cards.short),
    "config_hash": ("configuration", cards.short),
    "purpose": ("purpose", _purposes),
    "datasets": ("datasets", ", ".join),
    "duration_seconds": ("duration", _days),
    "min_hospitals": ("fewest hospitals", str),
    "min_cohort": ("fewest patients at each", str),
    "rho_per_dataset": ("micro-rho for each dataset", str),
    "answer_mode": ("answers", lambda mode: "exact totals" if mode == AnswerMode.EXACT else "totals with noise"),
}
