"""Estimators as skops files: read without running anything that a file brings along.

1. A file holds what predicting needs: parameters, arrays and references, and the model's card. What a fit leaves beside
   that (permit, rounds, tables) is not in it.
2. Reading trusts the classes named in ``TRUSTED`` and those that skops itself does, and refuses a file with any other.
3. Arrays, configuration and references, by which new rows are read, are those whose hashes its card names, and the
   card is the one whose hash the file names, or it is refused. Whether that is the card of a release says the chain.
"""

import copy
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from belmont.federated.hashes import model_hash
from belmont.identity.strict_json import loads
from belmont.lab.errors import LabError
from belmont.lab.export import about
from belmont.lab.model_card import identity_of

if TYPE_CHECKING:
    from belmont.lab.models.base import StudyModel

TRUSTED = (
    "belmont.federated.accounting.settings.Clipping",
    "belmont.federated.accounting.settings.PrivacySettings",
    "belmont.federated.models.glm.PrivateSteps",
    "belmont.federated.models.strategies.FedAdagrad",
    "belmont.federated.models.strategies.FedAdam",
    "belmont.federated.models.strategies.FedAvg",
    "belmont.federated.models.strategies.FedAvgM",
    "belmont.federated.models.strategies.FedProx",
    "belmont.federated.models.strategies.FedYogi",
    "belmont.federated.models.strategies.Scaffold",
    "belmont.federated.models.tree_splits.Rules",
    "belmont.federated.models.trees.TreePlan",
    "belmont.lab.models.cox.CoxRegression",
    "belmont.lab.models.glm.LinearRegression",
    "belmont.lab.models.glm.LogisticRegression",
    "belmont.lab.models.glm.PoissonRegression",
    "belmont.lab.models.kaplan_meier.KaplanMeier",
    "belmont.lab.models.networks.MLPClassifier",
    "belmont.lab.models.networks.MLPRegressor",
    "belmont.lab.models.references.Reference",
    "belmont.lab.models.references.References",
    "belmont.lab.models.tree_columns.TreeColumn",
    "belmont.lab.models.trees.HistGradientBoostingClassifier",
    "belmont.lab.models.trees.HistGradientBoostingRegressor",
    "belmont.lab.release_rule.ReleaseRule",
)
LEFT_OUT = ("permit_", "result_", "performance_", "history_", "plan", "not_evaluated_")
"""Of a fitted model (1)."""
ABOUT = "about_"


def to_bytes(model: "StudyModel") -> bytes:
    """The file. Raises NotFittedError, or LabError for a family whose files are not read back."""
    try:
        from skops import io
    except ImportError as error:
        raise LabError("skops files need the extra: pip install 'belmont[export]'") from error
    kind = f"{type(model).__module__}.{type(model).__name__}"
    if kind not in TRUSTED:
        raise LabError(
            f"{type(model).__name__} has no file of its own, since code comes with it: keep the code, and the arrays "
            "with numpy.savez('model.npz', **model.fitted_arrays)"
        )
    said = about(model)
    saved = copy.copy(model)
    for name in LEFT_OUT:
        saved.__dict__.pop(name, None)
    setattr(saved, ABOUT, said)
    content = bytes(io.dumps(saved))
    _refuse_others(io.get_untrusted_types(data=content))
    return content


def load(path: Path | str) -> "StudyModel":
    """The fitted estimator of a .skops file (2, 3). Its ``about_`` has card and hashes. Raises LabError."""
    from belmont.lab.models.base import StudyModel

    try:
        from skops import io
    except ImportError as error:
        raise LabError("skops files need the extra: pip install 'belmont[export]'") from error
    content = Path(path).read_bytes()
    try:
        _refuse_others(io.get_untrusted_types(data=content))
        found: Any = io.loads(content, trusted=list(TRUSTED))
    except LabError:
        raise
    except Exception as error:  # whatever a file that is none makes skops raise
        raise LabError(f"{path} is no skops file of a model: .onnx files are for an ONNX runtime") from error
    said = getattr(found, ABOUT, None)
    if not isinstance(found, StudyModel) or not isinstance(said, dict):
        raise LabError(f"{path} holds no model of Belmont's")
    _refuse_changed(path, found, said)
    return found


def _refuse_changed(path: Path | str, found: "StudyModel", said: dict[str, str]) -> None:
    """Rule 3. Raises LabError."""
    if model_hash(found.fitted_arrays).hex() != said.get("belmont-model-hash"):
        raise LabError(f"{path} holds other arrays than those whose hash it names")
    try:
        card = said["belmont-card"].encode()
        content = loads(card)["model"]
        is_same = all(content[name] == value for name, value in identity_of(found).items())
        is_same &= content["kind"] == type(found).__name__
        is_same &= hashlib.sha256(card).hexdigest() == said["belmont-card-sha256"]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise LabError(f"{path} has no card of its model") from error
    if not is_same:
        raise LabError(f"{path} holds another model than its card says: it was changed")


def _refuse_others(types: list[str]) -> None:
    others = sorted(set(types) - set(TRUSTED))
    if others:
        raise LabError(f"a file with {', '.join(others)} is not trusted")
