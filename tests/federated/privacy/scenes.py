"""Private rounds for tests: scenes, messages, and what a researcher reads of a round."""

import json
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
from flwr.app import Message

from belmont.federated.accounting import release as release_module
from belmont.federated.accounting.clipping import clip_examples
from belmont.federated.accounting.settings import Clipping, PrivacySettings
from belmont.federated.models.bundles import shipped_bundle
from belmont.federated.models.glm import (
    PrivateSteps,
    glm_config,
    gradient_steps,
    initial_model,
)
from belmont.federated.models.training import Training
from belmont.federated.node.design import design
from belmont.federated.node.requests import DEAL, Claim, deal_content, round_content
from belmont.federated.secagg.settings import SECURE_SUM_KEY, SecureSum, read_secure_sum
from belmont.registry.reasons import Reason
from belmont.registry.types import AnswerMode, MicroRho

PURPOSE = 1 << 37
FEATURES = ("age", "hba1c", "systolic")
CELLS = 1 + len(FEATURES)
RHO = 50_000
STEPS = PrivateSteps(PrivacySettings(Clipping.EXAMPLE, 2.0, 20, MicroRho(RHO), 3))


def made_private(scene: Any, steps: PrivateSteps = STEPS, **terms: Any) -> Any:
    """A scene with a permit for rounds of the shipped study with noise."""
    scene.bundle = shipped_bundle("glm")
    return approved(scene, glm_config(FEATURES, "cvd_event", private=steps), steps, **terms)


def approved(scene: Any, config: Any, steps: PrivateSteps = STEPS, **terms: Any) -> Any:
    scene.config = config
    scene.model = initial_model(FEATURES, private=steps)
    given = {"rho_per_dataset": MicroRho(10_000_000), "answer_mode": AnswerMode.PRIVATE} | terms
    scene.permit = scene.issue(**given)
    return scene


def with_app(scene: Any, app_builder: Any, source: str, cells: int, **changes: Any) -> Any:
    """A scene whose study answers ``w``, each contribution of so many cells."""
    noise = replace(STEPS.noise, **changes)
    sums = SecureSum((("w", (cells,)),), fraction_bits=noise.fraction_bits, private=True)
    scene.bundle = app_builder(source)
    return approved(scene, {"features": "age", SECURE_SUM_KEY: sums.to_text()} | noise.as_config())


APP = """
import numpy as np
from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from belmont.federated.node.data import training_data
app = ClientApp()
@app.train()
def train(message, context):
    rows = len(training_data(context, ("age",), "cvd_event").outcome)
    arrays, metrics = {arrays}, {metrics}
    content = {{"arrays": ArrayRecord(arrays), "metrics": MetricRecord(metrics)}}
    return Message(RecordDict(content), reply_to=message)
"""
ZEROS = '{"w": Array(np.zeros((rows, 4)))}'


def training(scene: Any, grid: Any, **changes: Any) -> Training:
    arguments = {
        "config": scene.config,
        "model": scene.model,
        "combine": gradient_steps(STEPS),
        "participants": scene.participants,
        "node_ids": grid.node_ids,
        "timeout_seconds": 30,
    }
    return Training(scene.by_researcher, grid, scene.permit, **arguments | changes)


def claim_of(scene: Any, n: int = 1) -> Claim:
    return Claim(scene.permit, n, PURPOSE, scene.participants)


def ask(scene: Any, i: int, message_type: str, content: Any, n: int = 1) -> Message:
    with closing(scene.grid()) as grid:
        signed = scene.signed(scene.nodes[i], message_type, content)
        (reply,) = grid.send_and_receive([grid.create_message(signed, message_type, scene.nodes[i].node_id, str(n))])
    return reply


def packages_of(scene: Any, n: int = 1) -> list[list[bytes]]:
    dealt = []
    for i in range(4):
        reply = ask(scene, i, DEAL, deal_content(claim_of(scene, n), 1))
        dealt.append(list(reply.content["packages"]["packages"]))
    return [[dealt[j][i - (i > j)] for j in range(4) if j != i] for i in range(4)]


def content_of(scene: Any, packages: Any, n: int = 1, **changes: Any) -> Any:
    return round_content(claim_of(scene, n), changes.get("config", scene.config), scene.model, packages)


def answer(scene: Any, i: int, packages: Any, n: int = 1, **changes: Any) -> Message:
    return ask(scene, i, "train", content_of(scene, packages[i], n, **changes), n)


def refusal(reply: Message) -> Reason:
    assert reply.has_error(), "the node answered"
    return Reason(json.loads(reply.error.reason)["reason"])


def totals(scene: Any, count: int = 1) -> list[Any]:
    """What the researcher reads of so many rounds from the same model: each array's total, in integers."""
    found = []

    def keep(model: Any, updates: Any) -> Any:
        (update,) = updates
        bits = read_secure_sum(scene.config).fraction_bits
        found.append({name: np.rint(array * 2.0**bits).astype(np.int64) for name, array in update.arrays.items()})
        return model

    with closing(scene.grid()) as grid:
        list(training(scene, grid, combine=keep).rounds(count))
    return found


def gradients(scene: Any, i: int) -> Any:
    """Each row's gradient at zero coefficients, as the shipped study computes it."""
    data = design(scene.consortium.tables[i], FEATURES, "cvd_event")
    return data.design * (0.5 - data.outcome)[:, None]


def clear_total(scene: Any) -> Any:
    noise = STEPS.noise
    clipped = [clip_examples({"g": gradients(scene, i)}, noise.bound, noise.fraction_bits) for i in range(4)]
    return sum(each.values for each in clipped)


def computed(scene: Any, i: int = 0) -> bool:
    return bool(scene.looks[i]) or bool(scene.nodes[i].ledger.entries())


def counted_draws(monkeypatch: Any) -> list[Any]:
    draws: list[Any] = []
    drawn = release_module.discrete_gaussian

    def noted(*arguments: Any) -> Any:
        draws.append(drawn(*arguments))
        return draws[-1]

    monkeypatch.setattr(release_module, "discrete_gaussian", noted)
    return draws


class Ended(BaseException):
    """The process of a node ends."""


def private_message(scene: Any, packages: Any) -> Message:
    with closing(scene.grid()) as grid:
        return grid.create_message(content_of(scene, packages[0]), "train", scene.nodes[0].node_id, "1")
