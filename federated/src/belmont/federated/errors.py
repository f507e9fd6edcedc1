"""Errors of the federated area.

    FederatedError
    ├── Refusal            a node will not compute or release, with the typed reason
    ├── NodeFault          a node cannot serve: nothing leaves, and its operator has to act
    │   ├── LedgerError    its ledger cannot be used
    │   ├── NotIsolated    its machine does not confine a study's code as it has to
    │   └── NotRegistered  the stored rows are not those whose commitments are on chain
    ├── BundleError        a Flower App Bundle cannot be built or loaded
    ├── AppFailed          the study's code raised, or answered what a node may not release
    │   └── AppStopped     it passed a limit of the hospital's
    ├── CoordinatorError   the coordinator cannot be reached, or does not do what was asked
    ├── RequestUnsigned    a request to a coordinator is not signed by whom it names, or not for it, or not new
    ├── PrivacyError       an update, a noise or a charge that the privacy accounting cannot stand for: nothing leaves
    │   └── SettingsRefused  the approved configuration's privacy settings are not fully understood
    ├── ProfileError       a dataset's profile cannot be made or kept: nothing is published
    │   ├── ProfileRefused what was read is no profile, or not what it says of itself
    │   └── PublicationsSpent  another publication would pass the dataset's cap
    ├── QueryError         a query, key or answer that cannot be used
    │   ├── AnswerRejected one hospital's answer is not what it has to be; names the hospital
    │   ├── NotProved      an answer that had to be proved, and cannot be
    │   └── TotalRefuted   the proof does not hold for the total: somebody lied; has what the board needs
    ├── SecAggError        secure aggregation: nothing was masked, released or opened
    │   ├── PackageRefused what one participant set up cannot be used; names it
    │   ├── EncodingRefused  numbers that would not come back from the sum as they went in
    │   ├── ReleaseRefused this hospital may not release its shares
    │   ├── VectorRejected one hospital's masked vector is missing or not the one it recorded; names it
    │   ├── UpdateUnproved one hospital's update is not proved to be within the permit's bound; names it
    │   ├── DealerRefuted  one hospital dealt shares of something else than it committed to; names it
    │   └── NotEnoughShares  too few hospitals released shares that are right; names who did not
    ├── RoundRefuted       a round's total is not the sum of the updates committed to: names who lied
    ├── RoundRefused       a round ended because hospitals refused
    ├── Diverged           local steps ran away: the model is as it was, and something has to change
    └── QueryRefused       a query ended because hospitals refused

A refusal travels as a Flower error with code REFUSED and the JSON of ``Refusal.to_json``.
"""

import json
from typing import TYPE_CHECKING

from belmont.registry.reasons import Reason
from belmont.registry.strict_json import loads
from belmont.zk import errors as zk_errors

if TYPE_CHECKING:
    from belmont.federated.bounded.blame import Verdict
    from belmont.federated.bounded.record import RoundRecord
    from belmont.federated.outcome import HospitalOutcome
    from belmont.federated.query.case import Case, Place
    from belmont.registry.types import DatasetId

REFUSED = 451
"""Flower error code of a refusal (Flower's own codes are small; 451 is HTTP's "unavailable for legal reasons")."""

APP_FAILED = 452
"""Flower error code for a study's code that failed. Nothing of the exception travels."""

NODE_FAULT = 453
"""Flower error code of a node that cannot serve."""

MAX_DETAIL_CHARS = 500


class FederatedError(Exception):
    """Anything that goes wrong here."""


class Refusal(FederatedError):
    """A node refuses: nothing was computed, or what was computed stays at home."""

    def __init__(self, reason: Reason, detail: str = "", remedy: str = "") -> None:
        self.reason = reason
        self.detail = detail[:MAX_DETAIL_CHARS]
        self.remedy = remedy or reason.remedy
        super().__init__(f"{reason}: {self.detail or self.remedy}")

    def to_json(self) -> str:
        return json.dumps({"reason": str(self.reason), "detail": self.detail, "remedy": self.remedy})

    @classmethod
    def from_json(cls, text: str) -> "Refusal":
        """Read what a node sent. A reason this version does not know is an error, never a silent acceptance."""
        try:
            fields = loads(text)
            return cls(Reason(fields["reason"]), str(fields.get("detail", "")), str(fields.get("remedy", "")))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise FederatedError("a node sent an unreadable refusal; check that both run one version") from error


class NodeFault(FederatedError):
    """A node cannot serve, through no fault of the request. The text goes to the researcher: it names no records."""


class LedgerError(NodeFault):
    """The ledger file belongs to another dataset, or cannot be read or written."""


class NotIsolated(NodeFault):
    """This machine does not confine a study's code as a hospital needs it; names what is missing. Nothing is run."""


class NotRegistered(NodeFault):
    """The rows of a version are not those whose commitments the chain has; nothing is computed on them."""


class BundleError(FederatedError):
    """The app folder or the bundle's bytes are not a Flower app that a node can load."""


class AppFailed(FederatedError):
    """The study's code raised at a hospital, or answered what cannot be released.

    The text is always the same: an exception's text, and even the name of its class, is chosen by the study's code and
    could hold records.
    """

    sentence = "the study's code failed; the hospital's log says where"

    def __init__(self) -> None:
        super().__init__(self.sentence)


class AppStopped(AppFailed):
    """The study's code was stopped at the hospital's limits of time, memory or answer. The text is always the same."""

    sentence = "the study's code was stopped at a limit of the hospital's; its log says which"


class CoordinatorError(FederatedError):
    """The coordinator does not answer, refuses, or answers what cannot be read; the text says what to do.

    ``status`` is the HTTP status of a refusal, None for anything else.
    """

    def __init__(self, text: str, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status

    @property
    def may_pass(self) -> bool:
        """Whether the same may go well later: it was not reached, failed, or had too much to do."""
        return self.status is None or self.status in (408, 429) or self.status >= 500


class RequestUnsigned(FederatedError):
    """A signed HTTP request that is not what it has to be (`belmont.federated.deployed.signed_requests`)."""


class PrivacyError(FederatedError):
    """What was asked of clipping, noise or accounting has no guarantee behind it; nothing leaves."""


class SettingsRefused(PrivacyError):
    """A configuration's privacy settings are missing in part, unknown, of a wrong type, or out of range."""


class ProfileError(FederatedError):
    """A dataset's profile cannot be made or kept; nothing is published."""


class ProfileRefused(ProfileError):
    """What was read is no profile in its one encoding, or not what it says of itself."""


class PublicationsSpent(ProfileError):
    """Another publication would pass what may ever be published of the dataset."""


class QueryError(FederatedError):
    """A query that is not well formed, a key that does not fit, or an answer that cannot be decrypted."""


class AnswerRejected(QueryError):
    """One hospital's answer is malformed, unsigned, or rests on other commitments than it registered."""

    def __init__(self, dataset_id: "DatasetId", name: str, place: "Place", why: str) -> None:
        self.dataset_id = dataset_id
        self.place = place
        super().__init__(f"{name}: {why}")


class NotProved(QueryError):
    """The caller asked for a proved answer, and this one cannot be proved; the text says why."""


class TotalRefuted(QueryError, zk_errors.TotalRefuted):
    """The decrypted total is not the true one: a hospital lied. ``case`` is what the ethics board needs to find it."""

    def __init__(self, why: str, case: "Case") -> None:
        self.case = case
        super().__init__(
            f"{why}. Give `error.case` to the ethics board: each hospital discloses its part to it, and "
            "`belmont.federated.query.blame.investigate` names who lied."
        )


class SecAggError(FederatedError):
    """Secure aggregation cannot go on: nothing was masked, released or opened."""


class PackageRefused(SecAggError):
    """A participant's package does not open here, or holds what its public part does not say."""

    def __init__(self, dataset_id: "DatasetId", why: str) -> None:
        self.dataset_id = dataset_id
        super().__init__(f"the package of dataset {dataset_id.hex()[:12]}: {why}")


class EncodingRefused(SecAggError):
    """A number that is not finite or too large for the sum, or arrays of another layout."""


class ReleaseRefused(SecAggError):
    """By the state of the chain, this hospital may not release its shares (yet)."""


class VectorRejected(SecAggError):
    """A recorded hospital's masked vector is missing, or is not what it recorded on chain."""

    def __init__(self, dataset_id: "DatasetId", why: str) -> None:
        self.dataset_id = dataset_id
        super().__init__(f"the masked vector of dataset {dataset_id.hex()[:12]}: {why}")


class UpdateUnproved(SecAggError):
    """A recorded hospital's update comes without a proof that it is within the permit's bound."""

    def __init__(self, dataset_id: "DatasetId", why: str) -> None:
        self.dataset_id = dataset_id
        super().__init__(f"the update of dataset {dataset_id.hex()[:12]} is not proved to be within its bound: {why}")


class DealerRefuted(SecAggError):
    """All shares are as this hospital dealt them, and do not give the secret that it committed to."""

    def __init__(self, dataset_id: "DatasetId", what: str) -> None:
        self.dataset_id = dataset_id
        super().__init__(f"dataset {dataset_id.hex()[:12]} dealt shares that do not give its {what}")


class NotEnoughShares(SecAggError):
    """Fewer hospitals than the threshold released right shares. More may come: releasing can be repeated."""

    def __init__(self, threshold: int, missing: "tuple[DatasetId, ...]", wrong: "tuple[DatasetId, ...]") -> None:
        self.missing = missing
        """Recorded, and has not released."""
        self.wrong = wrong
        """Released what was not dealt to it."""
        named = ", ".join(each.hex()[:12] for each in missing) or "none"
        bad = ", ".join(each.hex()[:12] for each in wrong) or "none"
        super().__init__(f"shares of {threshold} hospitals are needed; missing: {named}; wrong: {bad}")


class RoundRefuted(FederatedError):
    """A secure round's total is not the sum of what its hospitals committed to. The model is unchanged.

    ``record`` is what a board needs to check it, ``verdict`` whom the hospitals' accounts of their masks name; None
    until they were asked.
    """

    def __init__(self, n: int, why: str, record: "RoundRecord", verdict: "Verdict | None" = None) -> None:
        self.n = n
        self.why = why
        self.record = record
        self.verdict = verdict
        named = "" if verdict is None else f"; {verdict!r}"
        super().__init__(f"round {n}: {why}{named}. Give `error.record` to the ethics board.")


class Diverged(FederatedError):
    """Local steps of a round ended in numbers that are not finite, or far too large. The model is unchanged.

    ``share`` is the share of all rows whose hospitals said so; 0 where nobody did and the mean is not finite.
    """

    def __init__(self, share: float) -> None:
        self.share = share
        where = f"at hospitals with {share:.0%} of the rows" if share else "in the mean over the hospitals"
        super().__init__(
            f"the local steps of this round ran away {where}; the model is as it was. Take a smaller learning rate (a "
            "third), fewer epochs a round, or less momentum; for squared loss give the outcome's center and scale; "
            "leave out features that are constant or far from their reference values."
        )


class _Refused(FederatedError):
    """Which hospitals refused, and why."""

    noun = ""

    def __init__(self, n: int, hospitals: "tuple[HospitalOutcome, ...]") -> None:
        self.n = n
        self.hospitals = hospitals
        lines = [f"{h.name}: {h.reason or h.status}: {h.detail or h.remedy}" for h in hospitals if not h.answered]
        super().__init__(f"{self.noun} {n} was not answered by every hospital:\n" + "\n".join(lines))

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """The distinct reasons met, in the hospitals' order."""
        return tuple(dict.fromkeys(h.reason for h in self.hospitals if h.reason is not None))


class RoundRefused(_Refused):
    """A federated round that at least one hospital refused or failed; the model is unchanged."""

    noun = "Round"


class QueryRefused(_Refused):
    """An encrypted query that at least one hospital refused: the masks of the rest do not cancel."""

    noun = "Query"
