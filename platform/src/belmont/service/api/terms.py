"""The terms of an application as the API has them: the same for a study and for the permit that it leads to."""

from typing import Annotated, Literal

from fastapi import Query

from belmont.registry.types import Computation, StudyTerms
from belmont.service.api.data_use import Code, Declared, declared, purpose_codes
from belmont.service.api.values import AccountText, Answer, Hash, Whole, lower_name

OfDataUser = Annotated[AccountText | None, Query(description="Of this data user.")]
NamesDataset = Annotated[Hash | None, Query(description="That name this dataset.")]


class Terms(Answer):
    """What an application asks for, and what its permit then binds."""

    title: str
    protocol_hash: Hash
    purposes: list[Code]
    code_hash: Hash
    config_hash: Hash
    datasets: list[Hash]
    computations: list[Literal["training", "query"]]
    rounds: Whole
    queries: Whole
    rho_per_dataset: Whole
    """In millionths of rho (zero-concentrated differential privacy), for each dataset."""
    min_hospitals: Whole
    min_cohort: Whole
    answers: Literal["exact", "private"]
    """Exact totals, or totals with the hospitals' noise."""
    duration_seconds: Whole
    intended_use: Declared


def is_about(terms: StudyTerms, dataset: bytes | None) -> bool:
    """Whether terms name a dataset; of None, any."""
    return dataset is None or dataset in terms.datasets


def terms_of(found: StudyTerms) -> Terms:
    """Terms of the registry, as the API has them."""
    return Terms(
        title=found.title,
        protocol_hash=found.protocol_hash,
        purposes=purpose_codes(found.purpose),
        code_hash=found.code_hash,
        config_hash=found.config_hash,
        datasets=list(found.datasets),
        computations=[lower_name(each) for each in found.computations if each is not Computation.NONE],
        rounds=found.rounds,
        queries=found.queries,
        rho_per_dataset=found.rho_per_dataset,
        min_hospitals=found.min_hospitals,
        min_cohort=found.min_cohort,
        answers=lower_name(found.answer_mode),
        duration_seconds=found.duration_seconds,
        intended_use=declared(found.intended_use),
    )
