"""What a task's outcome says of the code: whether it fits, whether two are the same, and why there is none.

An answer is read, encoded and bounded by the node's own code, so what is refused here is refused there.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from belmont.federated.accounting.release import plan_release
from belmont.federated.bounded.settings import read_bounds
from belmont.federated.errors import EncodingRefused, FederatedError
from belmont.federated.executor.limits import Limits
from belmont.federated.executor.protocol import Answer, Kind, Outcome, Stopped, TooSmall
from belmont.federated.models.combine import ROWS_METRIC
from belmont.federated.node.noise import Noisy
from belmont.federated.secagg.settings import read_secure_sum
from belmont.federated.table import NodeTable
from belmont.lab.own.findings import Finding, Level
from belmont.lab.own.subject import Subject
from belmont.lab.own.watched import Trial, shown

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


def fits(subject: Subject, outcome: Outcome, table: NodeTable, where: str, kind: Kind = "train") -> Iterator[Finding]:
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


def same(first: Outcome, second: Outcome) -> bool:
    if not (isinstance(first, Answer) and isinstance(second, Answer)):
        return type(first) is type(second)
    same = first.metrics.keys() == second.metrics.keys() and all(
        np.isclose(value, second.metrics[name], rtol=CLOSE, atol=CLOSE) for name, value in first.metrics.items()
    )
    return bool(same) and same_arrays(first, second)


def same_arrays(first: Outcome, second: Outcome) -> bool:
    if not (isinstance(first, Answer) and isinstance(second, Answer)):
        return False
    return list(first.arrays) == list(second.arrays) and all(
        array.shape == second.arrays[name].shape and alike(array, second.arrays[name])
        for name, array in first.arrays.items()
    )


def alike(first: NDArray[np.floating], second: NDArray[np.floating]) -> bool:
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
