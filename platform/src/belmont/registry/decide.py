"""May this node compute? A pure function: no network, no clock of its own, every refusal typed.

The checks, in this order; the first that fails gives the reason:

 1. the request has the documented form                                   REQUEST_MALFORMED
 2. the chain answered                                                    CHAIN_UNREACHABLE
 3. its head is at most 60 s old, at most 60 s ahead, and not behind
    the highest head this node ever acted on; the permit was read
    together with the view                                                CHAIN_STALE
 4. the permit exists and is the one that the request names               PERMIT_MISSING
 5. the consortium is not paused; the permit is not superseded, not
    revoked, not expired, not frozen                                      CONSORTIUM_PAUSED, PERMIT_SUPERSEDED,
                                                                          PERMIT_REVOKED, PERMIT_EXPIRED, PERMIT_FROZEN
 6. its data user is an active member                                     DATA_USER_INACTIVE
 7. it names this node's dataset                                          DATASET_NOT_COVERED
 8. the dataset's holder is an active member                              DATA_HOLDER_INACTIVE
 9. the dataset is not frozen, not destroyed, not past its retention date,
    and not withdrawn from the permit                                     DATASET_FROZEN, DATASET_DESTROYED,
                                                                          RETENTION_OVER, DATASET_NOT_COVERED
10. its newest version is proven, and the one that this node has open;
    the node chose the rows by the current consents, and none of these
    has ended since; a query's version was built at them                  DATASET_UNPROVEN, VERSION_STALE,
                                                                          CONSENT_STALE
11. the permit allows this kind of computation, for this purpose          COMPUTATION_NOT_PERMITTED, PURPOSE_MISMATCH
12. for a round: this code with this configuration. A query runs no code
    of the data user; its subject hash binds all of it                    CODE_MISMATCH, CONFIG_MISMATCH
13. enough participants, each of them covered; for a query all datasets
    that the permit covers, in the order of its terms                     TOO_FEW_HOSPITALS, DATASET_NOT_COVERED,
                                                                          PARTICIPANTS_MISMATCH
14. for a query, every row of the version has a consent that permits it;
    enough rows here, and in the version                                  CONSENT_SCOPE, COHORT_TOO_SMALL
15. n is within the approved number                                       ROUNDS_EXHAUSTED, QUERIES_EXHAUSTED
16. the data user opened n on chain, and did not close it                 ROUND_NOT_OPEN, QUERY_NOT_OPEN, ROUND_CLOSED
17. with this model or query                                              MODEL_MISMATCH, QUERY_MISMATCH
18. and with these participants, in this order, this dataset among them,
    none of them twice                                                    PARTICIPANTS_MISMATCH
19. this dataset has no use recorded for n yet                            ALREADY_SERVED
20. rho fits what is left of the permit's and of the dataset's budget     BUDGET_EXHAUSTED

Two clocks, the node's and the chain's: a permit (5) and a retention date (9) are over as soon as either clock
says so; a freeze or a pause is over only when both say so. What the request claims is only ever compared with what the
view holds; nothing is taken from it.
"""

import time
from dataclasses import dataclass

from belmont.registry.hashes import participants_hash
from belmont.registry.reasons import Reason
from belmont.registry.types import (
    Computation,
    Dataset,
    DatasetStatus,
    DatasetVersion,
    Head,
    OpenedUse,
    Permit,
    PermitStatus,
    Request,
    UseKind,
    VersionStatus,
    View,
)

HEAD_MAX_AGE_SECONDS = 60
"""A head older than this, or further in the future, is stale; the embedded chain seals a block every 10 s."""

USABLE_FROM = VersionStatus.PROVEN
"""The least status of a version that can be computed on; the same constant stands in ``Datasets.vy``."""

_COMPUTATION = {UseKind.ROUND: Computation.TRAINING, UseKind.QUERY: Computation.QUERY}
_EXHAUSTED = {UseKind.ROUND: Reason.ROUNDS_EXHAUSTED, UseKind.QUERY: Reason.QUERIES_EXHAUSTED}
_NOT_OPEN = {UseKind.ROUND: Reason.ROUND_NOT_OPEN, UseKind.QUERY: Reason.QUERY_NOT_OPEN}
_MISMATCH = {UseKind.ROUND: Reason.MODEL_MISMATCH, UseKind.QUERY: Reason.QUERY_MISMATCH}


@dataclass(frozen=True)
class Permitted:
    """Every check passed, on what the chain held at ``head``."""

    head: Head


@dataclass(frozen=True)
class Refused:
    """One check failed, and nothing may be computed."""

    reason: Reason
    detail: str

    @property
    def remedy(self) -> str:
        """What the person who asked can do."""
        return self.reason.remedy


Decision = Permitted | Refused


def decide(permit: Permit | None, request: Request, view: View, now: int) -> Decision:
    """Decide on one request; ``permit`` is the view's own, ``now`` is the node's clock in Unix seconds."""
    flaw = _malformed(request)
    if flaw:
        return Refused(Reason.REQUEST_MALFORMED, flaw)
    head = view.head
    if head is None:
        return Refused(Reason.CHAIN_UNREACHABLE, "no block could be read")
    refusal = _chain(head, permit, view, now)
    if refusal:
        return refusal
    if permit is None or permit.id != request.permit_id:
        return Refused(Reason.PERMIT_MISSING, f"there is no permit {request.permit_id}")
    later, earlier = max(now, head.timestamp), min(now, head.timestamp)
    refusal = (
        _pause(view, earlier)
        or _permit(permit, view, later, earlier)
        or _dataset(permit, request, view, later)
        or _terms(permit, request, view.version)
        or _opened(permit, request, view.opened)
        or _budget(permit, request, view)
    )
    return refusal or Permitted(head)


def _malformed(request: Request) -> str | None:
    """Check 1: what is wrong with the form of a request, if anything."""
    if not isinstance(request.kind, UseKind):
        return "kind is neither a round nor a query"
    for name in ("permit_id", "n", "purpose", "cohort_rows", "version", "consented_until", "left_out", "rho"):
        value = getattr(request, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            return f"{name} is not a whole number of at least 0"
    for name in ("dataset_id", "code_hash", "config_hash", "subject_hash", "consent_root"):
        if not _is_hash(getattr(request, name)):
            return f"{name} is not 32 bytes"
    if not isinstance(request.participants, tuple) or not all(_is_hash(each) for each in request.participants):
        return "participants is not a tuple of 32-byte dataset identifiers"
    return None


def _is_hash(value: object) -> bool:
    return isinstance(value, bytes) and len(value) == 32


def _chain(head: Head, permit: Permit | None, view: View, now: int) -> Refused | None:
    """Check 3."""
    age = now - head.timestamp
    if abs(age) > HEAD_MAX_AGE_SECONDS:
        return Refused(Reason.CHAIN_STALE, f"block {head.number} is {age} s old by this node's clock")
    if head.number < view.highest_head_seen:
        return Refused(Reason.CHAIN_STALE, f"block {head.number} is behind block {view.highest_head_seen}")
    if permit != view.permit:
        return Refused(Reason.CHAIN_STALE, f"the permit was not read at block {head.number}")
    return None


def _pause(view: View, earlier: int) -> Refused | None:
    """The first of check 5."""
    if view.paused_until is None:
        return Refused(Reason.CONSORTIUM_PAUSED, "whether the consortium is paused was not read")
    if earlier < view.paused_until:
        return Refused(Reason.CONSORTIUM_PAUSED, f"the consortium is paused until {_utc(view.paused_until)}")
    return None


def _permit(permit: Permit, view: View, later: int, earlier: int) -> Refused | None:
    """Checks 4 (a status it knows), 5 and 6."""
    if permit.status is PermitStatus.SUPERSEDED:
        return Refused(Reason.PERMIT_SUPERSEDED, f"permit {permit.superseded_by} took the place of {permit.id}")
    if permit.status is PermitStatus.REVOKED:
        return Refused(Reason.PERMIT_REVOKED, f"permit {permit.id} was revoked")
    if permit.status not in (PermitStatus.ACTIVE, PermitStatus.FROZEN):
        return Refused(Reason.PERMIT_MISSING, f"permit {permit.id} has no known status")
    if later >= permit.expires_at:
        return Refused(Reason.PERMIT_EXPIRED, f"permit {permit.id} expired at {_utc(permit.expires_at)}")
    if earlier < permit.frozen_until:
        return Refused(Reason.PERMIT_FROZEN, f"permit {permit.id} is frozen until {_utc(permit.frozen_until)}")
    if not view.data_user_active:
        return Refused(Reason.DATA_USER_INACTIVE, f"{permit.data_user} is not an active data user")
    return None


def _dataset(permit: Permit, request: Request, view: View, later: int) -> Refused | None:
    """Checks 7 to 10."""
    dataset = view.dataset
    if request.dataset_id not in permit.terms.datasets or dataset is None or dataset.id != request.dataset_id:
        return Refused(Reason.DATASET_NOT_COVERED, f"permit {permit.id} does not cover this node's dataset")
    if not view.holder_active:
        return Refused(Reason.DATA_HOLDER_INACTIVE, f"{dataset.holder} is not an active data holder")
    if dataset.status is DatasetStatus.FROZEN:
        return Refused(Reason.DATASET_FROZEN, f"dataset {dataset.name} is frozen by its holder")
    if dataset.status is not DatasetStatus.ACTIVE:
        return Refused(Reason.DATASET_DESTROYED, f"dataset {dataset.name} is {dataset.status.name.lower()}")
    if later >= dataset.retention_until:
        return Refused(Reason.RETENTION_OVER, f"dataset {dataset.name} was kept until {_utc(dataset.retention_until)}")
    if request.dataset_id not in permit.covered:
        return Refused(Reason.DATASET_NOT_COVERED, f"dataset {dataset.name} was withdrawn from permit {permit.id}")
    return _version(dataset, view.version, request, later)


def _version(dataset: Dataset, version: DatasetVersion | None, request: Request, later: int) -> Refused | None:
    """Check 10."""
    if version is None or (version.dataset_id, version.number) != (dataset.id, dataset.versions):
        return Refused(Reason.DATASET_UNPROVEN, f"dataset {dataset.name} has no version")
    if version.status < USABLE_FROM:
        return Refused(Reason.DATASET_UNPROVEN, f"version {version.number} is {version.status.name.lower()}")
    if request.version != version.number:
        detail = f"the node has version {request.version} open, and {version.number} is the newest"
        return Refused(Reason.VERSION_STALE, detail)
    if request.consent_root != dataset.consent_root:
        return Refused(Reason.CONSENT_STALE, "the node chose its rows before consents changed")
    if later >= request.consented_until:
        return Refused(Reason.CONSENT_STALE, "a consent ended since the node chose its rows")
    if request.kind is UseKind.QUERY and version.consent_root != dataset.consent_root:
        return Refused(Reason.CONSENT_STALE, f"version {version.number} was built before consents changed")
    return None


def _terms(permit: Permit, request: Request, version: DatasetVersion | None) -> Refused | None:
    """Checks 11 to 14."""
    terms = permit.terms
    if not terms.computations & _COMPUTATION[request.kind]:
        return Refused(Reason.COMPUTATION_NOT_PERMITTED, f"a {request.kind.name.lower()} was not approved")
    if request.purpose == 0 or request.purpose & ~terms.purpose:
        return Refused(Reason.PURPOSE_MISMATCH, f"purposes {request.purpose:#x} are not within {terms.purpose:#x}")
    if request.kind is UseKind.ROUND:
        if request.code_hash != terms.code_hash:
            return Refused(Reason.CODE_MISMATCH, _differ("code", request.code_hash, terms.code_hash))
        if request.config_hash != terms.config_hash:
            return Refused(Reason.CONFIG_MISMATCH, _differ("configuration", request.config_hash, terms.config_hash))
    hospitals = len(set(request.participants))
    if hospitals < terms.min_hospitals:
        return Refused(Reason.TOO_FEW_HOSPITALS, f"{hospitals} of at least {terms.min_hospitals} hospitals")
    if any(participant not in permit.covered for participant in request.participants):
        return Refused(Reason.DATASET_NOT_COVERED, f"permit {permit.id} does not cover every participant")
    if request.kind is UseKind.QUERY and request.participants != permit.covered:
        # Two exact totals over different hospitals would give away one hospital's answer as their difference.
        return Refused(
            Reason.PARTICIPANTS_MISMATCH,
            f"a query is over all {len(permit.covered)} datasets that the permit covers, in the order of its terms",
        )
    if request.kind is UseKind.QUERY and request.left_out:
        # How many is the hospital's secret.
        return Refused(Reason.CONSENT_SCOPE, "not every row of the version has a consent that permits this use")
    if request.cohort_rows < terms.min_cohort or version is None or version.rows < terms.min_cohort:
        # The number itself is the hospital's secret.
        return Refused(Reason.COHORT_TOO_SMALL, f"fewer than the approved minimum of {terms.min_cohort} rows")
    return None


def _opened(permit: Permit, request: Request, opened: OpenedUse | None) -> Refused | None:
    """Checks 15 to 18."""
    kind, n = request.kind, request.n
    is_round = kind is UseKind.ROUND
    limit = permit.terms.rounds if is_round else permit.terms.queries
    opened_count = permit.rounds_opened if is_round else permit.queries_opened
    if n > limit:
        return Refused(_EXHAUSTED[kind], f"{kind.name.lower()} {n} of {limit} approved")
    if (
        opened is None
        or not 1 <= n <= opened_count
        or (opened.permit_id, opened.kind, opened.n) != (permit.id, kind, n)
    ):
        return Refused(_NOT_OPEN[kind], f"{kind.name.lower()} {n} is not open; {opened_count} of {limit} are")
    if opened.closed:
        return Refused(Reason.ROUND_CLOSED, f"{kind.name.lower()} {n} was closed over those that had answered")
    if request.subject_hash != opened.subject_hash:
        subject = "model" if is_round else "query"
        return Refused(_MISMATCH[kind], _differ(subject, request.subject_hash, opened.subject_hash))
    if (
        len(set(request.participants)) != len(request.participants)
        or request.dataset_id not in request.participants
        or participants_hash(request.participants) != opened.participants_hash
    ):
        return Refused(
            Reason.PARTICIPANTS_MISMATCH, f"not the participants that {kind.name.lower()} {n} was opened with"
        )
    return None


def _budget(permit: Permit, request: Request, view: View) -> Refused | None:
    """Checks 19 and 20."""
    if view.recorded:
        return Refused(Reason.ALREADY_SERVED, f"{request.kind.name.lower()} {request.n} was answered")
    left = permit.terms.rho_per_dataset - view.rho_spent
    if request.rho > left:
        return Refused(Reason.BUDGET_EXHAUSTED, f"{request.rho} micro-rho asked, {left} left in the permit")
    if view.dataset is None or request.rho > view.dataset.rho_cap - view.dataset.rho_spent:
        return Refused(Reason.BUDGET_EXHAUSTED, f"{request.rho} micro-rho asked, more than the dataset has left")
    return None


def _differ(what: str, got: bytes, expected: bytes) -> str:
    return f"{what} {got.hex()[:12]}... is not the approved {expected.hex()[:12]}..."


def _utc(seconds: int) -> str:
    """Unix seconds as people write a time; far beyond any calendar, the number itself."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
    except (OverflowError, ValueError, OSError):
        return str(seconds)
