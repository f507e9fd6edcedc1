"""A researcher's own process: trains under one permit, and tells each step as a line of JSON.

``researcher.py HOME PERMIT ROUNDS TIMEOUT PATIENCE STOP``: before the messages of round STOP it waits for a line on its
input.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from belmont.federated.errors import CoordinatorError, RoundRefused
from belmont.federated.exchange import Exchange
from belmont.federated.hashes import model_hash
from belmont.federated.models.training import Training
from belmont.lab import Consortium
from belmont.lab.models import LogisticRegression
from belmont.registry.errors import RegistryError

home, permit_id, rounds, timeout, patience, stop = sys.argv[1], *map(int, sys.argv[2:])


def tell(**fields: Any) -> None:
    print(json.dumps(fields), flush=True)


class Watched(Exchange):
    """Tells what each hospital said, each time it was asked."""

    def _asked(self, message_type: str, n: int, *given: Any) -> Iterator[Any]:
        if n == stop and not waited:
            tell(event="asking", n=n)
            waited.append(sys.stdin.readline())
        for dataset_id, reply, outcome in super()._asked(message_type, n, *given):
            tell(event="said", n=n, status=outcome.status, reason=str(outcome.reason or ""))
            yield dataset_id, reply, outcome


waited: list[str] = []
with Consortium.deployed(home) as consortium:
    permit = consortium.permit(permit_id)
    chosen = LogisticRegression.default()
    with closing(consortium.grid(permit.record.covered)) as grid:
        grid.deliver(chosen.bundle)
        training = Training(
            consortium.registry.as_(consortium.researcher.identity.account),
            grid,
            permit.id,
            config=chosen.config,
            model=chosen.initial(),
            combine=chosen.combine(),
            participants=permit.record.covered,
            node_ids=grid.node_ids,
            timeout_seconds=timeout,
            patience_seconds=patience,
        )
        training._exchange.__class__ = Watched
        try:
            for result in training.rounds(rounds):
                tell(event="round", n=result.n)
        except (CoordinatorError, RoundRefused, RegistryError) as error:
            tell(event="stopped", kind=type(error).__name__, why=str(error)[:300])
        tell(event="model", hash=model_hash(training.model).hex(), rounds=len(training.results))
