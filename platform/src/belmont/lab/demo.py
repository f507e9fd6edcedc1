"""One approved study from nothing to its audit: what ``belmont demo`` runs and the report shows."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from belmont.ehr.coded import CodedTable
from belmont.federated.errors import QueryRefused, RoundRefused
from belmont.federated.hashes import Arrays
from belmont.lab.answers import Answer
from belmont.lab.attempts import Attempt, attempts
from belmont.lab.consortium import Consortium
from belmont.lab.permit import Permit
from belmont.lab.proofs import VersionProof
from belmont.lab.questions import Question, coding_of, count, mean
from belmont.lab.study import Study
from belmont.lab.training import TrainingResult

if TYPE_CHECKING:
    import pandas as pd

TITLE = "Five-year cardiovascular risk in type 2 diabetes"
ASKED = "hba1c"
FEW_PATIENTS = {"age": (18.0, 34.0), "hba1c": (120.0, 200.0)}

Tell = Callable[[str], None]


@dataclass(frozen=True)
class DemoResult:
    """What happened. ``refusals`` holds every distinct reason that a hospital's node gave, in the order met."""

    consortium: Consortium
    proofs: tuple[VersionProof, ...]
    """Of each hospital's dataset, as the contract accepted them."""
    study: Study
    permit: Permit
    training: TrainingResult
    answer: Answer
    query_exact: bool
    attempts: tuple[Attempt, ...]
    revoked_round: Attempt
    audit: "pd.DataFrame"
    patients: int
    seconds: float

    @property
    def refusals(self) -> list[str]:
        met = [reason for attempt in (*self.attempts, self.revoked_round) for reason in attempt.reasons]
        return list(dict.fromkeys(met))

    @property
    def revoked_round_refused(self) -> bool:
        return self.revoked_round.refused_by_all and self.revoked_round.reasons == ["PERMIT_REVOKED"]

    @property
    def as_approved(self) -> bool:
        """Whether everything went as it has to: proven, exact, every attempt refused, nothing after the revocation."""
        proven = self.datasets_proven == len(self.consortium.hospitals) and self.answer.proof is not None
        return (
            proven and self.query_exact and self.revoked_round_refused and all(a.refused_by_all for a in self.attempts)
        )

    @property
    def datasets_proven(self) -> int:
        """Datasets whose proof the contract accepted and this process verified again."""
        return sum(bool(proof.accepted_by and proof.verify()) for proof in self.proofs)

    def summary(self) -> dict[str, object]:
        """The object that ``belmont demo --json`` prints."""
        return {
            "hospitals": len(self.consortium.hospitals),
            "patients": self.patients,
            "rows": sum(hospital.rows for hospital in self.consortium.hospitals),
            "datasets_proven": self.datasets_proven,
            "rounds_run": len(self.training.rounds),
            "auc_federated": round(self.training.auc, 6),
            "auc_pooled": round(self.training.auc_pooled, 6),
            "auc_true_risk": round(self.training.auc_true_risk, 6),
            "query": str(self.answer.question),
            "query_value": self.answer.value,
            "query_exact": self.query_exact,
            "query_proved": self.answer.proof is not None,
            "refusals": self.refusals,
            "revoked_round_refused": self.revoked_round_refused,
            "audit_events": len(self.audit),
            "seconds": round(self.seconds, 1),
        }


def run_demo(
    hospitals: int, patients: int, rounds: int, seed: int, home: Path | None = None, tell: Tell = lambda line: None
) -> DemoResult:
    """Runs the study. ``tell`` hears one line after each step. The caller closes ``result.consortium``."""
    started = time.perf_counter()
    consortium = Consortium.local(hospitals=hospitals, patients=patients, seed=seed, home=home)
    try:
        rows = sum(hospital.rows for hospital in consortium.hospitals)
        tell(f"{hospitals} hospitals registered {rows:,} consenting patients on a chain at {consortium.url}")
        proofs = tuple(consortium.proof(hospital) for hospital in consortium.hospitals)
        tell(
            f"the contract accepted a proof of each dataset: only allowed values, exact rows, no copies; "
            f"{proofs[0].column_chunks} columns in {proofs[0].size:,} bytes"
        )
        study = consortium.propose(TITLE, rounds=rounds + 1, queries=2, protocol=TITLE)
        tell(
            f"application {study.id}: {rounds} rounds and one more, which will be stopped; 2 queries; code by its hash"
        )
        study.vote(*consortium.board[:2], approve=True, reason="proportionate; no row leaves a hospital")
        study.accept(*consortium.hospitals)
        permit = study.permit()
        tell(f"the ethics board voted, {hospitals} data holders accepted: permit {permit.id} is {permit.status}")
        training = permit.train(rounds=rounds)
        tell(f"{rounds} federated rounds, each checked by each hospital: AUC {training.auc:.3f}")
        answer = permit.query(mean(ASKED))
        exact = is_exact(answer, consortium.yardstick.tables)
        proved = "with proof" if answer.proof else "WITHOUT proof"
        tell(f"encrypted query: {answer}, {'exactly the clear total' if exact else 'NOT the clear total'}, {proved}")
        tried = (*attempts(permit, training.model, model_before_last(training)), small_cohort(permit))
        tell(f"{len(tried)} things that the permit does not allow were tried; refused with {_reasons(tried)}")
        permit.revoke(*consortium.board, reason="the study question has been answered")
        stopped = one_round_more(permit, training)
        tell(f"the board revoked the permit; the next round was refused with {_reasons([stopped])}")
        audit = consortium.audit()
        tell(f"{len(audit)} events in the audit trail")
    except BaseException:
        consortium.close()
        raise
    seconds = time.perf_counter() - started
    return DemoResult(
        consortium,
        proofs,
        study,
        permit,
        training,
        answer,
        exact,
        tried,
        stopped,
        audit,
        patients=patients,
        seconds=seconds,
    )


def is_exact(answer: Answer, tables: Sequence[CodedTable]) -> bool:
    """Whether the decrypted mean is that of all tables in the clear: the same patients and the same sum of codes."""
    column = tables[0].dictionary.column(answer.question.column or "")
    observed = sum(int(table.observed(column.name).sum()) for table in tables)
    codes = sum(int(table.codes(column.name).astype("int64").sum()) for table in tables)
    clear = coding_of(column).sum_of(observed, codes)
    return answer.patients == observed and answer.encrypted.total(coding_of(column)) == clear


def model_before_last(training: TrainingResult) -> Arrays:
    """The model that the last round began with."""
    return training.rounds[-2].model if len(training.rounds) > 1 else training.model.initial()


def small_cohort(permit: Permit) -> Attempt:
    """Asks about so few patients that a hospital must not answer; the query is opened on chain and charged."""
    return refused_query(permit, count(**FEW_PATIENTS))


def refused_query(permit: Permit, question: Question) -> Attempt:
    """Asks a question under the permit, and says how it was refused."""
    try:
        permit.query(question)
    except QueryRefused as refused:
        return Attempt(str(question), refused.hospitals)
    return Attempt(str(question), ())


def one_round_more(permit: Permit, training: TrainingResult) -> Attempt:
    """Goes on training under the permit, and says how that was refused."""
    what = "the next round, after the revocation"
    try:
        permit.train(rounds=1, start=training)
    except RoundRefused as refused:
        return Attempt(what, refused.hospitals)
    return Attempt(what, ())


def _reasons(tried: Sequence[Attempt]) -> str:
    return ", ".join(dict.fromkeys(reason for attempt in tried for reason in attempt.reasons)) or "nothing"
