"""What leaves each hospital under a study's terms, what protects its patients, and what does not.

1. What is not protected is said as plainly as what is: docs/secure_aggregation.md, docs/differential_privacy.md and the
   README's "does not do yet" are where it comes from, and change with it.
2. Where the configuration is not given, what depends on it is not known, and said to be that.
"""

from dataclasses import dataclass
from functools import cached_property

from belmont.federated.accounting.settings import Clipping
from belmont.federated.errors import FederatedError
from belmont.federated.evaluation.layout import reports_hospitals
from belmont.federated.hashes import RunConfig
from belmont.federated.models.approved import Approved, read_approved
from belmont.federated.models.bundles import shipped_name_of
from belmont.federated.query.aggregate import SMALLEST_CELL
from belmont.federated.secagg.settings import threshold_of
from belmont.registry.limits import TOTAL_HOSPITALS_MIN
from belmont.registry.types import AnswerMode, Computation, StudyTerms
from belmont.service.explain import privacy
from belmont.service.words import Sentence, counted


@dataclass(frozen=True)
class Protection:
    """Of one application or permit; ``config`` is None where only its hash is known."""

    terms: StudyTerms
    config: RunConfig | None

    @cached_property
    def approved(self) -> Approved | None:
        """What the configuration asks for; None where it is not here, or nodes refuse it."""
        if self.config is None:
            return None
        try:
            return read_approved(self.config)
        except FederatedError:
            return None

    @property
    def threshold(self) -> int:
        """How many hospitals a sum is over, at least."""
        return threshold_of(len(self.terms.datasets), self.terms.min_hospitals)

    @property
    def trains(self) -> bool:
        return Computation.TRAINING in self.terms.computations

    @property
    def asks(self) -> bool:
        """Whether queries are answered: with noise none are, since answers have none."""
        return Computation.QUERY in self.terms.computations and self.terms.answer_mode is AnswerMode.EXACT

    # --- what leaves ---

    def leaves(self) -> tuple[Sentence, ...]:
        """What goes out of each hospital."""
        said = [Sentence("No patient's record leaves a hospital.")]
        if self.trains:
            said += self._round_leaves()
        if Computation.QUERY in self.terms.computations and not self.asks:
            said.append(Sentence("Nodes answer no query under this permit: it admits only what has noise."))
        if self.asks:
            said.append(
                counted(
                    "For each query an answer leaves, encrypted and masked: only the total over all {n} hospital "
                    "can be read, by the applicant. A count, sum, mean or variance is one to three numbers.",
                    "For each query an answer leaves, encrypted and masked: only the total over all {n} hospitals "
                    "can be read, by the applicant. A count, sum, mean or variance is one to three numbers.",
                    len(self.terms.datasets),
                )
            )
        return tuple(said)

    def _round_leaves(self) -> list[Sentence]:
        if self.config is None:
            return [Sentence("How many numbers leave in a round, and who can read them, is in the configuration.")]
        if self.approved is None:
            return [Sentence("Nodes refuse this configuration: nothing would leave, and nothing be computed.")]
        secure, noise, bounds = self.approved.secure, self.approved.noise, self.approved.bounds
        if secure is None:
            return [
                Sentence(
                    "In each round every hospital's own update leaves as it is: the coordinator and the applicant can "
                    "read the numbers of each single hospital."
                )
            ]
        said = [
            counted(
                "In each round {n} number leaves every hospital, masked: only the sum over at least {hospitals} "
                "hospitals can be read, not what one hospital sent.",
                "In each round {n} numbers leave every hospital, masked: only the sum over at least {hospitals} "
                "hospitals can be read, not what one hospital sent.",
                secure.layout.size,
                hospitals=self.threshold,
            )
        ]
        if self.approved.evaluation is not None:
            said.append(
                counted(
                    "In a round of evaluation it is {n} number, hidden in the same way.",
                    "In a round of evaluation it is {n} numbers, hidden in the same way.",
                    self.approved.evaluation.layout.size,
                )
            )
        if bounds is not None:
            said.append(
                Sentence(
                    "Each hospital proves that none of its numbers is larger than {bound}.",
                    bound=bounds.bound / 2**secure.fraction_bits,
                )
            )
        if noise is not None:
            said.append(Sentence("Each hospital adds random noise before its numbers leave, so that no sum is exact."))
        return said

    # --- what protects ---

    def protects(self) -> tuple[Sentence, ...]:
        """What keeps a study within its terms."""
        terms = self.terms
        said = [
            Sentence(
                "Each hospital's own node checks the permit before it computes, and again before anything leaves: "
                "purpose, code, configuration, number, consents, and that the dataset is proven. What does not fit is "
                "refused."
            ),
            Sentence(
                "At least {hospitals} hospitals take part each time, each with at least {patients} patients.",
                hospitals=terms.min_hospitals,
                patients=terms.min_cohort,
            ),
            Sentence(
                "Only patients whose consent permits this use take part. A consent that is taken back counts from the "
                "next round and the next query on."
            ),
            Sentence(
                "Any one member of the board and any one of the hospitals can freeze the permit at once; the board's "
                "quorum can revoke it, and each hospital can withdraw its own dataset for good."
            ),
            Sentence("Every vote, round, query and use is recorded where anybody can check it."),
        ]
        if self.asks or self.trains:
            said.append(
                Sentence(
                    "Without noise, groups of fewer than {patients} patients at a hospital are left out of "
                    "distributions and of what models may single out.",
                    patients=SMALLEST_CELL,
                )
            )
        if terms.rho_per_dataset:
            said += [
                Sentence(
                    "The privacy budget of each dataset is {amount}.", amount=privacy.amount(terms.rho_per_dataset)
                ),
                privacy.meaning(terms.rho_per_dataset),
            ]
        return tuple(said)

    # --- what does not ---

    def lacks(self) -> tuple[Sentence, ...]:
        """What is not protected (1)."""
        said: list[Sentence] = []
        if self.config is None and self.trains:
            said.append(
                Sentence(
                    "Whether a hospital's own update is hidden, and whether there is noise, is not known here: the "
                    "configuration says so, and it was not handed over."
                )
            )
        if self.trains and self.approved is not None:
            said += self._training_lacks(self.approved)
        if self.asks:
            said += _ANSWERS
            if len(self.terms.datasets) < TOTAL_HOSPITALS_MIN:
                said.append(Sentence("With fewer than three hospitals no query is answered."))
        said.append(
            Sentence(
                "Proofs show that a dataset is well-formed and unchanged. They do not show that its patients exist."
            )
        )
        return tuple(said)

    def _training_lacks(self, approved: Approved) -> list[Sentence]:
        said = []
        is_own = shipped_name_of(self.terms.code_hash) is None
        if approved.secure is None:
            said.append(
                Sentence(
                    "Single hospitals are not hidden: their updates can be read, and from an update much can often be "
                    "told of the records behind it."
                )
            )
        else:
            said.append(
                counted(
                    "If {n} hospital or more works together with the applicant, they can read the updates of the "
                    "others.",
                    "If {n} hospitals or more work together with the applicant, they can read the updates of the "
                    "others.",
                    max(1, self.threshold - 1),
                )
            )
        if approved.noise is None:
            said += [
                Sentence(
                    "The results of rounds are exact. A total says something of each record in it: two rounds of which "
                    "one leaves a patient out differ by that patient's part, and a model that was made for the purpose "
                    "can single patients out. The number of rounds limits that, noise would prevent it."
                ),
            ]
        else:
            said += self._noise_lacks(approved, is_own)
        if approved.secure is not None and approved.bounds is None:
            said.append(Sentence("A hospital can send made-up numbers of any size, and nobody would notice."))
        elif approved.bounds is not None:
            said.append(Sentence("A hospital can send made-up numbers within the bound, and nobody would notice."))
        if self.config is not None and _shows_hospitals(self.config):
            said.append(Sentence("Each single hospital's own results of the evaluation are shown."))
        if is_own:
            said.append(
                Sentence(
                    "What the applicant's own code puts into the numbers is limited by their form and by noise alone: "
                    "code can be written so that it copies single records into them."
                )
            )
        return said

    def _noise_lacks(self, approved: Approved, is_own: bool) -> list[Sentence]:
        noise = approved.noise
        if noise is None:
            return []
        said = [Sentence("That each hospital really adds its noise is not proved.")]
        if noise.honest_contributors > 1:
            said.append(
                Sentence(
                    "The noise is counted on to come from {honest} hospitals that do not work together with the "
                    "applicant; with fewer it protects less than is said above.",
                    honest=noise.honest_contributors,
                )
            )
        if noise.clipping is Clipping.EXAMPLE and is_own:
            said.append(
                Sentence(
                    "The noise protects a patient only if each record's part is computed from that record alone; the "
                    "applicant's code decides that."
                )
            )
        said.append(
            Sentence(
                "Whether a computation fails or is refused has no noise, and tells something for each round and "
                "hospital."
            )
        )
        if self.terms.answer_mode is AnswerMode.EXACT:
            said.append(Sentence("The permit also admits rounds without noise: what these say comes on top."))
        return said


_ANSWERS = (
    Sentence(
        "Answers to queries are exact. Two queries with overlapping filters can be subtracted from each other, and "
        "so can the same query before and after a hospital left; the difference may be about few patients."
    ),
    Sentence("That a query is refused for too few patients tells something about that hospital."),
)


def _shows_hospitals(config: RunConfig) -> bool:
    try:
        return reports_hospitals(config)
    except FederatedError:
        return False
