"""Whether a model may leave: named tests, each with what was found, the limit, and whether it passes.

    check = model.output_check()
    check.passed, check.table
    permit.release(model)                 runs it, and records the release on chain, or refuses with the reasons

1. The limits are the permit's: the key ``release`` of the configuration whose hash it names, or a strict rule.
2. Fail closed: what was not measured does not pass. Without an evaluation round of these very arrays, whose secure sum
   can be computed again from its record, nothing else matters.
3. What the model remembers: guessing by the loss who was trained on gains little, up to the end of the interval (Yeom
   et al., IEEE CSF 2018; docs/evaluation.md).
4. Size: a model with more numbers than patients could hold the patients themselves; and no array that the model's class
   does not declare, so that nothing travels beside it.
5. The evidence is the record of the evaluation round: whoever has it, and the chain, computes the same sums again.

It says nothing of who may use the model for what, nor that a model that passes tells nothing of anybody.
"""

import hashlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from belmont.federated.bounded.record import open_round
from belmont.federated.errors import FederatedError
from belmont.federated.hashes import model_hash
from belmont.lab import cards, documents, handing_in
from belmont.lab.errors import NotYet, OutputRefused
from belmont.lab.release_rule import ReleaseRule, read_release_rule
from belmont.registry.types import StudyId, UseKind

if TYPE_CHECKING:
    import pandas as pd

    from belmont.lab.models import StudyModel
    from belmont.lab.performance import Performance
    from belmont.lab.permit import Permit
    from belmont.lab.releases import Release

BYTES_PER_PARAMETER = 8


@dataclass(frozen=True)
class Test:
    """One of them. ``value`` and ``limit`` are as people read them."""

    name: str
    value: str
    limit: str
    passed: bool


@dataclass(frozen=True)
class OutputCheck:
    """All tests of one model, under one permit's rule."""

    rule: ReleaseRule
    tests: tuple[Test, ...]

    @property
    def passed(self) -> bool:
        return bool(self.tests) and all(each.passed for each in self.tests)

    @property
    def reasons(self) -> list[str]:
        """What does not pass, in words."""
        return [f"{each.name}: {each.value}, and the limit is {each.limit}" for each in self.tests if not each.passed]

    @property
    def table(self) -> "pd.DataFrame":
        """One row a test."""
        import pandas as pd

        return pd.DataFrame([asdict(each) for each in self.tests]).set_index("name")

    def to_dict(self) -> dict[str, object]:
        """For the model card."""
        return {"passed": self.passed, "rule": asdict(self.rule), "tests": [asdict(each) for each in self.tests]}

    def __repr__(self) -> str:
        said = "passed" if self.passed else "; ".join(self.reasons)
        return f"OutputCheck({len(self.tests)} tests, {said})"

    def _repr_html_(self) -> str:
        rows = [
            [t.name, t.value, t.limit, cards.badge("passed", cards.GOOD) if t.passed else cards.badge("no", cards.BAD)]
            for t in self.tests
        ]
        mark = cards.badge("passed", cards.GOOD) if self.passed else cards.badge("not passed", cards.BAD)
        return cards.card("Output check", cards.table(["test", "found", "limit", ""], rows), mark=mark)


def output_check(model: "StudyModel") -> OutputCheck:
    """Runs it, under the permit that the model was fitted under. Raises ``NotYet`` where it was fitted under none."""
    permit: Permit | None = getattr(model, "permit_", None)
    if permit is None:
        raise NotYet("this model has no permit with it, being fitted to rows here or loaded: there is no rule for it")
    rule = read_release_rule(model.config)
    performance: Performance | None = getattr(model, "performance_", None)
    tests = [*_bound(model, permit), *_evaluated(model, permit, performance), *_size(model, rule)]
    return OutputCheck(rule, (*tests, *_patients(model, performance, rule), _remembers(performance, rule)))


def released(permit: "Permit", model: "StudyModel") -> "Release":
    """What ``permit.release`` does: the one place from which a release is recorded. Raises ``OutputRefused``."""
    from belmont.lab.releases import record_release

    own: Permit | None = getattr(model, "permit_", None)
    if own is None or own.id != permit.id:
        raise OutputRefused([f"the model was fitted under {'no permit' if own is None else f'permit {own.id}'}"])
    check = output_check(model)
    if not check.passed:
        raise OutputRefused(check.reasons)
    performance = model.performance_
    card, evidence = model.card().to_bytes(), performance.record.to_bytes()
    for document in (card, evidence):
        documents.keep(permit.consortium.home, document)
    hashes = (hashlib.sha256(each).digest() for each in (card, evidence))
    release = record_release(permit, performance.model_hash, performance.n, *hashes)
    texts = [handing_in.Text(handing_in.MODEL_CARD, card), handing_in.Text(handing_in.EVIDENCE, evidence)]
    handing_in.hand_over(permit.consortium, StudyId(permit.id), permit.consortium.researcher, texts)
    return release


def _bound(model: "StudyModel", permit: "Permit") -> list[Test]:
    """That the rule, and all else, is what the permit was approved with (1)."""
    terms = permit.record.terms
    same = model.config_hash == terms.config_hash and model.code_hash == terms.code_hash
    return [Test("approved code and configuration", "the permit's" if same else "others", "the permit's", same)]


def _evaluated(model: "StudyModel", permit: "Permit", performance: "Performance | None") -> list[Test]:
    """Rule 2."""
    name = "evaluated under this permit"
    if performance is None or performance.permit_id != permit.id:
        return [Test(name, "no evaluation round", "these very arrays", False)]
    hashed = model_hash(model.fitted_arrays)
    opened = permit.consortium.registry.opened(permit.id, UseKind.ROUND, performance.n)
    same = performance.model_hash == hashed and opened is not None and opened.subject_hash == hashed
    said = f"round {performance.n}, " + ("of these arrays" if same else "of another model")
    return [Test(name, said, "these very arrays", same), _recomputed(permit, performance)]


def _recomputed(permit: "Permit", performance: "Performance") -> Test:
    """That the record gives the sums that all else here rests on (5)."""
    name, limit = "sums computed again from the round's record", "the same"
    try:
        record = performance.record
        arrays, _ = record.secure.decode(open_round(record, permit.consortium.registry).total)
    except (NotYet, FederatedError) as error:
        return Test(name, str(error), limit, False)
    (update,) = performance.result.updates
    same = set(arrays) == set(update.arrays) and all(np.array_equal(arrays[n], update.arrays[n]) for n in arrays)
    matches = (record.permit_id, record.n) == (performance.permit_id, performance.n)
    return Test(name, "the same" if same and matches else "others", limit, same and matches)


def _size(model: "StudyModel", rule: ReleaseRule) -> list[Test]:
    """Rule 4."""
    arrays = model.fitted_arrays
    parameters, size = sum(a.size for a in arrays.values()), sum(a.nbytes for a in arrays.values())
    most = BYTES_PER_PARAMETER * rule.max_parameters
    declared = model.declared()
    others = sorted(name for name, array in arrays.items() if declared.get(name) != array.shape)
    finite = all(bool(np.isfinite(array).all()) for array in arrays.values())
    return [
        Test("parameters", f"{parameters:,}", f"at most {rule.max_parameters:,}", parameters <= rule.max_parameters),
        Test("bytes", f"{size:,}", f"at most {most:,}", size <= most),
        Test("arrays that are not declared", ", ".join(others) or "none", "none", not others),
        Test("numbers", "finite" if finite else "not finite", "finite", finite),
    ]


def _patients(model: "StudyModel", performance: "Performance | None", rule: ReleaseRule) -> list[Test]:
    rounds = model.result_.rounds
    rows = min((each.rows for each in rounds), default=0)
    trained = min((sum(each.answered for each in ran.hospitals) for ran in rounds), default=0)
    hospitals = min(trained, 0 if performance is None else performance.answered)
    parameters = sum(array.size for array in model.fitted_arrays.values())
    enough = hospitals >= rule.min_hospitals
    return [
        Test("patients trained on", f"{rows:,}", f"at least {rule.min_rows:,}", rows >= rule.min_rows),
        Test("patients for each parameter", f"{rows / max(parameters, 1):.1f}", "at least 1", rows >= parameters > 0),
        Test("hospitals in every round", f"{hospitals}", f"at least {rule.min_hospitals}", enough),
    ]


def _remembers(performance: "Performance | None", rule: ReleaseRule) -> Test:
    """Rule 3."""
    name, limit = "advantage of guessing who was trained on", f"at most {rule.max_membership_advantage:g}"
    found = None if performance is None else performance.membership
    if found is None or not np.isfinite(found.upper):
        return Test(name, "not measured", limit, False)
    said = f"{found.advantage.value:.3f}, at most {found.upper:.3f}"
    return Test(name, said, limit, bool(found.upper <= rule.max_membership_advantage))
