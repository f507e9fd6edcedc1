"""Studies with a PyTorch module: they need the optional extra ``belmont[torch]``, and are left out without it."""

import os

import numpy as np
import pytest
from tests.federated.models.study_rounds import FEATURES, OUTCOME, answer, drawn, rounds, table
from tests.federated.models.test_network import BUNDLE, studied

from belmont.federated.accounting.settings import Clipping, PrivacySettings
from belmont.federated.errors import Diverged, FederatedError, NotIsolated
from belmont.federated.executor.isolated import IsolatedRunner
from belmont.federated.executor.limits import Limits
from belmont.federated.executor.probe import Property
from belmont.federated.executor.protocol import Answer, Failed, Task
from belmont.federated.hashes import code_hash
from belmont.federated.models.configuration import study_config
from belmont.federated.models.glm import PrivateSteps
from belmont.federated.models.local import LocalTraining, Target, rounds_config
from belmont.federated.models.network import Network
from belmont.federated.models.strategies import FedAdam, FedAvg, FedProx, FedYogi, Scaffold, parameters_of
from belmont.federated.models.torch_modules import TorchNetwork, torch_bundle

torch = pytest.importorskip("torch", reason="PyTorch is the optional extra belmont[torch]")

MLP = """
from torch import nn


def build():
    return nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, {outputs}))
"""
DROPOUT = MLP.replace("nn.ReLU(),", "nn.ReLU(), nn.Dropout(0.3),").format(outputs=1)
BATCH_NORM = MLP.replace("nn.ReLU(),", "nn.BatchNorm1d(6), nn.ReLU(),").format(outputs=1)
TIED = """
import torch
from torch import nn


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.second = nn.Linear(3, 3)
        self.second.weight = self.first.weight
        self.scale = nn.Parameter(torch.tensor(0.5))

    def forward(self, x):
        return (self.scale * self.second(torch.tanh(self.first(x)))).sum(dim=1)


def build():
    return Tied()
"""
PRIVATE = PrivateSteps(PrivacySettings(Clipping.EXAMPLE, 1.0, 20, 1_000_000, 3), 0.5, 0.5)


def made(source, local=None, strategy=None, target=None, private=None):
    """Bundle, configuration, model and rule of a study with this module."""
    local, strategy, network = (
        local or LocalTraining(1, 16),
        strategy or FedAvg(),
        TorchNetwork(source, 0, target or Target()),
    )
    settings = rounds_config(network.target, local, strategy, private)
    config = study_config(FEATURES, OUTCOME, (), settings, sums=network.sums(strategy, private), private=private)
    return torch_bundle(source), config, network.initial(strategy, private), network.combine(local, strategy, private)


def hospitals(seed=1):
    return [table(x, y) for x, y in drawn(seed)]


@pytest.mark.parametrize("strategy", [FedAvg(), FedProx(0.3), FedAdam(), FedYogi(), Scaffold()], ids=repr)
def test_a_module_of_linear_layers_trains_as_the_numpy_perceptron_does(strategy):
    """Same weights, batches and steps, in float32: two programs that know nothing of each other."""
    local = LocalTraining(2, 16, 0.1, 0.5, 0.0, seed=3)
    bundle, config, model, combine = made(MLP.format(outputs=1), local, strategy)
    other_config, other, other_combine = studied(Network(3, (6,)), local, strategy)
    first = {
        f"layer-{k}": np.vstack([model[f"{at}.bias"], model[f"{at}.weight"].T]).astype(np.float64)
        for k, at in ((1, 0), (2, 2))
    }
    other = strategy.initial(first)
    mine, losses = rounds(bundle, config, model, combine, hospitals(), 5)
    theirs, other_losses = rounds(BUNDLE, other_config, other, other_combine, hospitals(), 5)
    np.testing.assert_allclose(losses, other_losses, atol=1e-4)
    for k, at in ((1, 0), (2, 2)):
        found = np.vstack([mine[f"{at}.bias"], mine[f"{at}.weight"].T])
        np.testing.assert_allclose(found, theirs[f"layer-{k}"], atol=2e-3)


@pytest.mark.parametrize(
    "source", [MLP.format(outputs=1), DROPOUT, BATCH_NORM, TIED], ids=["mlp", "drop", "norm", "tied"]
)
@pytest.mark.parametrize("strategy", [FedAvg(), Scaffold()], ids=repr)
def test_modules_of_every_kind_learn_and_a_secure_sum_gives_the_same(source, strategy):
    study = made(source, LocalTraining(2, 16, 0.1), strategy)
    clear, losses = rounds(*study, hospitals(), 12)
    secure, _ = rounds(*study, hospitals(), 12, secure=True)
    assert losses[-1] < losses[0]
    for name, each in clear.items():
        assert each.dtype == np.float32
        np.testing.assert_allclose(secure[name], each, atol=1e-3)


@pytest.mark.parametrize("target", [Target(), Target("softmax", (0.0, 1.0)), Target("squared", center=0.5, scale=0.5)])
def test_predictions_are_probabilities_or_numbers_in_the_outcomes_unit(target):
    source = MLP.format(outputs=target.outputs)
    bundle, config, model, combine = made(source, LocalTraining(3, 16, 0.1), target=target)
    after, losses = rounds(bundle, config, model, combine, hospitals(), 10)
    x, y = (np.concatenate(each) for each in zip(*drawn(1), strict=True))
    network = TorchNetwork(source, 0, target)
    found = network.outputs(np.column_stack([np.ones(len(x)), x]), after)
    if target.loss == "squared":
        assert found.shape == (len(x),)
        assert np.mean(0.5 * ((found - y) / 0.5) ** 2) == pytest.approx(losses[-1], abs=0.05)
    else:
        assert found.shape == (len(x), 2)
        np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-6)
        assert np.mean((found[:, 1] > 0.5) == y) > 0.7
    assert all(np.array_equal(each, network.parameters[name]) for name, each in parameters_of(model).items())


def test_chance_comes_from_seed_and_round_alone_and_the_interpreters_own_is_left_as_it_was():
    bundle, config, model, _ = made(DROPOUT)
    hospital = hospitals()[0]
    torch.manual_seed(123)
    expected = torch.rand(3)

    def weights(config, n):
        return answer(bundle, config, model, n, hospital).arrays["0.weight"]

    torch.manual_seed(123)
    threads = torch.get_num_threads()
    first = weights(config, 1)
    assert torch.equal(torch.rand(3), expected) and torch.get_num_threads() == threads
    assert np.array_equal(first, weights(config, 1))
    assert not np.array_equal(first, weights(config, 2))
    assert not np.array_equal(first, weights(config | {"seed": 9}, 1))


def test_each_rows_gradient_is_that_of_the_row_alone_also_with_dropout():
    bundle, config, model, _ = made(DROPOUT, private=PRIVATE)
    (x, y), *_ = drawn(1)
    found = answer(bundle, config, model, 1, table(x, y), noisy=True)
    assert isinstance(found, Answer) and found.metrics == {}
    assert {n: a.shape[1:] for n, a in found.arrays.items()} == {n: a.shape for n, a in parameters_of(model).items()}
    for i in (0, 5, len(x) - 1):
        alone = answer(bundle, config, model, 1, table(x[i : i + 1], y[i : i + 1]), noisy=True)
        for name, each in found.arrays.items():
            np.testing.assert_allclose(each[i], alone.arrays[name][0], atol=1e-6)
    network = TorchNetwork(DROPOUT)
    network.module.eval()
    z = network.module(torch.tensor(np.float32(x)))[:, 0]
    torch.nn.functional.binary_cross_entropy_with_logits(z, torch.tensor(np.float32(y))).backward()
    for name, parameter in network.module.named_parameters():
        np.testing.assert_allclose(found.arrays[name].mean(axis=0), parameter.grad.numpy(), atol=1e-6)


def test_with_noise_a_module_with_running_statistics_or_tied_parameters_is_refused_and_told_what_to_take():
    for source, name in ((BATCH_NORM, "running_mean"), (TIED, "second.weight")):
        with pytest.raises(FederatedError, match=f"{name}.*GroupNorm"):
            TorchNetwork(source).sums(FedAvg(), PRIVATE)


def test_steps_that_run_away_are_told_and_no_rows_change_nothing():
    bundle, config, model, combine = made(MLP.format(outputs=1), LocalTraining(5, 4, 500.0), Scaffold())
    with pytest.raises(Diverged):
        rounds(bundle, config, model, combine, [table(100 * x, y) for x, y in drawn(1)], 3, secure=True)
    found = answer(bundle, config, model, 1, table(np.zeros((0, 3)), np.zeros(0)), min_cohort=0)
    assert isinstance(found, Answer), found
    assert all(np.array_equal(found.arrays[name], model[name]) for name in parameters_of(model))


@pytest.mark.parametrize("batch_size", [0, 1, 7, 10_000])
def test_every_batch_size_is_taken(batch_size):
    bundle, config, model, _ = made(MLP.format(outputs=1), LocalTraining(1, batch_size))
    assert isinstance(answer(bundle, config, model, 1, hospitals()[1]), Answer)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def build():\n    return 1", "int"),
        ("def build():\n    return nn.Linear(3, 1)", "nn"),
        ("from torch import nn\ndef build():\n    return nn.LazyLinear(1)", "inputs"),
        ("from torch import nn\ndef build():\n    return nn.ReLU()", "no parameters"),
        ("import no_such_package\ndef build():\n    return 1", "no_such_package"),
    ],
)
def test_a_module_that_cannot_be_trained_is_refused_before_anybody_is_asked(source, said):
    with pytest.raises(FederatedError, match=said):
        _ = TorchNetwork(source).parameters


def test_a_model_of_another_form_is_refused_at_the_hospital_and_in_predictions():
    bundle, config, model, _ = made(MLP.format(outputs=1))
    wrong = model | {"0.weight": np.zeros((5, 3), np.float32)}
    assert isinstance(answer(bundle, config, wrong, 1, hospitals()[0]), Failed)
    with pytest.raises(FederatedError, match="form"):
        TorchNetwork(MLP.format(outputs=1)).outputs(np.ones((2, 4)), wrong)


@pytest.fixture(scope="module")
def isolated():
    """What a hospital runs, with 1 GiB of address space a task."""
    allowed = () if os.geteuid() == 0 else (Property.OTHER_USER,)
    try:
        runner = IsolatedRunner(Limits(wall_seconds=60.0, memory_bytes=1 << 30, threads=8), allow_weaker=allowed)
    except NotIsolated as error:
        pytest.skip(str(error))
    yield runner
    runner.close()


def test_a_confined_process_runs_a_round_and_gives_what_this_process_gives(isolated):
    for source, private in ((DROPOUT, None), (BATCH_NORM, None), (MLP.format(outputs=1), PRIVATE)):
        bundle, config, model, _ = made(source, private=private)
        hospital = hospitals()[0]
        task = Task(bundle, code_hash(bundle), config, model, 7, 1, 1, hospital, 1, 1, noisy=private is not None)
        found, here = isolated.run(task), answer(bundle, config, model, 1, hospital, noisy=private is not None)
        assert isinstance(found, Answer), found
        for name, each in here.arrays.items():
            np.testing.assert_allclose(found.arrays[name], each, atol=1e-5)
        again = isolated.run(task)
        assert all(np.array_equal(each, again.arrays[name]) for name, each in found.arrays.items())


@pytest.mark.parametrize(
    "reach",
    [
        "open('/etc/passwd').read()",
        "open('/proc/self/environ').read()",
        "__import__('socket').socket()",
        "__import__('subprocess').run(['/bin/true'])",
    ],
)
def test_a_module_that_reaches_out_finds_nothing_in_a_confined_process(isolated, reach):
    """In this process the same code gets what it wants; confined it fails, although PyTorch was loaded before."""
    plain, hospital = made(MLP.format(outputs=1)), hospitals()[0]
    bundle = torch_bundle(MLP.format(outputs=1).replace("def build():", f"def build():\n    {reach}"))
    task = Task(bundle, code_hash(bundle), plain[1], plain[2], 7, 1, 1, hospital, 1, 1)
    assert isinstance(answer(bundle, plain[1], plain[2], 1, hospital), Answer)
    assert isinstance(isolated.run(task), Failed)
