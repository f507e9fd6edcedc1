"""Why a node or a contract refuses: one name for each reason, with what a person can do about it."""

from enum import StrEnum


class Reason(StrEnum):
    """Typed refusals; the contracts revert with the same words."""

    PERMIT_MISSING = "PERMIT_MISSING"
    PERMIT_EXPIRED = "PERMIT_EXPIRED"
    PERMIT_REVOKED = "PERMIT_REVOKED"
    PERMIT_FROZEN = "PERMIT_FROZEN"
    DATASET_NOT_COVERED = "DATASET_NOT_COVERED"
    DATASET_UNPROVEN = "DATASET_UNPROVEN"
    DATASET_FROZEN = "DATASET_FROZEN"
    DATASET_DESTROYED = "DATASET_DESTROYED"
    PURPOSE_MISMATCH = "PURPOSE_MISMATCH"
    CODE_MISMATCH = "CODE_MISMATCH"
    CONFIG_MISMATCH = "CONFIG_MISMATCH"
    MODEL_MISMATCH = "MODEL_MISMATCH"
    QUERY_MISMATCH = "QUERY_MISMATCH"
    PARTICIPANTS_MISMATCH = "PARTICIPANTS_MISMATCH"
    COMPUTATION_NOT_PERMITTED = "COMPUTATION_NOT_PERMITTED"
    ROUND_NOT_OPEN = "ROUND_NOT_OPEN"
    QUERY_NOT_OPEN = "QUERY_NOT_OPEN"
    ALREADY_SERVED = "ALREADY_SERVED"
    ROUNDS_EXHAUSTED = "ROUNDS_EXHAUSTED"
    QUERIES_EXHAUSTED = "QUERIES_EXHAUSTED"
    BUDGET_EXHAUSTED = "BUDGET_EXHAUSTED"
    TOO_FEW_HOSPITALS = "TOO_FEW_HOSPITALS"
    COHORT_TOO_SMALL = "COHORT_TOO_SMALL"
    CONSENT_STALE = "CONSENT_STALE"
    CHAIN_STALE = "CHAIN_STALE"
    CHAIN_UNREACHABLE = "CHAIN_UNREACHABLE"
    REQUEST_MALFORMED = "REQUEST_MALFORMED"

    @property
    def remedy(self) -> str:
        """What the person who meets this refusal can do."""
        return _REMEDIES[self]


_REMEDIES = {
    Reason.PERMIT_MISSING: "Apply for a permit, and wait until the board has voted and every data holder accepted.",
    Reason.PERMIT_EXPIRED: "Apply for an extension or a new permit; an expired one cannot be revived.",
    Reason.PERMIT_REVOKED: "The ethics board revoked this permit; ask it for its reason before applying again.",
    Reason.PERMIT_FROZEN: "Wait until the freeze ends or the board lifts it; ask who froze it and why.",
    Reason.DATASET_NOT_COVERED: "Name only datasets that the permit covers and whose holder has not withdrawn them.",
    Reason.DATASET_UNPROVEN: "Ask the data holder to register a usable version of the dataset.",
    Reason.DATASET_FROZEN: "Wait until the data holder unfreezes the dataset.",
    Reason.DATASET_DESTROYED: "The dataset no longer exists; apply without it.",
    Reason.PURPOSE_MISMATCH: "Use the data only for the purpose that was approved, or apply for another.",
    Reason.CODE_MISMATCH: "Run exactly the code whose hash was approved, or apply with the new code.",
    Reason.CONFIG_MISMATCH: "Run with exactly the configuration that was approved, or apply with the new one.",
    Reason.MODEL_MISMATCH: "Send the model whose hash the data user opened this round with.",
    Reason.QUERY_MISMATCH: "Send the query, key and permit whose hash the data user opened on chain.",
    Reason.PARTICIPANTS_MISMATCH: "Send the list of participants that was opened on chain, in the same order.",
    Reason.COMPUTATION_NOT_PERMITTED: "The permit does not allow this kind of computation; apply for it.",
    Reason.ROUND_NOT_OPEN: "Only the permit's data user can open a round: open it on chain first.",
    Reason.QUERY_NOT_OPEN: "Only the permit's data user can open a query: open it on chain first.",
    Reason.ALREADY_SERVED: "Every round and query is answered once; open the next one.",
    Reason.ROUNDS_EXHAUSTED: "All approved rounds are used; apply for more.",
    Reason.QUERIES_EXHAUSTED: "All approved queries are used; apply for more.",
    Reason.BUDGET_EXHAUSTED: "The privacy budget of the permit or of the dataset is used up; apply for more.",
    Reason.TOO_FEW_HOSPITALS: "Include at least the approved minimum of hospitals.",
    Reason.COHORT_TOO_SMALL: "Widen the filter: this hospital has too few matching patients to answer safely.",
    Reason.CONSENT_STALE: "Wait until the data holder registers a version at the current consent root.",
    Reason.CHAIN_STALE: "The node's view of the chain is old or went backwards; check the chain node and its clock.",
    Reason.CHAIN_UNREACHABLE: "The node cannot reach its chain node; start it or correct its address.",
    Reason.REQUEST_MALFORMED: "Send a request of the documented form.",
}
