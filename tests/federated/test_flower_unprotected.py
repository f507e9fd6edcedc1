"""Attacks on Flower's own node, which works them, and on ours, which does not (docs/attacks.md).

Flower's side is what its SuperNode does with a message, in a process of its own each time: `install_from_fab`,
`get_fused_config`, `get_load_client_app_fn` and the `ClientApp`, as they ship.
"""

import sys
from collections.abc import Callable
from contextlib import closing
from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, Context, Message, Metadata, RecordDict
from flwr.app.message.message import make_message
from flwr.cli.install import install_from_fab
from flwr.clientapp.utils import get_load_client_app_fn
from flwr.common.config import get_fused_config
from flwr.supercore.run import Run

from belmont.federated.hashes import code_hash
from belmont.federated.node.requests import Claim, round_content
from belmont.registry.reasons import Reason

APP = """
from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
app = ClientApp()
@app.train()
def train(message, context):
    factor = float(context.run_config["features"] or 1)
    arrays = {name: Array(array.numpy() * factor) for name, array in message.content["arrays"].items()}
    metrics = MetricRecord({"num-examples": 1})
    return Message(RecordDict({"arrays": ArrayRecord(arrays), "metrics": metrics}), reply_to=message)
"""
PURPOSE = 1 << 37
EVIL = ("factor = float", "factor = 666 + float")


class FlowerNode:
    """A hospital that runs Flower as it ships. ``bundle`` comes with the run, as does ``override``."""

    def __init__(self, bundle: bytes) -> None:
        self._bundle = bundle
        self._load = get_load_client_app_fn("", None, True)
        self.folder = install_from_fab(bundle, skip_prompt=True)

    def answer(self, model: Any, override: dict[str, Any] | None = None, n: int = 1) -> float:
        """The first number of what the node sends back for one message."""
        install_from_fab(self._bundle, skip_prompt=True)
        hashed = code_hash(self._bundle).hex()
        config = get_fused_config(_run(hashed, override or {}))
        for module in [name for name in sys.modules if name.split(".")[0] == "traced"]:
            del sys.modules[module]  # a new process has none
        app = self._load("test/traced", "1.0.0", hashed)
        content = RecordDict({"arrays": ArrayRecord({name: Array(each) for name, each in model.items()})})
        metadata = Metadata(1, f"m{n}", 1, 2, "", str(n), 1_750_000_000.0, 3_600.0, "train")
        context = Context(1, 2, {}, RecordDict(), config)
        reply = app(make_message(metadata=metadata, content=content), context)
        return float(next(iter(reply.content["arrays"].values())).numpy().ravel()[0])


def _run(hashed: str, override: dict[str, Any]) -> Run:
    run = Run.create_empty(1)
    run.fab_id, run.fab_version, run.fab_hash, run.override_config = "test/traced", "1.0.0", hashed, override
    return run


@pytest.fixture
def bundle(app_builder: Callable[..., bytes]) -> bytes:
    return app_builder(APP)


@pytest.fixture
def flower(bundle: bytes, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> FlowerNode:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("FLWR_HOME", str(tmp_path / "flower"))
    return FlowerNode(bundle)


@pytest.fixture
def ours(scene: Any, bundle: bytes) -> Any:
    """The same study, approved, with round 1 open."""
    scene.bundle = bundle
    scene.config = {"features": "1"}
    scene.permit = scene.issue()
    scene.open_round(scene.permit)
    return scene


def answer(scene: Any, model: Any = None, config: Any = None, n: int = 1, bundle: bytes | None = None) -> Message:
    claim = Claim(scene.permit, n, PURPOSE, scene.participants)
    content = round_content(claim, config or scene.config, scene.model if model is None else model)
    with closing(scene.grid() if bundle is None else scene.grid(bundle=bundle)) as grid:
        signed = scene.signed(scene.nodes[0], "train", content)
        (reply,) = grid.send_and_receive([grid.create_message(signed, "train", scene.nodes[0].node_id, str(n))])
    return reply


def first(reply: Message) -> float:
    return float(next(iter(reply.content["arrays"].values())).numpy().ravel()[0])


ONE = {"w": np.ones(2)}


def test_altered_code_runs_under_the_approved_hash_in_flower(flower: FlowerNode) -> None:
    assert flower.answer(ONE) == 1
    source = flower.folder / "traced" / "client_app.py"
    source.write_text(source.read_text().replace(*EVIL))
    assert flower.answer(ONE) == 667, "the folder's name has eight digits of the hash, and nobody looks inside again"


def test_altered_code_does_not_run_in_ours(
    ours: Any, app_builder: Callable[..., bytes], refused: Callable[..., Any]
) -> None:
    altered = app_builder(APP.replace(*EVIL))
    assert refused(answer(ours, bundle=altered)).reason is Reason.CODE_MISMATCH
    assert answer(ours).has_content()


def test_flower_answers_a_round_that_nobody_opened(flower: FlowerNode) -> None:
    assert flower.answer(ONE, n=4_711) == 1


def test_ours_does_not(ours: Any, refused: Callable[..., Any]) -> None:
    assert refused(answer(ours, n=2)).reason is Reason.ROUND_NOT_OPEN


def test_flower_computes_a_replayed_message_again_each_time(flower: FlowerNode, tmp_path: Any) -> None:
    trace = tmp_path / "computed"
    source = flower.folder / "traced" / "client_app.py"
    note = f"    open({str(trace)!r}, 'a').write('x')\n    factor ="
    source.write_text(source.read_text().replace("    factor =", note))
    for _ in range(3):
        flower.answer(ONE)
    assert trace.read_text() == "xxx"


def test_the_superlinks_configuration_is_taken_by_flower(flower: FlowerNode) -> None:
    assert flower.answer(ONE, override={"features": "1000"}) == 1000


def test_another_configuration_is_refused_by_ours(ours: Any, refused: Callable[..., Any]) -> None:
    assert refused(answer(ours, config={"features": "1000"})).reason is Reason.CONFIG_MISMATCH


def test_any_model_is_trained_on_by_flower(flower: FlowerNode) -> None:
    assert flower.answer({"w": np.full(2, 1e9)}) == 1e9


def test_a_model_that_was_not_opened_is_refused_by_ours(ours: Any, refused: Callable[..., Any]) -> None:
    swapped = {name: array + 1 for name, array in ours.model.items()}
    assert refused(answer(ours, model=swapped)).reason is Reason.MODEL_MISMATCH
