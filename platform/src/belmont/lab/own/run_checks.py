"""What is to be seen of a study's code by running it: each check runs it on rows made for one question.

Every task runs in the checker's own watched process (`lab.own.watched`), and one in a hospital's isolated one.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from belmont.federated.accounting.release import plan_release
from belmont.federated.bounded.settings import read_bounds
from belmont.federated.errors import EncodingRefused, FederatedError, NotIsolated
from belmont.federated.executor.isolated import IsolatedRunner
from belmont.federated.executor.limits import Limits
from belmont.federated.executor.probe import WAIVABLE
from belmont.federated.executor.protocol import Answer, Failed, Kind, Outcome, Stopped, Task, TooSmall
from belmont.federated.hashes import Arrays, RunConfig, code_hash
from belmont.federated.models.combine import ROWS_METRIC, Combine
from belmont.federated.models.rehearsal import Rehearsal
from belmont.federated.node.noise import Noisy, read_noise
from belmont.federated.query.aggregate import SMALLEST_CELL
from belmont.federated.secagg.settings import SecureSum, read_secure_sum
from belmont.federated.table import NodeTable
from belmont.lab.own.findings import Finding, Level
from belmont.lab.own.hospitals import copied, edges, marked, repeated, with_row_of, without_row
from belmont.lab.own.watched import Trial, WatchedRunner, shown

FORM = "belmont.federated.executor.compute, 3: an answer is read strictly"
ENCODING = "belmont.federated.secagg.settings, 2 and 3; secagg.encoding, 1 to 3"
BOUNDS = "docs/bounded_updates.md: each hospital proves its bound"
LIMITS = "belmont.federated.executor.limits; docs/executor.md, 6"
COHORT = "belmont.federated.node.data, 1: the permit's minimum cohort"
SAME = "docs/your_own_code.md: the same rows, the same answer"
PER_ROW = "belmont.federated.accounting.clipping: by row, each from that row and the model alone"
READING = "docs/your_own_code.md: what an answer may hold"
OUTSIDE = "docs/executor.md: what is held, and by what"
APART = "belmont.federated.node.data: patients kept apart for evaluation"
ANYBODY = "docs/your_own_code.md: hospitals differ"
CLOSE = 1e-9


@dataclass
class Subject:
    """What is checked, and on which rows."""

    bundle: bytes
    config: RunConfig
    model: Arrays
    combine: Combine
    features: tuple[str, ...]
    outcome: str
    tables: list[NodeTable]
    min_cohort: int
    runner: WatchedRunner
    holdout: float = 0.0
    secure: SecureSum | None = field(init=False)
    numbers: int = field(default_factory=lambda: secrets.randbelow(1 << 30) + 1_000)
    """Where those of permit and nodes begin: another time in every check, so that code cannot know one by them."""

    def __post_init__(self) -> None:
        self.secure = read_secure_sum(self.config)
        self.noise = read_noise(self.config, self.secure)

    @property
    def is_noisy(self) -> bool:
        return self.noise is not None

    def task(
        self,
        table: NodeTable,
        *,
        kind: Kind = "train",
        node_id: int = 1,
        min_cohort: int = 1,
        smallest_cell: int = 1,
        fractions: NDArray[np.float64] | None = None,
    ) -> Task:
        """What a node would hand over for a table, in the first round."""
        return Task(
            bundle=self.bundle,
            code_hash=code_hash(self.bundle),
            config=self.config,
            arrays=self.model,
            permit_id=self.numbers,
            n=1,
            node_id=self.numbers + node_id,
            table=table,
            min_cohort=min_cohort,
            smallest_cell=smallest_cell,
            noisy=self.is_noisy,
            fractions=spread(table.rows) if fractions is None else fractions,
            kind=kind,
        )

    def run(self, table: NodeTable, runner: WatchedRunner | None = None, **choices: object) -> Trial:
        chosen = runner or self.runner
        chosen.run(self.task(table, **choices))  # type: ignore[arg-type]
        return chosen.trials[-1]


def spread(rows: int) -> NDArray[np.float64]:
    """Fractions of so many patients, each part of them as large as it says."""
    return ((np.arange(rows) * 0.6180339887) % 1.0).astype(np.float64)


def form(subject: Subject) -> list[Finding]:
    """The code answers at each hospital, in the form that was applied for."""
    found: list[Finding] = []
    for k, table in enumerate(subject.tables):
        where = f"hospital {k + 1} of the check, {table.rows} rows"
        trial = subject.run(table, node_id=k + 1)
        finding = explained(trial, subject.runner.limits, where)
        found += [finding] if finding else list(_fits(subject, trial.outcome, table, where))
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
    if not _same(first, again):
        what = "two runs on the same rows give different answers: by chance without a seed, or the clock"
        remedy = "seed by the round: numpy.random.default_rng(int(message.metadata.group_id)); read no clock"
        return [Finding(Level.UNSAFE, what, remedy, SAME)]
    if not _same(first, subject.run(table, other).outcome):
        what = "the answer depends on how Python hashes text: on the order of a set, for example"
        return [Finding(Level.UNSAFE, what, "sort before you go through a set of names", SAME)]
    if not _same(first, subject.run(table, node_id=77).outcome):
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
    if others and all(_same_arrays(answer, each) for each in others):
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
            finding = next(_fits(subject, trial.outcome, table, name), None)
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
        swapped.arrays[name].shape != array.shape or not _alike(array[1:], swapped.arrays[name][1:])
        for name, array in before.arrays.items()
    )
    shifted = any(
        removed.arrays[name].shape != array[1:].shape or not _alike(array[1:], removed.arrays[name])
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
    if isinstance(before, Answer) and isinstance(after, Answer) and not _same(before, after):
        what = "patients who are kept apart for the evaluation change what the model learns"
        found.append(Finding(Level.UNSAFE, what, "ask training_data for keep=(holdout, 1.0)", APART))
    trial = subject.run(table, kind="evaluate", fractions=fractions)
    finding = explained(trial, subject.runner.limits, "evaluation")
    if finding is None:
        finding = next(_fits(subject, trial.outcome, table, "evaluation", "evaluate"), None)
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
    if isinstance(there, Answer) and isinstance(here, Answer) and not _same(here, there):
        what = "the answer in a hospital's isolated process is another than here"
        return [Finding(Level.UNSAFE, what, "use the message, the configuration and the rows alone", OUTSIDE)], held
    if isinstance(here, Answer) and not isinstance(there, Answer):
        why = (
            there.place if isinstance(there, Failed) else there.limit if isinstance(there, Stopped) else "too few rows"
        )
        what = f"it runs here, and not in a hospital's isolated process: {why}"
        return [Finding(Level.REFUSED, what, "it has no network, no files, no programs, one user", OUTSIDE)], held
    return [], held


def outside(trials: list[Trial]) -> list[Finding]:
    """What the code tried beside computing, each kind and line once."""
    found: dict[tuple[str, str], Finding] = {}
    for kind, what, place in (note for trial in trials for note in trial.notes):
        level, does, remedy = _NOTED[kind]
        found.setdefault((kind, place), Finding(level, f"{does}: {shown(what)}", remedy, OUTSIDE, place))
    return list(found.values())


def explained(trial: Trial, limits: Limits, where: str) -> Finding | None:
    """Why a task gave no answer; None where it gave one."""
    outcome = trial.outcome
    if isinstance(outcome, Answer):
        return None
    if isinstance(outcome, TooSmall):
        what = "the code asks for more rows than there are"
        return Finding(Level.REFUSED, what, "give the check a table of more rows, of both outcomes", COHORT, where)
    if isinstance(outcome, Stopped):
        what = f"it was stopped at a limit: {outcome.limit}"
        most = f"{limits.wall_seconds:g} s and {limits.memory_bytes >> 20:,} MiB in this check"
        remedy = f"take less of it: {most}; a hospital's own limits are in its configuration"
        return Finding(Level.REFUSED, what, remedy, LIMITS, where)
    said = trial.error or outcome.place
    remedy, rule = next(((remedy, rule) for word, remedy, rule in _REMEDIES if word in said), _OTHERWISE)
    return Finding(Level.REFUSED, f"it fails: {said}", remedy, rule, where)


def _fits(subject: Subject, outcome: Outcome, table: NodeTable, where: str, kind: Kind = "train") -> Iterator[Finding]:
    """Whether an answer has the form that the configuration fixes."""
    if not isinstance(outcome, Answer):
        return
    secure = read_secure_sum(subject.config, kind)
    if secure is None:
        rows = outcome.metrics.get(ROWS_METRIC)
        if rows is None or rows < 0:
            what = f"an answer does not say its number of rows ({ROWS_METRIC})"
            yield Finding(Level.REFUSED, what, 'answer MetricRecord({"num-examples": len(rows)})', FORM, where)
        return
    hospitals = len(subject.tables)
    try:
        if subject.noise is not None:
            Noisy(plan_release(subject.noise, secure.layout.size), secure, table.rows).vector(outcome.arrays)
            return
        vector = secure.encode(outcome.arrays, outcome.metrics, hospitals)
    except (EncodingRefused, FederatedError) as error:
        asked = ", ".join(f"{name} {list(shape)}" for name, shape in secure.arrays)
        given = ", ".join(f"{name} {list(array.shape)}" for name, array in outcome.arrays.items())
        named = ", ".join((ROWS_METRIC, *secure.sums)) if subject.noise is None else "no metrics"
        what = f"the answer does not fit the secure sum: {error}. It has {given} and {', '.join(outcome.metrics)}"
        remedy = f"answer exactly {asked}{' by row' if subject.noise else ''} and {named}, or apply with other answers="
        yield Finding(Level.REFUSED, what, remedy, ENCODING, where)
        return
    bounds = read_bounds(subject.config)
    if bounds is not None:
        scale = 2.0**secure.fraction_bits
        largest, squares = int(np.abs(vector).max()), sum(each * each for each in vector.tolist())
        if largest > bounds.bound:
            what = f"a number of {largest / scale:,.6g} is above the bound of {bounds.bound / scale:,.6g}"
            yield Finding(Level.REFUSED, what, "apply with a larger largest=, or answer less", BOUNDS, where)
        elif bounds.squares is not None and squares > bounds.squares:
            what = f"the sum of squares is {squares}, above the bound of {bounds.squares}"
            yield Finding(Level.REFUSED, what, "apply with a larger norm, or answer less", BOUNDS, where)


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


def _same(first: Outcome, second: Outcome) -> bool:
    if not (isinstance(first, Answer) and isinstance(second, Answer)):
        return type(first) is type(second)
    same = first.metrics.keys() == second.metrics.keys() and all(
        np.isclose(value, second.metrics[name], rtol=CLOSE, atol=CLOSE) for name, value in first.metrics.items()
    )
    return bool(same) and _same_arrays(first, second)


def _same_arrays(first: Outcome, second: Outcome) -> bool:
    if not (isinstance(first, Answer) and isinstance(second, Answer)):
        return False
    return list(first.arrays) == list(second.arrays) and all(
        array.shape == second.arrays[name].shape and _alike(array, second.arrays[name])
        for name, array in first.arrays.items()
    )


def _alike(first: NDArray[np.floating], second: NDArray[np.floating]) -> bool:
    return bool(np.allclose(first, second, rtol=CLOSE, atol=CLOSE, equal_nan=True))


_CONFIG = "the key has to be in [tool.flwr.app.config] of pyproject.toml, and in app_config"
_REPLY = 'reply RecordDict({"arrays": ArrayRecord(...), "metrics": MetricRecord(...)})'
_REMEDIES = (
    (
        "exactly arrays and metrics",
        'reply RecordDict({"arrays": ArrayRecord(...), "metrics": MetricRecord(...)})',
        FORM,
    ),
    ("has to be an ArrayRecord", 'reply RecordDict({"arrays": ArrayRecord(...), "metrics": MetricRecord(...)})', FORM),
    ("float64", "answer arrays of float64 or float32: array.astype(numpy.float64)", FORM),
    ("finite", "answer finite numbers: look for a division by no rows, or a logarithm of 0", FORM),
    ("no column", "name columns of the data dictionary in features= and outcome=", COHORT),
    ("no level", "name levels of the data dictionary in features=", COHORT),
    ("no patients are kept apart", "ask for keep= only where the configuration has a holdout", APART),
    ("No such module", "import what is in the bundle, or what hospitals have", OUTSIDE),
    ("No module named", "import what is in the bundle, or what hospitals have", OUTSIDE),
    ("not there at a hospital", "take it from the message or the configuration", OUTSIDE),
    ("at a hospital", "do without: everything comes with the message", OUTSIDE),
    ("MemoryError", "take less memory, or fewer rows at a time", LIMITS),
    ("is not a flwr.clientapp.ClientApp", "name a flwr.clientapp.ClientApp in pyproject.toml: clientapp", FORM),
    ("No function registered", "write the function: @app.train() and, with a holdout, @app.evaluate()", FORM),
    ("KeyError", f"look it up in what is there; of the configuration, {_CONFIG}", FORM),
)
_OTHERWISE = ("correct it: a round needs every hospital's answer", FORM)
_NOTED: dict[str, tuple[Level, str, str]] = {
    "environment": (Level.UNSAFE, "it reads the environment", "take it from the configuration, which the permit binds"),
    "reads": (Level.REFUSED, "it reads a file that is not there", "send it with the model"),
    "writes": (Level.REFUSED, "it writes where a hospital does not let it", "write nothing"),
    "home": (Level.NOTE, "it writes to its own home", "it is gone with the task: keep it in memory"),
    "network": (Level.REFUSED, "it uses a network", "everything comes with the message"),
    "programs": (Level.REFUSED, "it starts a program or a process", "do without; threads are fine"),
    "deep": (Level.UNSAFE, "it reaches into the interpreter", "do without"),
}
