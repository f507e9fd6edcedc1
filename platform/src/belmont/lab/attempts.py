"""What a coordinator or researcher who does not keep to the permit gets: the nodes' own refusals, and nothing else.

Each attempt sends real messages to the real nodes of a permit and opens nothing on chain.
"""

import dataclasses
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from belmont.federated.errors import FederatedError, RoundRefused
from belmont.federated.exchange import Exchange
from belmont.federated.hashes import Arrays, RunConfig
from belmont.federated.models.secure import SecureRounds
from belmont.federated.node.bundle import build_bundle
from belmont.federated.node.requests import Claim, round_content
from belmont.federated.outcome import HospitalOutcome
from belmont.federated.secagg.settings import SECURE_SUM_KEY
from belmont.lab.models import StudyModel
from belmont.lab.people import Actor
from belmont.registry.types import DatasetId, PermitId

if TYPE_CHECKING:
    from belmont.lab.permit import Permit

TAMPERED_LINE = "\nimport pathlib as _also_reads_files  # not what the board read\n"


@dataclass(frozen=True)
class Round:
    """One message to every participant, as somebody would send it."""

    permit_id: PermitId
    n: int
    purpose: int
    participants: tuple[DatasetId, ...]
    bundle: bytes
    config: RunConfig
    arrays: Arrays


@dataclass(frozen=True)
class Attempt:
    """What was tried, and what each hospital's node said."""

    what: str
    hospitals: tuple[HospitalOutcome, ...]

    @property
    def refused_by_all(self) -> bool:
        """Whether somebody was asked, and every hospital's node refused."""
        return bool(self.hospitals) and all(hospital.reason is not None for hospital in self.hospitals)

    @property
    def reasons(self) -> list[str]:
        """The distinct reasons, in the hospitals' order."""
        return list(dict.fromkeys(str(h.reason) for h in self.hospitals if h.reason is not None))


def tampered_bundle() -> bytes:
    """The shipped study with one line more."""
    with (
        resources.as_file(resources.files("belmont.federated.models") / "apps" / "glm") as original,
        tempfile.TemporaryDirectory() as folder,
    ):
        copy = Path(folder) / "glm"
        shutil.copytree(original, copy, ignore=shutil.ignore_patterns("__pycache__"))
        app = copy / "belmont_glm" / "client_app.py"
        app.write_text(app.read_text(encoding="utf-8") + TAMPERED_LINE, encoding="utf-8")
        return build_bundle(copy)


def attempts(permit: "Permit", model: StudyModel, served: Arrays) -> Iterator[Attempt]:
    """Tries what a permit does not allow, one thing at a time. ``served`` is the model that the last round began with,
    so that only what is tried differs from a round that every node already answered."""
    record = permit.record
    honest = Round(
        permit_id=permit.id,
        n=record.rounds_opened,
        purpose=record.terms.purpose,
        participants=record.covered,
        bundle=model.bundle,
        config=model.config,
        arrays=served,
    )
    dishonest = {
        "a study that no board approved": dataclasses.replace(honest, permit_id=PermitId(permit.id + 1000)),
        "code with one line more": dataclasses.replace(honest, bundle=tampered_bundle()),
        "another configuration": dataclasses.replace(honest, config={**model.config, "outcome": model.features[0]}),
        "another purpose": dataclasses.replace(honest, purpose=honest.purpose << 1),
        "two hospitals only": dataclasses.replace(honest, participants=record.covered[:2]),
        "a round that nobody opened": dataclasses.replace(honest, n=honest.n + 1),
        "another model in an opened round": dataclasses.replace(honest, arrays={k: v + 1.0 for k, v in served.items()}),
    }
    if record.rounds_opened > 1:  # the last round's answer may be fetched again: the very same bytes
        dishonest["an old round once more"] = dataclasses.replace(honest, n=1, arrays=model.initial())
    for what, sent in dishonest.items():
        yield Attempt(what, send(permit, sent))
    if hospitals := permit.consortium.hospitals:  # one that takes part knows everything that is asked
        yield Attempt("a hospital that asks the others", send(permit, honest, hospitals[0]))


def send(permit: "Permit", sent: Round, by: Actor | None = None) -> tuple[HospitalOutcome, ...]:
    """Sends one round's messages and reads each node's answer; ``by`` signs them, by default the researcher."""
    consortium = permit.consortium
    account = (by or consortium.researcher).identity.account
    with closing(consortium.grid(sent.participants)) as grid:
        grid.deliver(sent.bundle)
        exchange = Exchange(
            consortium.registry.as_(account),
            grid,
            sent.permit_id,
            sent.participants,
            sent.purpose,
            node_ids=grid.node_ids,
        )
        claim = Claim(sent.permit_id, sent.n, sent.purpose, sent.participants)
        contents = {each: round_content(claim, sent.config, sent.arrays) for each in sent.participants}
        if SECURE_SUM_KEY in sent.config:
            try:
                packages = SecureRounds(exchange, sent.config).packages(claim)
            except RoundRefused as refused:
                return refused.hospitals  # nobody sets up a sum for what is not permitted
            except FederatedError:
                packages = {each: [b""] * (len(sent.participants) - 1) for each in sent.participants}
            contents = {
                each: round_content(claim, sent.config, sent.arrays, packages[each]) for each in sent.participants
            }
        _, outcomes = exchange.ask("train", sent.n, contents)
    return outcomes
