"""What is to be seen of a study's code by running it: each check runs it on rows made for one question.

Every task runs in the checker's own watched process (`lab.own.watched`), and one in a hospital's isolated one.
"""

from collections.abc import Iterator

import numpy as np

from belmont.federated.errors import FederatedError, NotIsolated
from belmont.federated.evaluation.layout import refuse_small_sums
from belmont.federated.executor.isolated import IsolatedRunner
from belmont.federated.executor.probe import WAIVABLE
from belmont.federated.executor.protocol import Answer, Failed, Stopped, TooSmall
from belmont.federated.models.combine import ROWS_METRIC
from belmont.federated.models.rehearsal import Rehearsal
from belmont.federated.query.aggregate import SMALLEST_CELL
from belmont.federated.table import NodeTable
from belmont.lab.own.answers import (
    ANYBODY,
    APART,
    CLOSE,
    COHORT,
    FORM,
    OUTSIDE,
    PER_ROW,
    READING,
    SAME,
    alike,
    explained,
    fits,
    same,
    same_arrays,
)
from belmont.lab.own.findings import Finding, Level
from belmont.lab.own.hospitals import copied, edges, marked, repeated, with_row_of, without_row
from belmont.lab.own.subject import Subject, spread
from belmont.lab.own.watched import WatchedRunner


def form(subject: Subject) -> list[Finding]:
    """The code answers at each hospital, in the form that was applied for."""
    found: list[Finding] = []
    for k, table in enumerate(subject.tables):
        where = f"hospital {k + 1} of the check, {table.rows} rows"
        trial = subject.run(table, node_id=k + 1)
        finding = explained(trial, subject.runner.limits, where)
        found += [finding] if finding else list(fits(subject, trial.outcome, table, where))
        if found:
            return found
    return found


def rounds(subject: Subject, count: int) -> list[Finding]:
    """Some rounds, and each answer becomes the next model. The model that they led to is kept for the other checks."""
    rehearsal = Rehearsal(
        subject.bundle, subject.config, subject.model, subject.combine, subject.tables, runner=subject.runner
    )
    try:
        for _ in range(count):
            rehearsal.round()
    except Exception as error:  # of whatever kind: how updates are combined is the researcher's code
        last = subject.runner.trials[-1]
        what = f"a round does not become a model: {last.error or f'{type(error).__name__}: {error}'}"
        remedy = "the arrays of an update are those of the model, unless combination= says how they become one"
        return [Finding(Level.REFUSED, what, remedy, FORM)]
    bad = [name for name, array in rehearsal.model.items() if not np.isfinite(array).all()]
    subject.model = rehearsal.model if not bad else subject.model
    if bad:
        what = f"after {count} rounds the model's {', '.join(bad)} is not finite"
        return [Finding(Level.REFUSED, what, "take smaller steps, or standardised columns", FORM)]
    return []


def repeatable(subject: Subject, other: WatchedRunner) -> list[Finding]:
    """Twice in one process, once in one where Python hashes text otherwise, and once as another node."""
    table = subject.tables[0]
    first, again = subject.run(table).outcome, subject.run(table).outcome
    if not same(first, again):
        what = "two runs on the same rows give different answers: by chance without a seed, or the clock"
        remedy = "seed by the round: numpy.random.default_rng(int(message.metadata.group_id)); read no clock"
        return [Finding(Level.UNSAFE, what, remedy, SAME)]
    if not same(first, subject.run(table, other).outcome):
        what = "the answer depends on how Python hashes text: on the order of a set, for example"
        return [Finding(Level.UNSAFE, what, "sort before you go through a set of names", SAME)]
    if not same(first, subject.run(table, node_id=77).outcome):
        what = "the answer depends on the number of the node: hospitals are not treated alike"
        return [Finding(Level.NOTE, what, "seed by the round alone, unless this is meant; say so to the board", SAME)]
    return []


def from_rows(subject: Subject) -> list[Finding]:
    """What an answer is made of: of rows at all, of none in particular, in a form that does not grow with them."""
    table, found = subject.tables[0], []
    answer = subject.run(table).outcome
    twice = subject.run(repeated(table)).outcome
    if not isinstance(answer, Answer):
        return []
    if isinstance(twice, Answer) and _shapes(answer, subject.is_noisy) != _shapes(twice, subject.is_noisy):
        what = "the shape of an answer grows with the number of rows: it can hold every one of them"
        remedy = "answer sums or means over rows, of a shape that the columns fix"
        found.append(Finding(Level.UNSAFE, what, remedy, READING))
    elif not subject.is_noisy:
        found += _copies(subject, table)
    others = [subject.run(each).outcome for each in subject.tables[1:]]
    if others and all(same_arrays(answer, each) for each in others):
        what = "every hospital gives the same answer: it does not depend on the rows"
        found.append(Finding(Level.UNSAFE, what, "compute it from the rows of training_data", READING))
    cells = sum(array.size for array in answer.arrays.values()) if not subject.is_noisy else 0
    values = subject.min_cohort * (1 + len(subject.features))
    if cells > values:
        what = f"an answer has {cells:,} numbers, and the smallest cohort {values:,} values: it could hold all of them"
        remedy = "ask for secure sums, a larger min_cohort or noise; a smaller model learns less of one patient"
        found.append(Finding(Level.NOTE, what, remedy, READING))
    return found


def too_few(subject: Subject) -> list[Finding]:
    """Fewer rows than the permit's minimum."""
    rows = max(1, subject.min_cohort - 1)
    table = subject.tables[0]
    few = copied(table).select(np.arange(table.rows) < rows)
    trial = subject.run(few, min_cohort=rows + 1, smallest_cell=1 if subject.is_noisy else SMALLEST_CELL)
    if isinstance(trial.outcome, Answer):
        what = f"it answers from {few.rows} rows where the permit's minimum is {rows + 1}"
        remedy = "take rows from training_data or coded_data alone, and let their error through"
        return [Finding(Level.UNSAFE, what, remedy, COHORT)]
    return []


def anybody(subject: Subject) -> list[Finding]:
    """Hospitals that are small, one-sided or constant."""
    found = []
    largest = max(subject.tables, key=lambda table: table.rows)
    for name, table in edges(largest, subject.features, subject.outcome).items():
        trial = subject.run(table)
        finding = explained(trial, subject.runner.limits, name)
        if finding is None:
            finding = next(fits(subject, trial.outcome, table, name), None)
        if finding is not None and not isinstance(trial.outcome, TooSmall):
            level, remedy = finding.level, f"treat it: a round needs every hospital's answer. {finding.remedy}"
            if table.rows < subject.min_cohort:
                level = Level.NOTE
                remedy = f"nothing while min_cohort is {subject.min_cohort}: such a hospital is refused by its node"
            found.append(Finding(level, finding.what, remedy, f"{ANYBODY}; {finding.rule}", name))
    return found


def by_row(subject: Subject) -> list[Finding]:
    """With noise by row, one row's contribution is of that row and the model alone."""
    if subject.noise is None or str(subject.noise.clipping) != "example":
        return []
    table = subject.tables[0]
    usable = np.flatnonzero(np.asarray(table.observed(subject.outcome), bool))
    row, other = int(usable[0]), int(usable[-1])
    before = subject.run(table).outcome
    swapped = subject.run(with_row_of(table, subject.features, row, other)).outcome
    removed = subject.run(without_row(table, row)).outcome
    if not (isinstance(before, Answer) and isinstance(swapped, Answer) and isinstance(removed, Answer)):
        return []
    moved = any(
        swapped.arrays[name].shape != array.shape or not alike(array[1:], swapped.arrays[name][1:])
        for name, array in before.arrays.items()
    )
    shifted = any(
        removed.arrays[name].shape != array[1:].shape or not alike(array[1:], removed.arrays[name])
        for name, array in before.arrays.items()
    )
    if moved or shifted:
        what = "one row's contribution changes when another row does: noise does not protect that patient"
        remedy = "compute each row's gradient from that row and the model; standardise by the references alone"
        return [Finding(Level.UNSAFE, what, remedy, PER_ROW)]
    return []


def kept_apart(subject: Subject) -> list[Finding]:
    """Patients who are kept apart teach the model nothing; and it can be evaluated on them."""
    if not subject.holdout:
        return []
    table, found = subject.tables[0], []
    fractions = spread(table.rows)
    other, _ = marked(table, subject.features, fractions < subject.holdout)
    before, after = (subject.run(each, fractions=fractions).outcome for each in (table, other))
    if isinstance(before, Answer) and isinstance(after, Answer) and not same(before, after):
        what = "patients who are kept apart for the evaluation change what the model learns"
        found.append(Finding(Level.UNSAFE, what, "ask training_data for keep=(holdout, 1.0)", APART))
    trial = subject.run(table, kind="evaluate", fractions=fractions)
    finding = explained(trial, subject.runner.limits, "evaluation")
    if finding is None:
        finding = next(fits(subject, trial.outcome, table, "evaluation", "evaluate"), None)
    if finding is None and not subject.is_noisy:
        least = subject.min_cohort
        guarded = subject.run(
            table, kind="evaluate", fractions=fractions, min_cohort=least, smallest_cell=SMALLEST_CELL
        ).outcome
        try:
            if isinstance(guarded, Answer):
                refuse_small_sums(subject.config, guarded.arrays, least, SMALLEST_CELL)
        except FederatedError as error:
            remedy = "answer by evaluated or evaluated_codes, which leave small parts out"
            finding = Finding(Level.REFUSED, str(error), remedy, APART, "evaluation")
    return found + ([finding] if finding else [])


def isolated(subject: Subject) -> tuple[list[Finding], str]:
    """Once as a hospital runs it, where this machine can; and how it went."""
    try:
        runner = IsolatedRunner(subject.runner.limits, allow_weaker=WAIVABLE)
    except (NotIsolated, FederatedError) as error:
        return [], f"not possible on this machine: {error}"
    try:
        here, there = subject.run(subject.tables[0]).outcome, runner.run(subject.task(subject.tables[0]))
        held = str(runner.isolation)
    finally:
        runner.close()
    if isinstance(there, Answer) and isinstance(here, Answer) and not same(here, there):
        what = "the answer in a hospital's isolated process is another than here"
        return [Finding(Level.UNSAFE, what, "use the message, the configuration and the rows alone", OUTSIDE)], held
    if isinstance(here, Answer) and not isinstance(there, Answer):
        why = (
            there.place if isinstance(there, Failed) else there.limit if isinstance(there, Stopped) else "too few rows"
        )
        what = f"it runs here, and not in a hospital's isolated process: {why}"
        return [Finding(Level.REFUSED, what, "it has no network, no files, no programs, one user", OUTSIDE)], held
    return [], held


def _copies(subject: Subject, table: NodeTable) -> Iterator[Finding]:
    made, marks = marked(table, (*subject.features, subject.outcome))
    outcome = subject.run(made).outcome
    if not isinstance(outcome, Answer) or not len(marks):
        return
    marks = np.sort(marks)
    metrics = np.array([value for name, value in outcome.metrics.items() if name != ROWS_METRIC], np.float64)
    for name, numbers in (*outcome.arrays.items(), ("a metric", metrics)):
        flat = np.asarray(numbers, np.float64).ravel()
        at = np.clip(np.searchsorted(marks, flat), 1, len(marks) - 1)
        near = np.minimum(np.abs(marks[at - 1] - flat), np.abs(marks[at] - flat))
        close = near <= (1e-6 if numbers.dtype == np.float32 else CLOSE) * np.maximum(1.0, np.abs(flat))
        if close.any():
            what = f"{name} holds {int(close.sum())} numbers that are single patients' values, as they stand"
            remedy = "a maximum, a minimum or a copied row is one patient's: answer sums over rows"
            yield Finding(Level.UNSAFE, what, remedy, READING)
            return


def _shapes(answer: Answer, is_noisy: bool) -> dict[str, tuple[int, ...]]:
    return {name: array.shape[1:] if is_noisy else array.shape for name, array in answer.arrays.items()}
