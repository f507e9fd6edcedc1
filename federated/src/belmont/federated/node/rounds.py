"""One federated round at one hospital.

1. The node hashes the bundle, configuration and model it received itself; nothing that a message says of itself counts.
2. A round that this node answered already gets the same answer, if it may still leave. Otherwise the gate admits it, or
   nothing happens: the bundle has not even been opened.
3. A runner (`belmont.federated.executor.protocol`) loads the bundle from the hashed bytes, and its code gets the
   approved configuration, the model, the round's number and the rows; nothing else that a coordinator wrote.
4. What the code answers is read strictly, given noise where the approved configuration asks for it (`noise`), masked
   where it asks for a secure sum (`secure`), hashed, and released by the gate.

5. All rounds of a permit, and of those that take its place, prepare the rows by the same references, or all by none
   (`belmont.federated.node.design`): with two, the difference of two sums would be the rows that lack a value. And they
   keep the same patients apart: with two parts, it would be the few patients between them, and a model would be
   evaluated on patients that it was trained on. They keep what patients are told apart by, too (``KEPT``): between
   those below 60 and below 61, or with the event by day 90 and by day 91, are few, and the difference of two sums is
   theirs.
6. In training the code gets the rows of the others alone: who is kept apart is not there, whatever it asks for.
7. So many evaluations a line of permits has, without noise: the ledger counts them as it admits them, before any row
   is looked at (`most_evaluations`, `belmont.federated.gate.ledger`).
8. What an evaluation answers in the form that its configuration names is looked at here again, whoever made it: no sum
   in it rests on fewer patients than one may, and no hospital writes another's results (`evaluation.layout`).

Nothing else that the code chose leaves the hospital: however it fails, the researcher reads one fixed sentence, and
another where it was stopped at a limit. What remains is which of the two, whether it asks for too few rows, and how
long it takes.
"""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from flwr.app import Message, MetricRecord, RecordDict
from numpy.typing import NDArray

from belmont.federated.accounting.release import ReleasePlan, plan_release
from belmont.federated.accounting.settings import PrivacySettings
from belmont.federated.bounded.proved import check_bounds
from belmont.federated.bounded.settings import read_bounds
from belmont.federated.errors import AppFailed, AppStopped, FederatedError, PrivacyError, Refusal
from belmont.federated.evaluation.layout import (
    EVALUATED_CLASS,
    EVALUATES,
    EVALUATION_CUTS,
    GROUPS,
    HOLDOUT,
    evaluated_class_of,
    evaluation_cuts_of,
    evaluation_sum,
    holdout_of,
    most_evaluations,
    refuse_other_rows,
    refuse_small_sums,
    reports_hospitals,
)
from belmont.federated.executor.protocol import Answer, AppRunner, Failed, Kind, Stopped, Task
from belmont.federated.gate.gate import TOO_FEW_REMEDY, TOO_FEW_ROWS, Asked, Gate, request_hash
from belmont.federated.grid.records import pack_records, unpack_records, write_arrays
from belmont.federated.hashes import (
    Arrays,
    RunConfig,
    canonical_json,
    code_hash,
    config_hash,
    model_hash,
    update_hash,
)
from belmont.federated.local_log import place_of
from belmont.federated.node.consents import NOTHING, Chosen
from belmont.federated.node.data import fractions_of, given
from belmont.federated.node.design import REFERENCES
from belmont.federated.node.noise import Noisy, check_rows, read_noise
from belmont.federated.node.requests import RoundMessage, read_round
from belmont.federated.node.secure import SecureRounds
from belmont.federated.node.versions import NewestVersion
from belmont.federated.secagg.settings import SecureSum, read_secure_sum
from belmont.federated.table import NodeTable, Selection
from belmont.registry.reasons import Reason
from belmont.registry.types import DatasetId, MicroRho, Permit, Request, UseKind

NO_CHARGE = MicroRho(0)

KEPT = ("outcome", "duration", "cuts", "by", EVALUATES, GROUPS, EVALUATION_CUTS, EVALUATED_CLASS)
"""Keys of a configuration that a line of permits keeps, beside the holdout (5)."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RoundServer:
    """Serves the rounds of one dataset. ``bundle`` gives the bytes delivered for a Flower run, or None."""

    gate: Gate
    dataset_id: DatasetId
    node_id: int
    versions: NewestVersion
    bundle: Callable[[int], bytes | None]
    smallest_cell: int
    runner: AppRunner
    secure: SecureRounds
    trained_on: Selection = field(default_factory=Selection)

    def serve(self, message: Message) -> RecordDict:
        """Answer one message of type ``train`` or ``evaluate``: with which the approved configuration may name another
        sum, and nothing else differs. Raises Refusal, AppFailed or NodeFault; then nothing leaves."""
        kind: Kind = "evaluate" if message.metadata.message_type == "evaluate" else "train"
        bundle = self.bundle(message.metadata.run_id) or b""
        try:
            asked = read_round(message.content)
            hashes = code_hash(bundle), config_hash(asked.config), model_hash(asked.arrays)
            secure = read_secure_sum(asked.config, kind)
            bounds = read_bounds(asked.config)
            if secure is not None and bounds is not None:
                check_bounds(bounds, secure.layout, len(asked.claim.participants))
            noise = read_noise(asked.config, secure)
            holdout = holdout_of(asked.config)
            reports_hospitals(asked.config)
            evaluation_cuts_of(asked.config)
            evaluated_class_of(asked.config)
            if holdout and kind == "evaluate":
                evaluation_sum(asked.config)
            most = most_evaluations(asked.config, noisy=noise is not None)
            if (secure is None) is not (asked.packages is None):
                raise FederatedError("packages come with a secure sum, and only with one")
        except FederatedError as error:
            raise Refusal(Reason.REQUEST_MALFORMED, str(error)) from error

        def request(chosen: Chosen, rho: MicroRho = NO_CHARGE) -> Request:
            return Request(
                kind=UseKind.ROUND,
                permit_id=asked.claim.permit_id,
                n=asked.claim.n,
                dataset_id=self.dataset_id,
                purpose=asked.claim.purpose,
                code_hash=hashes[0],
                config_hash=hashes[1],
                subject_hash=hashes[2],
                participants=asked.claim.participants,
                cohort_rows=chosen.rows,
                version=chosen.version,
                consent_root=chosen.consent_root,
                consented_until=chosen.consented_until,
                left_out=chosen.left_out,
                rho=rho,
            )

        which = Asked(asked.claim.permit_id, self.dataset_id, UseKind.ROUND, asked.claim.n, kind, most)
        answered = self.gate.again(which, request_hash(request(NOTHING)))
        if answered is not None:
            return unpack_records(answered)
        joined = None if asked.packages is None else self.secure.joined(asked.claim, asked.packages, noise)
        plan = self._plan(noise, secure)
        charged = request if plan is None else partial(request, rho=plan.rho)
        admission, opened, table = self.versions.admit(self.gate, which, charged, message.metadata.message_id)
        if plan is not None:
            check_rows(plan, opened.version.rows)
        self._refuse_other_preparation(admission.permit, asked)
        fractions = fractions_of(
            table.pseudonyms, self.secure.ledger.root(admission.permit.line or admission.permit.id)
        )
        table, fractions = given(kind, holdout, table, fractions, self.trained_on)  # 6
        answer, hashed = self._compute(bundle, asked, table, fractions, admission.permit, kind, noisy=plan is not None)
        if secure is not None and joined is not None:
            noisy = None if plan is None else Noisy(plan, secure, table.rows)
            reply, hashed = self.secure.masked(asked.config, secure, joined, answer, noisy, kind)
        else:
            reply = RecordDict({"arrays": write_arrays(answer.arrays), "metrics": MetricRecord(dict(answer.metrics))})
        self.gate.release(admission, hashed, pack_records(reply))
        return reply

    def _refuse_other_preparation(self, permit: Permit, asked: RoundMessage) -> None:
        """Rule 5. Raises Refusal; only a round that was admitted says what the first one was."""
        hashed = preparation_hash(asked.config, asked.arrays)
        if self.secure.ledger.preparation(permit.line or permit.id, hashed) != hashed:
            detail = (
                "the model comes with other references than the permit's first round, or the configuration with "
                f"another {HOLDOUT}, {', '.join(KEPT)}: apply anew to change any of them"
            )
            raise Refusal(Reason.MODEL_MISMATCH, detail)

    @staticmethod
    def _plan(noise: PrivacySettings | None, secure: SecureSum | None) -> ReleasePlan | None:
        if noise is None or secure is None:
            return None
        try:
            return plan_release(noise, secure.layout.size)
        except PrivacyError as error:
            raise Refusal(Reason.REQUEST_MALFORMED, str(error)) from error

    def _compute(
        self,
        bundle: bytes,
        asked: RoundMessage,
        table: NodeTable,
        fractions: NDArray[np.float64],
        permit: Permit,
        kind: Kind,
        *,
        noisy: bool,
    ) -> tuple[Answer, bytes]:
        claim, min_cohort = asked.claim, permit.terms.min_cohort
        # A rule about small cells would make one row's contribution depend on others'; noise is in its place.
        smallest_cell = 1 if noisy else self.smallest_cell
        outcome = self.runner.run(
            Task(
                bundle=bundle,
                code_hash=permit.terms.code_hash,
                config=asked.config,
                arrays=asked.arrays,
                permit_id=claim.permit_id,
                n=claim.n,
                node_id=self.node_id,
                table=table,
                min_cohort=min_cohort,
                smallest_cell=smallest_cell,
                noisy=noisy,
                fractions=fractions,
                kind=kind,
                position=claim.participants.index(self.dataset_id),
            )
        )
        which = f"round {claim.n} of permit {claim.permit_id}"
        if isinstance(outcome, Answer):
            try:
                if kind == "evaluate":
                    refuse_other_rows(asked.config, outcome.arrays, claim.participants.index(self.dataset_id))
                    refuse_small_sums(asked.config, outcome.arrays, min_cohort, smallest_cell)  # 8
                return outcome, update_hash(outcome.arrays, outcome.metrics)
            except (ValueError, FederatedError) as error:  # a name that is no Unicode text; what 8 refuses
                outcome = Failed(place_of(error))
        if isinstance(outcome, Failed):
            _log.error("%s: the study's code failed: %s", which, outcome.place)
            raise AppFailed
        if isinstance(outcome, Stopped):
            _log.error("%s: the study's code was stopped: %s", which, outcome.limit)
            raise AppStopped
        raise Refusal(Reason.COHORT_TOO_SMALL, TOO_FEW_ROWS.format(min_cohort), TOO_FEW_REMEDY)


def preparation_hash(config: RunConfig, arrays: Arrays) -> bytes:
    """What stands for how a round prepares the rows, whom it keeps apart, and by what it sums and counts them (rule
    5)."""
    given = {REFERENCES: arrays[REFERENCES]} if REFERENCES in arrays else {}
    kept = {key: config[key] for key in KEPT if key in config}
    apart = canonical_json({HOLDOUT: config.get(HOLDOUT, 0.0), **kept})
    return hashlib.sha256(b"belmont/preparation/1\0" + model_hash(given) + apart).digest()
