"""A study that runs a researcher's own Flower app: its folder is the code, and the permit names the bundle's hash.

    model = OwnModel("my_model", features=("age", "hba1c"), outcome="cvd_event", app_config={"local-steps": 5})
    model.check().passed                  what a hospital's node would say, before anybody is asked
    permit = consortium.propose("Risk", model=model, rounds=10). ...
    model.fit(permit)

1. The bundle is what the folder holds now (`lab.own.folder`). Where that is no longer what was applied with, training
   is refused before a round is opened, and the files that changed are named.
2. What of the folder is used here, in ``model.py`` beside the app's ``client_app.py``, is loaded from that bundle: who
   reads the bundle reads how answers become a model, too.
3. Configuration keys are those that the app's pyproject.toml declares, of the declared kinds. What is not given has the
   declared value: a hospital hands the code exactly what was approved, and no defaults.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from belmont.federated.errors import BundleError
from belmont.federated.evaluation.layout import (
    EVALUATES,
    EVALUATION_CUTS,
    EVALUATIONS,
    GROUPS,
    HOLDOUT,
    REPORT_HOSPITALS,
    RISK,
    VALUE,
)
from belmont.federated.hashes import Arrays, RunConfig
from belmont.federated.models.combine import Combine, Update, federated_averaging
from belmont.federated.models.glm import PrivateSteps
from belmont.federated.models.gradient import gradient_steps, with_velocity
from belmont.federated.models.strategies import STATE_MARK
from belmont.federated.node.bundle import client_app_of, module_of, run_config_of
from belmont.federated.node.design import REFERENCES
from belmont.federated.secagg.settings import SecureSum
from belmont.lab.errors import LabError
from belmont.lab.models.base import Floats, StudyModel
from belmont.lab.own.folder import bundle_of, changed_files, files_of
from belmont.lab.release_rule import RELEASE_KEY, ReleaseRule

if TYPE_CHECKING:
    from belmont.lab.own.findings import CheckResult

RESERVED = frozenset(
    (
        *(HOLDOUT, EVALUATES, GROUPS, REPORT_HOSPITALS, EVALUATIONS, EVALUATION_CUTS, RELEASE_KEY),
        *("features", "missing-indicators", "outcome", "step", "momentum"),
    )
)
"""Keys that the model itself writes."""


@dataclass(eq=False, repr=False, init=False)
class OwnModel(StudyModel):
    """``folder`` is a Flower app's; ``belmont model new my_model`` writes one that runs.

    ``app_config`` are the app's own keys; ``initial_arrays`` and ``combination`` stand in for ``initial`` and
    ``combine`` of its ``model.py``. By default the arrays that a hospital answers are those of the model, averaged over
    all rows (FedAvg); ``answers`` names others with their shapes, and ``weighted=False`` adds them up instead.
    ``metrics`` are what the app answers beside ``num-examples``. With ``private`` the arrays are gradients by row.
    """

    folder: Path | str = ""
    app_config: RunConfig | None = None
    initial_arrays: Arrays | None = None
    combination: Combine | None = None
    answers: Mapping[str, Sequence[int]] | None = None
    metrics: Sequence[str] = ("loss",)
    weighted: bool = True
    evaluated_as: str = RISK

    def __init__(
        self,
        folder: Path | str,
        features: Sequence[str] = (),
        outcome: str = "",
        missing_indicators: Sequence[str] = (),
        *,
        app_config: RunConfig | None = None,
        initial_arrays: Arrays | None = None,
        combination: Combine | None = None,
        answers: Mapping[str, Sequence[int]] | None = None,
        metrics: Sequence[str] = ("loss",),
        weighted: bool = True,
        secure: bool = True,
        largest: float | None = None,
        private: PrivateSteps | None = None,
        holdout: float = 0.0,
        groups: Sequence[str] = (),
        report_hospitals: bool = False,
        release: ReleaseRule | None = None,
        evaluations: int | None = None,
        evaluated_as: str = RISK,
    ) -> None:
        self.folder = folder
        self.features, self.outcome, self.missing_indicators = features, outcome, missing_indicators
        self.app_config, self.initial_arrays, self.combination = app_config, initial_arrays, combination
        self.answers, self.metrics, self.weighted = answers, metrics, weighted
        self.secure, self.largest, self.private, self.holdout = secure, largest, private, holdout
        self.groups, self.report_hospitals, self.release = groups, report_hospitals, release
        self.evaluations, self.evaluated_as = evaluations, evaluated_as
        if isinstance(metrics, str):
            raise LabError("metrics is a list of names: ('loss',) and not 'loss'")
        if evaluated_as not in (RISK, VALUE):
            raise LabError(f'evaluated_as is {evaluated_as!r}: a model predicts a "{RISK}" or a "{VALUE}"')
        self.__post_init__()

    # --- the folder ---

    @property
    def bundle(self) -> bytes:
        """The Flower App Bundle of the folder as it is now. Raises LabError with what is wrong with it."""
        return bundle_of(self.folder)

    @property
    def files(self) -> dict[str, bytes]:
        """What the bundle holds."""
        return files_of(self.bundle)

    @property
    def side(self) -> ModuleType | None:
        """``model.py`` beside the app, loaded from the bundle; None where there is none. Raises LabError."""
        try:
            package = client_app_of(self.bundle)[0].rpartition(".")[0]
            return _module(self.bundle, f"{package}.model" if package else "model")
        except BundleError as error:
            raise LabError(f"{self.folder}: {error}") from error

    def check(self, *tables: Any, **choices: Any) -> "CheckResult":
        """What a hospital's node would refuse, and what a board should know (`belmont.lab.own.check.check`)."""
        from belmont.lab.own.check import check

        return check(self, *tables, **choices)

    def refuse_other_code(self, approved: bytes, kept: bytes | None) -> None:
        """Raises LabError where the folder is not what was approved, by hash; ``kept`` is what was applied with."""
        if self.code_hash == approved:
            return
        known = "" if kept is None else ": " + ", ".join(changed_files(files_of(kept), self.files))
        raise LabError(
            f"{self.folder} is not the code that was applied with{known or ', which is not on this machine'}. "
            "Hospitals would refuse it, and nothing was used: take the changes back, or apply for an amendment with it"
        )

    # --- what the permit binds ---

    def settings(self) -> RunConfig:
        declared = run_config_of(self.bundle)
        given = dict(self.app_config or {})
        for key, value in given.items():
            if key in RESERVED or key.strip().casefold().startswith("belmont"):
                raise LabError(f"app_config names {key!r}, which OwnModel writes: give features=, secure= and so on")
            if key not in declared:
                raise LabError(
                    f"the app declares no key {key!r}, so its code was not written for one: it has "
                    f"{', '.join(sorted(set(declared) - RESERVED)) or 'none'} (pyproject.toml, [tool.flwr.app.config])"
                )
            if type(value) is not type(declared[key]):
                raise LabError(
                    f"app_config {key!r} is {value!r}, and the app declares {declared[key]!r}: give a "
                    f"{type(declared[key]).__name__}, since 1, 1.0, True and '1' are different configurations"
                )
        return {key: value for key, value in declared.items() if key not in RESERVED} | given

    def sums(self) -> SecureSum:
        return SecureSum(self._answered, tuple(self.metrics), self.weighted, self.fraction_bits)

    def private_sums(self, private: PrivateSteps) -> SecureSum:
        return SecureSum(self._answered, fraction_bits=private.noise.fraction_bits, private=True)

    @property
    def _answered(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """Names and shapes of the arrays that a hospital answers."""
        if self.answers is not None:
            return tuple((name, tuple(int(size) for size in shape)) for name, shape in self.answers.items())
        return tuple((name, array.shape) for name, array in self._start().items())

    def _start(self) -> Arrays:
        given: object = self.initial_arrays
        if given is None:
            given = self._from_side("initial", "initial_arrays=")(self.names)
        if not isinstance(given, Mapping) or not given:
            raise LabError("the first model is a dictionary of arrays by name")
        arrays: Arrays = {}
        for name, array in given.items():
            found = np.asarray(array)
            if not isinstance(name, str) or found.dtype not in (np.float64, np.float32):
                raise LabError(f"array {name!r} of the first model: names are text, and arrays of float64 or float32")
            if STATE_MARK in name or name == REFERENCES or not np.isfinite(found).all():
                raise LabError(f"array {name!r} of the first model: its numbers are not finite, or its name is taken")
            arrays[name] = found.copy()
        return arrays

    def initial(self) -> Arrays:
        """With noise, a velocity beside each array."""
        start = self._start()
        if self.private is None or self.combination is not None:
            return start
        return with_velocity(start)

    def combine(self) -> Combine:
        if self.combination is not None:
            return _without_references(self.combination)
        if self.private is not None:
            penalties = {name: np.zeros(()) for name in self._start()}
            return _without_references(gradient_steps(self.private.step, self.private.momentum, penalties))
        own = getattr(self.side, "combine", None)
        return _without_references(own if callable(own) else federated_averaging)

    def is_finished(self, before: Arrays, after: Arrays) -> bool:
        own = getattr(self.side, "is_finished", None)
        return bool(own(before, after)) if callable(own) else False

    def with_noise(self, *, epsilon: float, rounds: int, **choices: Any) -> "OwnModel":
        """The same model with noise, so that ``rounds`` rounds together come to ``epsilon`` at most for each dataset.

        The app has to answer each row's own gradient then. ``choices`` are those of `PrivateSteps.of_epsilon`.
        """
        cells = sum(int(np.prod(shape, dtype=np.int64)) for _, shape in self._answered)
        return replace(self, private=PrivateSteps.of_epsilon(epsilon, rounds, cells, **choices))

    @property
    def takes_references(self) -> bool:  # type: ignore[override]
        """Whether a line of the app names the array in which a preparation comes."""
        named = tuple(f"{mark}{REFERENCES}{mark}".encode() for mark in "\"'")
        return any(each in content for name, content in self.files.items() if name.endswith(".py") for each in named)

    # --- predict ---

    @property
    def evaluates(self) -> str:  # type: ignore[override]
        """What its predictions are: ``risk`` or ``value``."""
        return self.evaluated_as

    def predictions(self, rows: Floats, arrays: Arrays) -> Floats:
        return np.asarray(self._from_side("predictions", "an OwnModel whose app has one")(rows, arrays), np.float64)

    def coefficients(self, arrays: Arrays) -> dict[str, float]:
        found = self._from_side("coefficients", "model.arrays_")(self.names, arrays)
        return {str(name): float(value) for name, value in found.items()}

    def predict_proba(self, X: Any) -> Floats:
        """Probabilities of both classes, shape (n, 2), of a model that predicts risks. Raises LabError for another."""
        if self.evaluated_as != RISK:
            raise LabError("this model predicts a value: use predict(X)")
        risk = self.predict_values(X)
        return np.column_stack([1.0 - risk, risk])

    def predict(self, X: Any) -> Any:
        """The likelier class of each row, 0 or 1; of a model of values, the value."""
        found = self.predict_values(X)
        return (found > 0.5).astype(int) if self.evaluated_as == RISK else found

    def score(self, X: Any, y: Any) -> float:
        """Accuracy of a model of risks, the coefficient of determination of one of values."""
        from sklearn.metrics import accuracy_score, r2_score

        return float((accuracy_score if self.evaluated_as == RISK else r2_score)(np.asarray(y), self.predict(X)))

    def _from_side(self, name: str, instead: str) -> Callable[..., Any]:
        found = getattr(self.side, name, None)
        if not callable(found):
            lacking = f"{self.folder} has no model.py with a function {name!r} beside its client_app.py"
            raise LabError(f"{lacking}: write one, or use {instead}")
        return found  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return super().__repr__().replace("OwnModel(", f"OwnModel({Path(self.folder).name}: ", 1)


def _without_references(combine: Combine) -> Combine:
    """The same rule for a model that also carries what its columns were prepared by: no update has that."""

    def bare(model: Arrays, updates: Sequence[Update]) -> Arrays:
        return combine({name: array for name, array in model.items() if name != REFERENCES}, updates)

    return bare


_loaded: dict[tuple[bytes, str], ModuleType | None] = {}
_MOST_LOADED = 16


def _module(bundle: bytes, name: str) -> ModuleType | None:
    """Of a bundle, loaded once (2)."""
    from belmont.federated.hashes import code_hash

    key = code_hash(bundle), name
    if key not in _loaded:
        if len(_loaded) >= _MOST_LOADED:
            _loaded.clear()
        try:
            _loaded[key] = module_of(bundle, name)
        except BundleError:
            raise
        except (Exception, SystemExit) as error:
            raise LabError(f"{name} of the app does not run here: {type(error).__name__}: {error}") from error
    return _loaded[key]
