"""Calls of view functions: which belong to one record, and how their answers are read."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from eth_abi.exceptions import DecodingError

from belmont.registry import records
from belmont.registry.contract_set import contract
from belmont.registry.errors import RegistryUnreachable
from belmont.registry.types import Address, DatasetId, PermitId, StudyTerms

Call = tuple[str, str, tuple[object, ...]]
"""A contract's name, a view function of it, and arguments."""

DATASET_PARTS = 3
"""How many calls a dataset takes."""
STUDY_PARTS = (
    "study",
    "terms",
    "declared",
    "abstained",
    "votes",
    "accepted",
    "ballots",
    "conditionsHashes",
    "conditions",
    "recused",
)
"""View functions of ``Studies`` that a study is made from, in the order of ``records.study``."""


def terms_calls(permit_id: PermitId) -> list[Call]:
    """Who applied for a permit, and what the application says."""
    return [("Studies", part, (permit_id,)) for part in ("dataUser", "terms", "declared")]


def terms_of(answers: Sequence[Any]) -> tuple[Address, StudyTerms]:
    """The data user and the terms of a study, from what ``terms_calls`` are answered with."""
    data_user, terms, declared = answers[:3]
    return data_user, records.terms(terms, declared)


def dataset_calls(dataset_id: DatasetId) -> list[Call]:
    """What a dataset is made from, in the order of ``records.dataset``."""
    of = (dataset_id,)
    return [("Datasets", "dataset", of), ("Datasets", "conditions", of), ("Consents", "root", of)]


def decoded(calls: Sequence[Call], answers: Sequence[bytes]) -> list[Any]:
    """What the functions returned. Raises ``RegistryUnreachable``."""
    with readable():
        return [
            contract(name).interface.decode_answer(function, answer)
            for (name, function, _), answer in zip(calls, answers, strict=True)
        ]


@contextmanager
def readable() -> Iterator[None]:
    """An answer that does not decode counts as no answer: nothing is decided on it."""
    try:
        yield
    except (ValueError, KeyError, TypeError, OverflowError, DecodingError) as error:
        raise RegistryUnreachable(f"the chain answered with something unreadable ({error})") from error
