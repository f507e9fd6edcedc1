"""The gate of a hospital's node: nothing is computed, and nothing leaves, without a fresh look at the chain.

``admit``, before anything is computed:

1. the highest block ever acted on is read from the ledger, and only then the chain, so that a chain that is behind it
   went backwards;
2. a chain that does not answer, or answers what cannot be read, is CHAIN_UNREACHABLE; contracts whose code the members
   exchanged for one that this release does not have are CODE_UNKNOWN;
3. ``decide`` says yes;
4. there are as many participants as the computation itself needs (a permit's datasets have different holders, the
   contract sees to that), and answers that need noise, which this node cannot add yet, are refused;
5. the node's own ledger has fewer entries than the permit has rounds or queries, and none for this one or its message;
6. the admission is on disk.

``release``, before the result leaves:

7. steps 1 to 3 again: a permit revoked since then stops the result;
8. the use is recorded on chain, where the contract checks once more;
9. the release is on disk.

A crash or refusal anywhere after 6 leaves the entry: the round or query is consumed at this hospital.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from belmont.federated.errors import NodeFault, Refusal
from belmont.federated.gate.ledger import Ledger
from belmont.registry.decide import Refused, decide
from belmont.registry.errors import CodeUnknown, RegistryArgumentError, RegistryRefused
from belmont.registry.protocol import Registry
from belmont.registry.reasons import Reason
from belmont.registry.types import AnswerMode, DatasetId, Permit, PermitId, Request, UseKind, View

TOO_FEW_ROWS = "fewer than the approved minimum of {} rows"
"""What a refused cohort is told, whatever was too few about it: the permit's minimum and no number of its own."""

_EXHAUSTED = {UseKind.ROUND: Reason.ROUNDS_EXHAUSTED, UseKind.QUERY: Reason.QUERIES_EXHAUSTED}


@dataclass(frozen=True)
class Asked:
    """Which round or query a request is about."""

    permit_id: PermitId
    dataset_id: DatasetId
    kind: UseKind
    n: int


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
        if request.kind is UseKind.QUERY and permit.terms.answer_mode is not AnswerMode.EXACT:
            raise Refusal(Reason.COMPUTATION_NOT_PERMITTED, "this node cannot add the noise that the permit asks for")
        kind, n = request.kind, request.n
        if self._ledger.knows(request.permit_id, kind, n, message_id):
            raise Refusal(Reason.ALREADY_SERVED, f"this node already admitted {kind.name.lower()} {n}")
        limit = permit.terms.rounds if kind is UseKind.ROUND else permit.terms.queries
        served = self._ledger.served(request.permit_id, kind)
        if served >= limit:
            raise Refusal(_EXHAUSTED[kind], f"this node already served {served} of {limit}")
        if not self._ledger.admit(
            request.permit_id, kind, n, message_id, request.subject_hash, _head(view), self._clock()
        ):
            raise Refusal(Reason.ALREADY_SERVED, f"this node already admitted {kind.name.lower()} {n}")
        return Admission(request, permit, message_id)

    def narrow(self, admission: Admission, cohort_rows: int) -> Admission:
        """The same admission for the rows that a query really selects, or Refusal if they are too few.

        Counting them is already computing, so it comes after ``admit``: nobody learns from a query that was not opened
        whether its cohort is large enough.
        """
        if cohort_rows < admission.permit.terms.min_cohort:
            minimum = admission.permit.terms.min_cohort
            raise Refusal(Reason.COHORT_TOO_SMALL, TOO_FEW_ROWS.format(minimum))
        return replace(admission, request=replace(admission.request, cohort_rows=cohort_rows))

    def release(self, admission: Admission, result_hash: bytes) -> None:
        """Return only if the result may leave now; raise Refusal otherwise."""
        request = admission.request
        view = self._view(Asked(request.permit_id, request.dataset_id, request.kind, request.n))
        self._decide(request, view, int(self._clock()))
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
        self._ledger.release(request.permit_id, request.kind, request.n, result_hash, _head(view), self._clock())

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


def _head(view: View) -> int:
    return view.head.number if view.head is not None else 0
