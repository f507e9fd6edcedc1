"""Why a proof, a commitment or an opening is refused.

ZkError
├── SetupError            the ceremony's file is missing or not the pinned one
├── LayoutError           column kinds and widths that no proof can be made for
├── WitnessError          the rows are not what the layout allows: there is nothing to prove
├── CohortError           a filter or total that the layout has no columns or codes for
├── ProofMalformed        bytes that are no proof, or more or less than one
├── ProofRefused          a proof that does not hold; `.step` is the step of docs/protocol.md
├── CommitmentMismatch    rows, blinding and commitments do not belong together
├── WorkerLost            a process that computed a part of a proof has ended
├── BudgetError           the file that counts evaluations cannot be used
├── OpeningsExhausted     a commitment has no evaluation left to give: refresh it
├── TotalError            a total, opening or mask that cannot be used
│   └── TotalRefuted      the openings do not add up to the total: somebody lied
└── UpdateError           an update, or what belongs to one, that cannot be used
    └── UpdateRefuted     an update is not what was committed to: somebody lied
"""


class ZkError(Exception):
    """Base of everything this area refuses."""

    def diagnostics(self) -> str:
        """What a person can do about it."""
        return "Read docs/proofs.md."


class SetupError(ZkError):
    """The Ethereum KZG ceremony's file cannot be used."""

    def diagnostics(self) -> str:
        return "Reinstall eth-account: the ceremony's file comes with it."


class LayoutError(ZkError):
    """A layout that breaks a rule of docs/protocol.md, "Layout"."""

    def diagnostics(self) -> str:
        return "Change the data dictionary: fewer distinct widths, or coarser steps."


class WitnessError(ZkError):
    """Rows that the layout does not allow; names the column and the row."""

    def diagnostics(self) -> str:
        return "Code the records again with the dictionary: a value lies outside what it allows."


class CohortError(ZkError):
    """A filter or a total that cannot be proved."""

    def diagnostics(self) -> str:
        return "Name columns and codes of the data dictionary."


class ProofMalformed(ZkError):
    """Not the one encoding of a proof."""

    def diagnostics(self) -> str:
        return "Ask for the file again: it is damaged, or not a proof of this version."


class ProofRefused(ZkError):
    """The proof does not show what it states. ``step`` is the failed step of docs/protocol.md, such as "V8"."""

    def __init__(self, step: str, why: str) -> None:
        super().__init__(f"{step}: {why}")
        self.step = step

    def diagnostics(self) -> str:
        return "Do not use these data. Whoever made the proof has to register and prove them anew."


class CommitmentMismatch(ZkError):
    """Commitments that are not those of the rows, or not those that were registered."""

    def diagnostics(self) -> str:
        return "Restore the stored table from the vault, or register a new version."


class WorkerLost(ZkError):
    """A process that computed a part of a proof has ended, or could not say what went wrong in it."""

    def diagnostics(self) -> str:
        return "Make the proof again, with fewer processes if the machine ran out of memory."


class BudgetError(ZkError):
    """The file that counts evaluations cannot be used, or was asked to count nothing."""

    def diagnostics(self) -> str:
        return "Send no proof. If the file is lost, register a new version of the same rows: it begins a budget anew."


class OpeningsExhausted(ZkError):
    """One evaluation more would let others compute rows from the commitment."""

    def diagnostics(self) -> str:
        return "Register a new version of the same rows: fresh blinding gives a fresh budget."


class TotalError(ZkError):
    """A total, an opening or a mask that cannot be used."""

    def diagnostics(self) -> str:
        return "Ask the query again, under a new number."


class TotalRefuted(TotalError):
    """The total is not the sum of what the hospitals registered."""

    def diagnostics(self) -> str:
        return "Take the query to the ethics board: each hospital discloses its part to it, and the liar is found."


class UpdateError(ZkError):
    """An update, a bound, an opening or a mask that cannot be used."""

    def diagnostics(self) -> str:
        return "Sizes, bounds and participants have to be those of permit and round: docs/bounded_updates.md."


class UpdateRefuted(UpdateError):
    """What was shown is not what was committed to."""

    def diagnostics(self) -> str:
        return "Take the round to the ethics board: each hospital commits to its masks, and the liar is found."
