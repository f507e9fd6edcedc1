"""The gate of a hospital's node: nothing is computed, and nothing leaves, without a fresh look at the chain.

``admit``, before anything is computed:

1. the highest block ever acted on is read from the ledger, and only then the chain, so that a chain that is behind it
   went backwards;
2. a chain that does not answer, or answers what cannot be read, is CHAIN_UNREACHABLE; contracts whose code the members
   exchanged for one that this release does not have are CODE_UNKNOWN;
3. ``decide`` says yes;
4. there are as many participants as the computation itself needs (a permit's datasets have different holders, the
   contract sees to that), and under a permit whose answers carry noise nothing is admitted that is not charged for it;
5. the node's own ledger has fewer entries than the permit has rounds or queries, and none for this one or its message;
   of evaluations without noise, fewer than the approved configuration says (`evaluation.layout`), with those of the
   permits whose place this one took, and with what the chain has of this dataset that the ledger does not know;
6. the admission is on disk.

``release``, before the result leaves:

7. the result is on disk, with what it was computed for;
8. steps 1 to 3 again: a permit revoked since then stops the result;
9. the use is recorded on chain, where the contract checks once more;
10. the release is on disk.

A refusal or failure anywhere after 6 leaves the entry: the use is consumed at this hospital. So does a crash, but for a
round of which nothing was prepared (7): the same request may be admitted anew after a restart, ``MOST_ATTEMPTS`` times.

``again``, for a request that was answered, or whose answer was prepared when the node stopped:

11. steps 1 to 3 for what the result was computed for: the version, consents and rows of then. A permit revoked since, a
    consent taken back since, and the result stays here, though it was on its way before;
12. the chain has this very result, or gets it as in 9;
13. the same bytes leave: nothing is computed, and nothing charged.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace

from belmont.federated.errors import LedgerError, NodeFault, Refusal
from belmont.federated.executor.protocol import Kind
from belmont.federated.gate.ledger import EvaluationBound, Ledger
from belmont.federated.hashes import canonical_json
from belmont.registry.decide import Refused, decide
from belmont.registry.errors import CodeUnknown, RegistryArgumentError, RegistryRefused
from belmont.registry.protocol import Registry
from belmont.registry.reasons import Reason
from belmont.registry.strict_json import loads
from belmont.registry.types import (
    AnswerMode,
    DatasetId,
    MicroRho,
    Permit,
    PermitId,
    Request,
    RoundState,
    StudyId,
    UseKind,
    View,
)

TOO_FEW_ROWS = "fewer than the approved minimum of {} rows"
"""What a refused cohort is told, whatever was too few about it: the permit's minimum and no number of its own."""
TOO_FEW_REMEDY = (
    "This hospital has too few rows, or too few with a value, a level or a time in a cell: leave out what is rare, and "
    "take coarser cut points."
)

_EXHAUSTED = {UseKind.ROUND: Reason.ROUNDS_EXHAUSTED, UseKind.QUERY: Reason.QUERIES_EXHAUSTED}


@dataclass(frozen=True)
class Asked:
    """Which round or query a request is about."""

    permit_id: PermitId
    dataset_id: DatasetId
    kind: UseKind
    n: int
    round_kind: Kind = "train"
    most_evaluations: int | None = None
    """That the line of permits has at this node; None where a round is not bounded by their number."""


@dataclass(frozen=True)
class Admission:
    """A request that may be computed now, with the permit it was admitted under."""

    request: Request
    permit: Permit
    message_id: str


class Gate:
    """Decides for one dataset of one data holder; ``registry`` writes as that holder."""

    def __init__(self, registry: Registry, ledger: Ledger, clock: Callable[[], float] = time.time) -> None:
        self._registry = registry
        self._ledger = ledger
        self._clock = clock
        self._releasing = threading.Lock()

    def admit(
        self, asked: Asked, choose: Callable[[View, int], Request], message_id: str, least_hospitals: int = 1
    ) -> Admission:
        """Admit a request, durably, or raise Refusal; LedgerError if the node cannot keep its ledger.

        ``choose`` makes the request from what the chain holds and the node's time: which rows it would be computed on
        depends on both. ``least_hospitals`` is what the computation itself needs, whatever the permit says.
        """
        now = int(self._clock())
        view = self._view(asked)
        request = choose(view, now)
        permit = self._decide(request, view, now)
        if len(set(request.participants)) < least_hospitals:
            detail = f"{len(set(request.participants))} of at least {least_hospitals} hospitals"
            raise Refusal(Reason.TOO_FEW_HOSPITALS, detail)
        if permit.terms.answer_mode is not AnswerMode.EXACT and request.rho == 0:
            why = "this node cannot add the noise that the permit asks for"
            if request.kind is UseKind.ROUND:
                why = "the permit asks for noise, and the configuration for none"
            raise Refusal(Reason.COMPUTATION_NOT_PERMITTED, why)
        kind, n, hashed = request.kind, request.n, request_hash(request)
        if self._ledger.refuses(request.permit_id, kind, n, message_id, hashed):
            raise Refusal(Reason.ALREADY_SERVED, f"this node already admitted {kind.name.lower()} {n}")
        limit = permit.terms.rounds if kind is UseKind.ROUND else permit.terms.queries
        served = self._ledger.served(request.permit_id, kind)
        if served >= limit and not self._ledger.has(request.permit_id, kind, n):
            raise Refusal(_EXHAUSTED[kind], f"this node already served {served} of {limit}")
        bound = None
        if asked.round_kind != "train" and asked.most_evaluations is not None:
            line = self._line(permit)
            bound = EvaluationBound(line, self._recorded_rounds(line, asked.dataset_id), asked.most_evaluations)
        if not self._ledger.admit(
            request.permit_id,
            kind,
            n,
            message_id,
            request.subject_hash,
            _head(view),
            self._clock(),
            hashed,
            asked.round_kind,
            bound,
        ):
            raise Refusal(Reason.ALREADY_SERVED, f"this node already admitted {kind.name.lower()} {n}")
        return Admission(request, permit, message_id)

    def _line(self, permit: Permit) -> tuple[PermitId, ...]:
        """A permit and those whose place it took, the first one last. Raises Refusal where the chain does not say."""
        found = [permit.id]
        with chain_read():
            while permit.line and found[-1] != permit.line:
                study = self._registry.study(StudyId(found[-1]))
                if study is None or not study.amends or study.amends in found:
                    raise Refusal(Reason.CHAIN_UNREACHABLE, "the chain does not say which permits this one replaces")
                found.append(study.amends)
        return tuple(found)

    def _recorded_rounds(self, line: tuple[PermitId, ...], dataset_id: DatasetId) -> tuple[tuple[PermitId, int], ...]:
        """What left this hospital in rounds of a line: a ledger that was lost, or is older, does not know all of it."""
        with chain_read():
            uses = [use for each in line for use in self._registry.uses(each)]
        return tuple(
            (use.permit_id, use.n) for use in uses if (use.kind, use.dataset_id) == (UseKind.ROUND, dataset_id)
        )

    def narrow(self, admission: Admission, cohort_rows: int) -> Admission:
        """The same admission for the rows that a query really selects, or Refusal if they are too few.

        Counting them is already computing, so it comes after ``admit``: nobody learns from a query that was not opened
        whether its cohort is large enough.
        """
        if cohort_rows < admission.permit.terms.min_cohort:
            minimum = admission.permit.terms.min_cohort
            raise Refusal(Reason.COHORT_TOO_SMALL, TOO_FEW_ROWS.format(minimum))
        return replace(admission, request=replace(admission.request, cohort_rows=cohort_rows))

    def release(self, admission: Admission, result_hash: bytes, reply: bytes) -> None:
        """Return only if the result may leave now, as ``reply``; raise Refusal otherwise."""
        request = admission.request
        with self._releasing:
            computed_for = _written(request)
            self._ledger.prepare(request.permit_id, request.kind, request.n, result_hash, computed_for, reply)
            view = self._view(_asked(request))
            self._decide(request, view, int(self._clock()))
            self._record(request, result_hash)
            self._ledger.release(request.permit_id, request.kind, request.n, result_hash, _head(view), self._clock())

    def again(self, asked: Asked, hashed: bytes) -> bytes | None:
        """What may leave once more in answer to a request (``request_hash``); None if nothing is kept for it.

        Raises Refusal where it may not leave now.
        """
        with self._releasing:
            return self._again(asked, hashed)

    def _again(self, asked: Asked, hashed: bytes) -> bytes | None:
        kept = self._ledger.prepared(asked.permit_id, asked.kind, asked.n, hashed)
        if kept is None:
            return None
        request = _read(kept.computed_for)
        view = self._view(asked)
        if view.recorded:
            with chain_read():
                recorded = [
                    use.result_hash
                    for use in self._registry.uses(asked.permit_id)
                    if (use.kind, use.n, use.dataset_id) == (asked.kind, asked.n, asked.dataset_id)
                ]
            if recorded != [kept.result_hash]:
                raise Refusal(
                    Reason.ALREADY_SERVED, f"the chain has another result of {asked.kind.name.lower()} {asked.n}"
                )
            self._decide(request, _before_record(request, view), int(self._clock()))
        else:
            self._decide(request, view, int(self._clock()))
            self._record(request, kept.result_hash)
        if not kept.is_released:
            now = self._clock()
            self._ledger.release(asked.permit_id, asked.kind, asked.n, kept.result_hash, _head(view), now)
        return kept.reply

    def unmask(self, asked: Asked, participants: tuple[DatasetId, ...], *, anew: bool = True) -> RoundState:
        """Who recorded a vector in a round that this node answered, if its shares may leave now. Raises Refusal.

        Decides once more, for what this node's vector was computed for (11): a permit revoked since, or a consent taken
        back, and the sum stays closed. Not if ``anew`` is false: for what says nothing of records once shares left.
        """
        computed_for = self._ledger.released(asked.permit_id, asked.kind, asked.n)
        if computed_for is None:
            raise Refusal(Reason.ROUND_NOT_FINAL, "this hospital has not answered this round")
        request = _read(computed_for)
        if request.participants != participants:
            raise Refusal(Reason.PARTICIPANTS_MISMATCH, "this hospital answered this round for other participants")
        view = self._view(asked)
        if not view.recorded:
            raise Refusal(Reason.ROUND_NOT_FINAL, "the chain has no vector of this hospital in this round")
        if anew:
            self._decide(request, _before_record(request, view), int(self._clock()))
        with chain_read():
            state = self._registry.round_state(asked.permit_id, asked.n)
        if state.head.number < _head(view):
            raise Refusal(Reason.CHAIN_STALE, f"block {state.head.number} is behind block {_head(view)}")
        return state

    def _record(self, request: Request, result_hash: bytes) -> None:
        try:
            self._registry.record_use(
                request.permit_id,
                request.kind,
                request.n,
                request.dataset_id,
                result_hash,
                request.rho,
                request.version,
                request.consent_root,
            )
        except RegistryRefused as error:
            if isinstance(error.code, Reason):
                raise Refusal(error.code, "the chain refused to record this use") from error
            raise NodeFault(f"the chain refused to record this use: {error.reason}") from error
        except Exception as error:  # fail closed, whatever the chain's client raises
            raise Refusal(Reason.CHAIN_UNREACHABLE, "this use could not be recorded on chain") from error

    def _view(self, asked: Asked) -> View:
        floor = self._ledger.highest_head
        try:
            view = self._registry.view(asked.permit_id, asked.dataset_id, asked.kind, asked.n)
        except RegistryArgumentError as error:
            raise Refusal(Reason.REQUEST_MALFORMED, str(error)) from error
        except CodeUnknown as error:
            raise Refusal(Reason.CODE_UNKNOWN, str(error)) from error
        except Exception:  # fail closed, whatever the chain's client raises
            view = View(head=None)
        return replace(view, highest_head_seen=floor)

    def _decide(self, request: Request, view: View, now: int) -> Permit:
        decision = decide(view.permit, request, view, now)
        if isinstance(decision, Refused):
            raise Refusal(decision.reason, decision.detail, decision.remedy)
        if view.permit is None:
            raise Refusal(Reason.PERMIT_MISSING, f"there is no permit {request.permit_id}")
        return view.permit


@contextmanager
def chain_read() -> Iterator[None]:
    """Turn whatever a read from the chain raises into CHAIN_UNREACHABLE; a Refusal inside passes through."""
    try:
        yield
    except Refusal:
        raise
    except Exception as error:
        raise Refusal(Reason.CHAIN_UNREACHABLE, "the chain could not be read") from error


def request_hash(request: Request) -> bytes:
    """SHA-256 of what was asked, without what the node itself chose to answer it: rows, version and consents."""
    asked = _plain(request)
    for name in _CHOSEN:
        del asked[name]
    return hashlib.sha256(b"belmont/request/1\0" + canonical_json(asked)).digest()


_CHOSEN = ("cohort_rows", "version", "consent_root", "consented_until", "left_out", "rho")
_FIELDS = tuple(field.name for field in fields(Request))


def _written(request: Request) -> str:
    return canonical_json(_plain(request)).decode()


def _plain(request: Request) -> dict[str, object]:
    def plain(value: object) -> object:
        if isinstance(value, bytes):
            return value.hex()
        return [plain(each) for each in value] if isinstance(value, tuple) else value

    return {name: plain(getattr(request, name)) for name in _FIELDS}


def _read(text: str) -> Request:
    """What ``_written`` wrote. Raises LedgerError for anything else."""
    try:
        found = loads(text)
        for name in ("dataset_id", "code_hash", "config_hash", "subject_hash", "consent_root"):
            found[name] = bytes.fromhex(found[name])
        found["participants"] = tuple(DatasetId(bytes.fromhex(each)) for each in found["participants"])
        return Request(**found | {"kind": UseKind(found["kind"])})
    except (ValueError, TypeError, KeyError) as error:
        raise LedgerError("the ledger's entry cannot be read") from error


def _before_record(request: Request, view: View) -> View:
    """What the chain has, but for the record of this request: its own charge does not stand in its way, and what is
    recorded is in the sum of a closed round."""
    opened = None if view.opened is None else replace(view.opened, closed=False)
    dataset = view.dataset
    if dataset is not None:
        dataset = replace(dataset, rho_spent=MicroRho(max(0, dataset.rho_spent - request.rho)))
    spent = MicroRho(max(0, view.rho_spent - request.rho))
    return replace(view, recorded=False, rho_spent=spent, dataset=dataset, opened=opened)


def _asked(request: Request) -> Asked:
    return Asked(request.permit_id, request.dataset_id, request.kind, request.n)


def _head(view: View) -> int:
    return view.head.number if view.head is not None else 0
