"""What a permit has used of what it was allowed, and what is left: rounds, queries, and privacy budget by dataset.

What is left of a dataset's budget is the smaller of the permit's part and of the dataset's own lifetime cap, as the
contract counts it (``belmont.federated.models.privacy``).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from belmont.federated.models.privacy import Left
from belmont.registry.types import Dataset, DatasetId, Permit
from belmont.service.explain import privacy
from belmont.service.explain.naming import Names
from belmont.service.words import Sentence, Share, Thing


@dataclass(frozen=True)
class Used:
    """So many of so many."""

    used: int
    allowed: int
    said: Sentence

    @property
    def left(self) -> int:
        return max(0, self.allowed - self.used)

    @property
    def share(self) -> float:
        """From 0 to 1; 0 where nothing is allowed."""
        return min(1.0, self.used / self.allowed) if self.allowed else 0.0


@dataclass(frozen=True)
class DatasetBudget:
    """Micro-rho of one dataset under one permit."""

    dataset: Thing
    spent: int
    left: int
    share: float
    """Of the permit's part, from 0 to 1."""
    epsilon: float
    """Of what was spent, at the delta of notebooks."""
    said: tuple[Sentence, ...]
    exact: Sentence
    """The same in rho, as a detail."""


@dataclass(frozen=True)
class Budget:
    """Of one permit; ``datasets`` is empty where the permit has no privacy budget."""

    rounds: Used
    queries: Used
    datasets: tuple[DatasetBudget, ...]
    meaning: Sentence


def of(
    permit: Permit,
    spent: Mapping[DatasetId, int],
    known: Names,
    datasets: Mapping[DatasetId, Dataset] | None = None,
) -> Budget:
    """``spent`` is what the permits of its line were charged, in micro-rho, by dataset."""
    terms = permit.terms
    rounds, queries = permit.rounds_opened, permit.queries_opened
    return Budget(
        Used(rounds, terms.rounds, _count(Sentence("rounds"), rounds, terms.rounds)),
        Used(queries, terms.queries, _count(Sentence("queries"), queries, terms.queries)),
        tuple(_dataset(permit, each, spent.get(each, 0), known, datasets or {}) for each in terms.datasets)
        if terms.rho_per_dataset
        else (),
        privacy.meaning(terms.rho_per_dataset),
    )


def _count(what: Sentence, used: int, allowed: int) -> Sentence:
    if not allowed:
        return Sentence("No {what} are permitted.", what=what)
    return Sentence("{used} of {allowed} {what} are used ({share}).", used=used, allowed=allowed, what=what,
                    share=Share(min(1.0, used / allowed)))  # fmt: skip


def _dataset(
    permit: Permit, id_: DatasetId, spent: int, known: Names, datasets: Mapping[DatasetId, Dataset]
) -> DatasetBudget:
    allowed, dataset = int(permit.terms.rho_per_dataset), datasets.get(id_)
    of_dataset = allowed - spent if dataset is None else dataset.rho_cap - dataset.rho_spent
    left = Left(id_, allowed - spent, of_dataset).rho
    said = [
        Sentence(
            "{dataset} has spent {spent} of its privacy budget under this permit; {left} of it can still be spent.",
            dataset=known.dataset(id_),
            spent=privacy.share(spent, allowed),
            left=privacy.share(int(left), allowed),
        ),
        _guaranteed(spent, allowed),
    ]
    if of_dataset < allowed - spent:
        said.append(
            Sentence(
                "The dataset's own lifetime cap limits it: other studies have used part of it.",
            )
        )
    share = min(1.0, spent / allowed)
    exact = privacy.Spending(spent, allowed).exact
    return DatasetBudget(known.dataset(id_), spent, int(left), share, privacy.epsilon(spent), tuple(said), exact)


def _guaranteed(spent: int, allowed: int) -> Sentence:
    if not spent:
        return Sentence("The whole of it stays within {allowed}.", allowed=privacy.guarantee(allowed))
    return Sentence(
        "What was spent so far stays within {spent}, the whole of it within {allowed}.",
        spent=privacy.guarantee(spent),
        allowed=privacy.guarantee(allowed),
    )
