"""Says before an application what a hospital's node would refuse of a study's code, and what a board should know.

    check(OwnModel("my_model", features=("age",), outcome="cvd_event")).passed

1. The bundle is read without running it (`static_checks`). What is no app, or has no configuration, ends it there.
2. It is run as a node runs it, in a process that watches it, on rows of a table that is here: a twin's, or synthetic
   ones. Then some rounds are rehearsed, and the code meets hospitals that are small, one-sided, constant, and marked.
3. It is run once in a hospital's isolated process, where this machine can give one.

It runs the code with this account's rights: the watched process confines nobody. Check your own code, or code that you
have read. What a check cannot show is in `findings.CANNOT_SHOW`, and on every result.
"""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from belmont.ehr.dictionary import Dictionary
from belmont.federated.errors import BundleError, FederatedError
from belmont.federated.executor.limits import Limits
from belmont.federated.node.bundle import client_app_of, run_config_of
from belmont.federated.node.design import column_of
from belmont.federated.table import NodeTable
from belmont.lab.errors import LabError
from belmont.lab.models.base import StudyModel
from belmont.lab.own import run_checks
from belmont.lab.own.answers import outside
from belmont.lab.own.findings import CheckResult, Finding, Level, in_order
from belmont.lab.own.folder import files_of
from belmont.lab.own.hospitals import copied
from belmont.lab.own.static_checks import static_findings
from belmont.lab.own.subject import Subject
from belmont.lab.own.watched import WatchedRunner

if TYPE_CHECKING:
    import pandas as pd

    from belmont.lab.twin.twin import Twin

CHECK_LIMITS = Limits(wall_seconds=60.0, cpu_seconds=60, memory_bytes=4 << 30)
"""Of each task of a check; a hospital's own are longer."""
HOSPITALS, PATIENTS, SEED = 3, 360, 7
MOST_ROWS = 3_000
"""Of each hospital of a check."""
APP = "belmont.federated.node.bundle: what a node can open"
CONFIG = "belmont.federated.hashes: a configuration is scalars, approved by their hash"


def check(
    model: StudyModel,
    tables: "Twin | NodeTable | Sequence[NodeTable] | pd.DataFrame | None" = None,
    *,
    dictionary: Dictionary | None = None,
    min_cohort: int = 20,
    rounds: int = 2,
    isolated: bool = True,
    packages: Sequence[str] = (),
    limits: Limits = CHECK_LIMITS,
) -> CheckResult:
    """Check a model's code with its configuration.

    ``tables`` are a twin, tables of one hospital each, or a DataFrame whose columns the ``dictionary`` names; by
    default the synthetic study's. ``min_cohort`` is the permit's, ``limits`` are of each run, and ``packages`` modules
    that the hospitals said they have, such as torch. Raises LabError for tables that lack the model's columns: nothing
    of the app was run then.
    """
    name = Path(str(getattr(model, "folder", model.app))).name
    try:
        bundle = model.bundle
        files = files_of(bundle)
        client_app_of(bundle)
    except (LabError, BundleError) as error:
        finding = Finding(Level.REFUSED, str(error), "belmont model new writes a folder that is one", APP)
        return CheckResult(name, b"", None, (finding,), ("the folder",))
    code, findings, tried = model.code_hash, static_findings(files, packages) + _around(model), ["the files, unrun"]
    try:
        config = model.config
        hashed = model.config_hash
        start, combine = model.initial(), model.combine()
    except (LabError, FederatedError, BundleError) as error:
        findings.append(Finding(Level.REFUSED, str(error), "give the model other parameters, or correct it", CONFIG))
        return CheckResult(name, code, None, in_order(findings), tuple(tried))
    findings += _unread(files, bundle, config)
    hospitals = _tables(model, tables, dictionary)
    facts = {"rows": ", ".join(str(each.rows) for each in hospitals)}
    with closing(WatchedRunner(limits)) as runner:
        named = model.columns, model.outcome_name
        subject = Subject(bundle, config, start, combine, *named, hospitals, min_cohort, runner, float(model.holdout))
        findings += _ran(subject, rounds, limits, tried, facts, isolated=isolated)
    return CheckResult(name, code, hashed, in_order(findings), tuple(tried), facts)


def _ran(
    subject: Subject, rounds: int, limits: Limits, tried: list[str], facts: dict[str, str], *, isolated: bool
) -> list[Finding]:
    """What running it shows (2, 3); what was tried, and what it took, is added to the lists."""
    found = run_checks.form(subject)
    tried.append("an answer at each hospital")
    trials = subject.runner.trials
    if not found:
        found += run_checks.rounds(subject, rounds)
        tried.append(f"{rounds} rounds")
    if not found:
        with closing(WatchedRunner(limits, seed=1)) as other:
            found += run_checks.repeatable(subject, other)
            for each in (run_checks.from_rows, run_checks.too_few, run_checks.anybody):
                found += each(subject)
            found += run_checks.by_row(subject) + run_checks.kept_apart(subject)
            tried += ["twice the same", "what an answer holds", "too few rows", "odd hospitals"]
            trials = [*trials, *other.trials]
        if isolated:
            apart, facts["isolated"] = run_checks.isolated(subject)
            found += apart
            tried.append("a hospital's isolated process")
    seconds, memory = max(each.seconds for each in trials), max(each.memory_bytes for each in trials)
    facts["a run"] = f"{seconds:.2g} s of processor time, {memory / 2**20:,.0f} MiB at most"
    return [*outside(trials), *found]


def table_of(frame: "pd.DataFrame", dictionary: Dictionary, columns: Sequence[str]) -> NodeTable:
    """Rows of a DataFrame, coded by a dictionary. Raises LabError for columns or levels that it does not have."""
    from belmont.lab.models.references import References

    return References.of_dictionary(dictionary).table(frame, tuple(dict.fromkeys(map(column_of, columns))))


def _tables(model: StudyModel, given: Any, dictionary: Dictionary | None) -> list[NodeTable]:
    import pandas as pd

    wanted = (*model.columns, *model.missing_indicators, model.outcome_name)
    if given is None:
        if dictionary is not None and dictionary.hash != Dictionary.builtin().hash:
            raise LabError(
                f"there are no synthetic rows of dictionary {dictionary.name}: give a table, such as a twin's"
            )
        from belmont.ehr.synthetic import coded_tables, generate_population

        found: list[NodeTable] = list(coded_tables(generate_population(HOSPITALS, PATIENTS, SEED)))
    elif isinstance(given, pd.DataFrame):
        found = [table_of(given, dictionary or Dictionary.builtin(), wanted)]
    else:
        given = given.tables() if callable(getattr(given, "tables", None)) else given
        found = list(given) if isinstance(given, list | tuple) else [given]
    lacking = sorted({column_of(each) for each in wanted if each} - set(found[0].columns)) if found else ["rows"]
    if lacking or not model.outcome_name:
        what = ", ".join(lacking) or "outcome: name one in outcome="
        raise LabError(
            f"the rows of the check have no {what}; they have {', '.join(found[0].columns) if found else ''}"
        )
    if len(found) == 1:
        found = [copied(found[0]).select(np.arange(found[0].rows) % HOSPITALS == k) for k in range(HOSPITALS)]
    found = [copied(each).select(np.arange(each.rows) < MOST_ROWS) for each in found]
    if any(not np.asarray(each.observed(model.outcome_name), bool).any() for each in found):
        raise LabError("a hospital of the check has no row with an outcome: give more rows")
    return found


def _around(model: StudyModel) -> list[Finding]:
    """What lies in the folder and is not in the bundle."""
    if not hasattr(model, "folder"):
        return []
    from belmont.lab.own.folder import read_folder

    folder, found = read_folder(model.folder), []
    for link in folder.links:
        what = "a link, which no bundle holds: hospitals do not have what it leads to"
        found.append(Finding(Level.NOTE, what, "put the file itself there", APP, link))
    left = [each for each in folder.left_out if each not in folder.links]
    if left:
        shown = ", ".join(left[:5]) + (f" and {len(left) - 5} more" if len(left) > 5 else "")
        what = f"files that are not in the bundle: {shown}"
        found.append(Finding(Level.NOTE, what, "nothing, if they are for you alone; data does not belong here", APP))
    return found


def _unread(files: dict[str, bytes], bundle: bytes, config: Any) -> list[Finding]:
    """Keys of the configuration that no line of the code names."""
    code = b"\n".join(content for name, content in files.items() if name.endswith(".py"))
    found = []
    for key in run_config_of(bundle):
        if f'"{key}"'.encode() not in code and f"'{key}'".encode() not in code:
            what = f"the configuration has a key {key!r} that no line of the code names"
            remedy = "take it out of pyproject.toml: the board approves what it does, and it does nothing"
            found.append(Finding(Level.NOTE, what, remedy, CONFIG))
    return found
