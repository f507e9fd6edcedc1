"""PyTorch modules over hospitals: a study brings a file ``model.py``, and the rest is shipped (``apps/torch``).

1. ``model.py`` defines ``build()``, which takes nothing and gives a `torch.nn.Module` from standardised rows, of shape
   (n, features), to (n, outputs). It becomes part of the bundle, so that the permit's code hash binds it; the board
   reads it beside a shipped app of which not a byte is the researcher's.
2. A model is the floating-point entries of the module's ``state_dict``, float32, in its order, first drawn under the
   seed in the configuration. A tensor without dimensions is an array of one number.
3. With noise every number sent is a parameter's gradient: a module with running statistics (BatchNorm), or with one
   parameter under two names, is refused; GroupNorm and LayerNorm do instead.
4. Nothing here needs PyTorch before a model is made or used: it is the optional extra ``belmont[torch]``.
"""

import ast
import inspect
import shutil
import tempfile
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from importlib import import_module, resources
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from belmont.federated.errors import BundleError, FederatedError
from belmont.federated.hashes import Arrays
from belmont.federated.models.combine import Combine
from belmont.federated.models.glm import PrivateSteps
from belmont.federated.models.gradient import gradient_steps, with_velocity
from belmont.federated.models.local import FRACTION_BITS, LocalTraining, Target, private_sums, rounds_sums
from belmont.federated.models.strategies import Strategy, parameters_of
from belmont.federated.node.bundle import build_bundle
from belmont.federated.secagg.settings import SecureSum

MODEL_FILE = "belmont_torch/model.py"


def module_source(module: "Path | str | Callable[[], Any]") -> str:
    """The text of ``model.py``: of a file, or of a function that becomes its ``build``.

    A function has to hold all that it needs, imports too: nothing around it goes along. Raises BundleError for text
    that is not Python, defines no ``build``, or cannot be had.
    """
    if callable(module):
        try:
            text = textwrap.dedent(inspect.getsource(module))
        except (OSError, TypeError) as error:
            raise BundleError("the function's source cannot be read: give the path of a model.py") from error
        name = str(getattr(module, "__name__", ""))
        text = f'"""The study\'s own module."""\n\n{text}' + ("" if name == "build" else f"\n\nbuild = {name}\n")
    else:
        try:
            text = Path(module).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BundleError(f"{module} cannot be read: {error}") from error
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise BundleError(f"the module's source is not Python: {error}") from error
    named = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    targets = [t.id for n in tree.body if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)]
    if "build" not in (*named, *targets):
        raise BundleError("the module's source defines no build(): a function that gives a torch.nn.Module")
    return text


@lru_cache(maxsize=4)
def torch_bundle(source: str) -> bytes:
    """The Flower App Bundle of the shipped app with this ``model.py`` (1). Raises BundleError."""
    shipped = resources.files("belmont.federated.models") / "apps" / "torch"
    with resources.as_file(shipped) as original, tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "torch"
        shutil.copytree(original, folder, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / MODEL_FILE).write_text(source, encoding="utf-8")
        return build_bundle(folder)


@dataclass(frozen=True)
class TorchNetwork:
    """A study's module, as its researcher has it. Raises FederatedError where PyTorch is missing, or the module is not
    as it has to be."""

    source: str = field(repr=False)
    seed: int = 0
    target: Target = field(default_factory=Target)

    @cached_property
    def _build(self) -> Callable[[], Any]:
        own = ModuleType("belmont_torch_model")
        try:
            exec(compile(self.source, MODEL_FILE, "exec", dont_inherit=True), vars(own))  # noqa: S102 - the caller's own
            return own.build  # type: ignore[no-any-return]
        except ImportError as error:
            raise FederatedError(f"the module's source needs {error.name}, which is not installed here") from error

    @cached_property
    def module(self) -> Any:
        """A `torch.nn.Module`, first drawn under the seed; float32."""
        torch = torch_here()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            try:
                built = self._build()
            except NameError as error:
                raise FederatedError(
                    f"build() uses {error.name!r}, which is not in the source: import it there"
                ) from error
        if not isinstance(built, torch.nn.Module):
            raise FederatedError(f"build() gives a {type(built).__name__}, and not a torch.nn.Module")
        if any(isinstance(each, torch.nn.parameter.UninitializedParameter) for each in built.parameters()):
            raise FederatedError("a lazy layer has no shape yet: name the number of inputs")
        if not list(built.parameters()):
            raise FederatedError("the module has no parameters: there is nothing to train")
        return built.float()

    @cached_property
    def parameters(self) -> Arrays:
        """The first model (2)."""
        state = self.module.state_dict()
        return {name: np.atleast_1d(each.numpy().copy()) for name, each in state.items() if each.is_floating_point()}

    def sums(
        self, strategy: Strategy, private: PrivateSteps | None = None, *, fraction_bits: int = FRACTION_BITS
    ) -> SecureSum:
        """What a round's sum is made of; with noise in the fraction bits of that. Raises FederatedError (3)."""
        if private is None:
            return rounds_sums(self.parameters, strategy, fraction_bits)
        others = set(self.parameters) - {name for name, _ in self.module.named_parameters()}
        if others:
            raise FederatedError(
                f"{sorted(others)[0]!r} is no parameter of its own, so no row has a gradient of it: with noise take a "
                "module without running statistics (GroupNorm for BatchNorm), and each parameter once"
            )
        return private_sums(self.parameters, private)

    def initial(self, strategy: Strategy, private: PrivateSteps | None = None) -> Arrays:
        """The model to start from: parameters, and what the strategy, or with noise the steps, remember."""
        return strategy.initial(self.parameters) if private is None else with_velocity(self.parameters)

    def combine(self, local: LocalTraining, strategy: Strategy, private: PrivateSteps | None = None) -> Combine:
        """The combination rule: the strategy's, or with noise gradient steps."""
        if private is None:
            return strategy.combine()
        dimensions = {name: each.ndim for name, each in self.module.state_dict().items()}
        penalties = {name: np.full(1, local.l2 if dimensions[name] > 1 else 0.0) for name in self.parameters}
        return gradient_steps(private.step, private.momentum, penalties)

    def outputs(self, design: NDArray[np.float64], model: Arrays) -> NDArray[np.float64]:
        """Predictions for a design matrix (rows, 1 + features): probabilities (rows, classes), or numbers (rows,) in
        the outcome's unit. Raises FederatedError for a model of another form."""
        torch, module = torch_here(), self.module
        shapes = {name: each.shape for name, each in module.state_dict().items() if each.is_floating_point()}
        given = parameters_of(model)
        if {name: each.shape for name, each in given.items()} != {n: tuple(s) or (1,) for n, s in shapes.items()}:
            raise FederatedError("the model's arrays are not of this module's form")
        state = {name: torch.tensor(np.float32(each)).reshape(shapes[name]) for name, each in given.items()}
        module.eval()
        with torch.no_grad():
            z = torch.func.functional_call(module, state, (torch.tensor(np.float32(design[:, 1:])),))
            found = z.reshape(len(design), self.target.outputs).double()
            if self.target.loss == "logistic":
                found = found.sigmoid()
            elif self.target.loss == "softmax":
                found = found.softmax(dim=1)
        return self.target.shown(found.numpy())


def torch_here() -> Any:
    """PyTorch. Raises FederatedError where it is not installed (4)."""
    try:
        return import_module("torch")
    except ImportError as error:
        raise FederatedError("PyTorch is not installed here: pip install 'belmont[torch]'") from error
