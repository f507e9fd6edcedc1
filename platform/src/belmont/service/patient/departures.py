"""What left in the uses that a patient looks at, in the words that the console has for the board."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from belmont.federated.hashes import RunConfig
from belmont.identity.strict_json import loads
from belmont.registry.types import DatasetId, Permit, RecordedUse, UseKind
from belmont.service.console.parts import names_of
from belmont.service.console.uses import uses_of
from belmont.service.documents.kinds import Kind
from belmont.service.explain import leaving
from belmont.service.patient.desk import Dossier
from belmont.service.service import Service
from belmont.service.words import Plain, Sentence

Key = tuple[int, UseKind, int]
_NO_ROW: Final = Sentence("No row left the hospital.")


class Departures:
    """By use: what it was, and what left one hospital in it."""

    def __init__(self, service: Service, dataset_id: DatasetId, uses: Iterable[RecordedUse]) -> None:
        """``uses`` are those of the dataset that will be asked about."""
        self._dataset = f"0x{dataset_id.hex()}"
        self._left: dict[Key, leaving.Left] = {}
        for number in {each.permit_id for each in uses}:
            permit = service.snapshot.permits.get(number)
            if permit is not None:
                self._read(service, permit)

    @classmethod
    def of(cls, service: Service, dossier: Dossier) -> Departures:
        """Of every use of a patient's dataset."""
        return cls(service, dossier.dataset.id, [each.use for each in dossier.uses])

    def title(self, use: RecordedUse) -> Sentence:
        """``Round 3``, or ``Query 1: the mean of ...``."""
        found = self._left.get(_key(use))
        if found is not None:
            return found.title
        if use.kind is UseKind.QUERY:
            return Sentence("Query {number}", number=Plain(use.n))
        return Sentence("Round {number}", number=Plain(use.n))

    def said(self, use: RecordedUse) -> tuple[Sentence, ...]:
        """What left, and who can read it. It is never a row."""
        found = self._left.get(_key(use))
        if found is None:
            return (_NO_ROW,)
        own = tuple(each.left for each in found.departures if each.dataset.key == self._dataset)
        return (_NO_ROW, *own, found.summary)

    def _read(self, service: Service, permit: Permit) -> None:
        uses, names = uses_of(service, permit.id), names_of(service.snapshot)
        config, dictionary = _configuration(service, permit), service.dictionary_of(permit.covered)
        for each in uses.rounds:
            self._left[permit.id, each.kind, each.n] = leaving.of_round(
                permit, each, uses.recorded, names, config=config
            )
        for each in uses.queries:
            self._left[permit.id, each.kind, each.n] = leaving.of_query(
                permit, each, uses.recorded, names, totals=uses.totals, dictionary=dictionary
            )


def _key(use: RecordedUse) -> Key:
    return use.permit_id, use.kind, use.n


def _configuration(service: Service, permit: Permit) -> RunConfig | None:
    content = service.documents.find(Kind.CONFIGURATION, permit.terms.config_hash)
    return None if content is None else loads(content)
