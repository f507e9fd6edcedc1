"""A hospital's part in a round of a PyTorch module, which the study brings along (`belmont_torch.model`).

1. It starts from the state x that it is sent, takes steps of stochastic gradient descent with momentum on its rows, in
   batches, ``epochs`` times over all of them (FedAvg: McMahan et al., AISTATS 2017, Algorithm 1), and answers with its
   state: every floating-point entry of ``state_dict``, in its order. Other entries are those that ``build`` gives.
2. The loss of a batch is its mean loss, plus l2 / 2 * |w|^2 for parameters of two dimensions and more, plus
   proximal-mu / 2 * |w - x|^2 (FedProx: Li et al., MLSys 2020).
3. With control variates each step is corrected by c - c_i (SCAFFOLD: Karimireddy et al., ICML 2020, Algorithm 1, option
   I): c comes with the model, c_i is this hospital's gradient at the model of the round before, which comes too. The
   answer then holds the gradient at x as well, of what is no parameter 0.
4. Steps that end in numbers that are not finite, or above `LARGEST`, are not answered: the hospital says ``diverged``.
5. Where the configuration asks for noise by row, the answer is each row's own gradient at x, from that row and the
   model alone, so that the hospital can cut each, add them up and add noise. It has no metrics. The module is in
   evaluation mode then: a dropout mask would differ with the row's place among the others.
6. Chance (dropout, the order of rows) comes from the configuration's seed and the round's number. With one thread a
   processor's sums are taken in one order (PyTorch's switch for deterministic algorithms takes seconds to turn).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from numpy.typing import NDArray
from torch import Tensor
from torch.func import functional_call, grad, vmap
from torch.nn import Module
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from belmont.federated.evaluation.hospital import evaluated
from belmont.federated.evaluation.layout import place_of_class
from belmont.federated.node.data import training_data
from belmont_torch.model import build

Config: TypeAlias = dict[str, bool | float | int | str]
Tensors: TypeAlias = dict[str, Tensor]
LARGEST = 1e4
_CELLS_AT_ONCE = 1 << 20
app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """Answer with the state's arrays, and with control variates ``gradient/...``; metrics are the rows, the mean loss
    at x, and ``diverged``. By row: with each parameter's gradients, of shape (rows, *parameter).
    """
    config, sent, n = context.run_config, message.content.array_records["arrays"], int(message.metadata.group_id)
    with _alone(np.random.SeedSequence([int(config["seed"]), n]).generate_state(1, np.uint64)[0]):
        here = _Hospital.of(context, _references(sent))
        x = _state(here.module, sent)
        if config.get("belmont-clipping") == "example":  # 5
            by_row = _record("", here.row_gradients(x))
            return Message(RecordDict({"arrays": by_row, "metrics": MetricRecord()}), reply_to=message)
        correction, own = _zeros(x), _zeros(x)
        if config["control-variates"]:  # 3
            before = here.gradient(_state(here.module, sent, "previous/"))
            for name, control in _state(here.module, sent, "control/").items():
                correction[name] = control - float(sent[f"started/{name}"].numpy()[0]) * before[name]
            own = here.gradient(x)
        loss = here.mean_loss(x)
        local = here.steps(x, correction, n)
        is_fine = loss < LARGEST and all(bool((w.abs() < LARGEST).all()) for w in (*local.values(), *own.values()))
    if not is_fine:  # 4
        loss, local, own = 0.0, x, _zeros(x)
    arrays = _record("", local)
    if config["control-variates"]:
        arrays.update(_record("gradient/", own))
    metrics = MetricRecord({"num-examples": len(here.rows), "loss": loss, "diverged": 0.0 if is_fine else 1.0})
    return Message(RecordDict({"arrays": arrays, "metrics": metrics}), reply_to=message)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """Answer with sums over patients who were kept apart, and over the others (`belmont.federated.evaluation`)."""
    config, sent = context.run_config, message.content.array_records["arrays"]
    loss = str(config["loss"])
    place = 0 if loss == "squared" else place_of_class(config, _classes(config))
    with _alone(int(config["seed"])):
        module, (center, scale) = build().float(), _unit(config)
        module.load_state_dict(_state(module, sent), strict=False)
        module.eval()

        def predict(design: NDArray[Any]) -> NDArray[Any]:
            with torch.no_grad():
                z = module(torch.from_numpy(design[:, 1:].astype(np.float32))).reshape(len(design), -1).double()
                if loss == "squared":
                    return np.asarray((z[:, 0] * scale + center).numpy())
                z = torch.hstack([torch.zeros_like(z), z]) if loss == "logistic" else z
                return np.asarray(z.softmax(dim=1)[:, place].numpy())

        return evaluated(message, context, predict, references=_references(sent))


@dataclass(frozen=True)
class _Hospital:
    """The module, rows (n, features), what it is to give for each (n, outputs), and how to train."""

    module: Module
    rows: Tensor
    target: Tensor
    config: Config

    @classmethod
    def of(cls, context: Context, references: NDArray[Any] | None) -> "_Hospital":
        config = context.run_config
        names = _parts(config["features"]), str(config["outcome"]), _parts(config["missing-indicators"])
        keep = (float(config.get("holdout", 0.0)), 1.0)
        data = training_data(context, *names, keep=keep, references=references)
        rows = torch.from_numpy(data.design[:, 1:].astype(np.float32))
        target = torch.from_numpy(_target(data.outcome, config).astype(np.float32))
        return cls(build().float(), rows, target, config)

    def losses(self, found: Tensor, target: Tensor) -> Tensor:
        """Of each row, of shape (rows,)."""
        found = found.reshape(target.shape)
        if self.config["loss"] == "squared":
            return 0.5 * ((found - target) ** 2).sum(dim=1)
        if self.config["loss"] == "logistic":
            return binary_cross_entropy_with_logits(found, target, reduction="none").sum(dim=1)
        return cross_entropy(found, target, reduction="none")

    def mean_loss(self, state: Tensors) -> float:
        self.module.load_state_dict(state, strict=False)
        self.module.eval()
        with torch.no_grad():
            return float(self.losses(self.module(self.rows), self.target).mean()) if len(self.rows) else 0.0

    def gradient(self, state: Tensors) -> Tensors:
        """Of the mean loss over all rows, with the penalty, at a state (2)."""
        self.module.load_state_dict(state, strict=False)
        self.module.eval()
        return _zeros(state) | self._gradient(slice(None))

    def _gradient(self, chosen: NDArray[Any] | slice) -> Tensors:
        self.module.zero_grad()
        if len(self.rows):
            self.losses(self.module(self.rows[chosen]), self.target[chosen]).mean().backward()
        l2, found = float(self.config["l2"]), {}
        for name, w in self.module.named_parameters():
            penalty = l2 * w.detach() if w.ndim > 1 else torch.zeros_like(w)
            found[name] = penalty if w.grad is None else w.grad + penalty
        return found

    def steps(self, x: Tensors, correction: Tensors, n: int) -> Tensors:
        """The state after round n's local steps (1)."""
        config, rows = self.config, len(self.rows)
        order, batch = np.random.default_rng([int(config["seed"]), n]), int(config["batch-size"]) or max(1, rows)
        step, momentum, mu = (float(config[key]) for key in ("learning-rate", "local-momentum", "proximal-mu"))
        self.module.load_state_dict(x, strict=False)
        self.module.train()
        parameters = dict(self.module.named_parameters())
        velocity = {name: torch.zeros_like(w) for name, w in parameters.items()}
        for _ in range(int(config["epochs"])):
            shuffled = order.permutation(rows)
            for at in range(0, rows, batch):
                found = self._gradient(shuffled[at : at + batch])
                with torch.no_grad():
                    for name, w in parameters.items():
                        g = found[name] + mu * (w - x[name]) + correction[name]
                        velocity[name] = momentum * velocity[name] + g
                        w -= step * velocity[name]
        return {name: w.detach().clone() for name, w in self.module.state_dict().items() if name in x}

    def row_gradients(self, state: Tensors) -> Tensors:
        """Of each row's own loss, of shape (rows, *parameter) (5)."""
        self.module.load_state_dict(state, strict=False)
        self.module.eval()
        parameters = {name: w.detach() for name, w in self.module.named_parameters()}

        def loss(given: Tensors, row: Tensor, target: Tensor) -> Tensor:
            return self.losses(functional_call(self.module, given, (row[None],)), target[None])[0]

        if not len(self.rows):
            return {name: w[None][:0] for name, w in parameters.items()}
        at_once = max(1, _CELLS_AT_ONCE // sum(w.numel() for w in parameters.values()))
        by_row: Callable[..., Tensors] = vmap(grad(loss), in_dims=(None, 0, 0), chunk_size=at_once)
        return by_row(parameters, self.rows, self.target)


@contextmanager
def _alone(seed: int) -> Iterator[None]:
    """One thread and this seed, and afterwards what was before (6)."""
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.set_num_threads(1)
        torch.manual_seed(int(seed))
        try:
            yield
        finally:
            torch.set_num_threads(threads)


def _state(module: Module, sent: ArrayRecord, prefix: str = "") -> Tensors:
    """What was sent, in the shapes of the module's own state; a tensor without dimensions travels as one number."""
    own = {name: each for name, each in module.state_dict().items() if each.is_floating_point()}
    return {name: torch.tensor(sent[f"{prefix}{name}"].numpy()).reshape(each.shape) for name, each in own.items()}


def _zeros(state: Tensors) -> Tensors:
    return {name: torch.zeros_like(w) for name, w in state.items()}


def _record(prefix: str, tensors: Tensors) -> ArrayRecord:
    found = {name: np.ascontiguousarray(each.detach().numpy(), np.float32) for name, each in tensors.items()}
    return ArrayRecord({f"{prefix}{name}": Array(each) for name, each in found.items()})


def _target(outcome: NDArray[Any], config: Config) -> NDArray[Any]:
    if config["loss"] == "squared":
        center, scale = _unit(config)
        return ((outcome - center) / scale)[:, None]
    is_class: NDArray[Any] = outcome[:, None] == np.array(_classes(config))
    if not is_class.any(axis=1).all():
        raise ValueError("an outcome is none of the configuration's classes")
    return is_class[:, 1:] if config["loss"] == "logistic" else is_class


def _unit(config: Config) -> tuple[float, float]:
    return float(config.get("outcome-center", 0.0)), float(config.get("outcome-scale", 1.0))


def _references(sent: ArrayRecord) -> NDArray[Any] | None:
    return sent["references"].numpy() if "references" in sent else None


def _classes(config: Config) -> list[float]:
    return [float(each) for each in _parts(config["classes"])]


def _parts(value: object) -> tuple[str, ...]:
    return tuple(each for each in str(value).split(",") if each)
