"""What a round of growing boosted trees needs of one hospital: sums of gradients and Hessians by node, feature and bin.

Added over hospitals these are the sums over the pooled rows, and everything else of a tree follows from them
(Chen and Guestrin, KDD 2016, sections 2.2 and 3.2), so that the federated trees are the pooled ones. The hospital's
own rules about small cells are in `belmont.federated.node.histograms`, which adds up.

The model is all trees so far, as arrays of (trees, nodes): children of node i are 2i + 1 and 2i + 2. ``at`` is the
first tree being grown and the level that is asked for; the trees of one step are grown side by side.

Where the configuration asks for noise by row, the model is a base and a step function of each feature, and the answer
is each row's own gradient and Hessian in its bins, computed from that row and the model alone, so that the hospital can
cut each, add them up and add noise (docs/differential_privacy.md). It has no metrics.
"""

from collections.abc import Mapping

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from belmont.federated.evaluation.hospital import evaluated_codes
from belmont.federated.evaluation.layout import place_of_class
from belmont.federated.node.data import coded_data
from belmont.federated.node.histograms import Level, grouped_scores, tree_histograms

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """Answer with ``histogram`` (nodes of the widest level, bins, 2 or 3): rows, gradient and, but for squared loss,
    Hessian; the number of rows, and the mean loss of the trees that are complete, by grouped scores.

    By row: with ``histogram`` (rows, bins, 2): gradient and Hessian.
    """
    config, model = context.run_config, _model(message)
    keep = (float(config.get("holdout", 0.0)), 1.0)
    data = coded_data(context, _names(config["features"]), str(config["outcome"]), keep=keep)
    bins, sizes = _bins(config, data.codes)
    kind, score = str(config["loss"]), _scores(config, model, bins, sizes)
    derivatives = _derivatives(kind, score, data.outcome)
    if config.get("belmont-clipping") == "example":
        by_row = np.zeros((len(bins), sum(sizes), 2), np.float32)
        by_row[np.arange(len(bins))[:, None], bins + _starts(sizes)] = np.hstack(derivatives)[:, None, :]
        return _reply(message, by_row, {})

    first, depth = (int(each) for each in model["at"])
    feature, left, classes = model["feature"].astype(np.int64), _left(model), len(model["base"])
    levels = [slice(2**d - 1, 2 ** (d + 1) - 1) for d in range(depth)]
    step, width = int(config["trees-a-step"]), 2 ** (int(config["depth"]) - 1)
    histogram = np.zeros((step, width, sum(sizes), 1 + len(derivatives)))
    for slot, tree in enumerate(range(first, min(first + step, len(feature)))):
        splits = [Level(feature[tree, level], left[tree, level]) for level in levels]
        own = np.column_stack([each[:, tree % classes] for each in derivatives])
        histogram[slot, : 2**depth] = tree_histograms(context, bins, sizes, splits, own)
    flat = histogram.reshape(step * width, *histogram.shape[2:])
    loss = _mean_loss(kind, grouped_scores(context, score), data.outcome)
    return _reply(message, flat, {"num-examples": len(bins), "loss": loss})


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """Answer with sums over patients who were kept apart, and over the others (`belmont.federated.evaluation`)."""
    config, model, loss = context.run_config, _model(message), str(context.run_config["loss"])
    place = 0 if loss == "squared" else place_of_class(config, [float(k) for k in range(max(2, len(model["base"])))])

    def predict(codes: np.ndarray) -> np.ndarray:
        scores = _scores(config, model, *_bins(config, codes))
        if loss == "squared":
            return scores[:, 0]
        if loss == "logistic":
            scores = np.hstack([np.zeros_like(scores), scores])
        return np.asarray(np.exp(scores[:, place] - np.logaddexp.reduce(scores, axis=1)))

    return evaluated_codes(message, context, predict)


def _bins(config: Mapping[str, object], codes: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """Each row's bins, and how many each feature has: bin 0 is code 0 (missing), bin b the codes above cut b - 1 up to
    cut b."""
    cuts = [[int(cut) for cut in each.split(",") if cut] for each in str(config["cuts"]).split(";")]
    columns = [np.where(own > 0, 1 + np.searchsorted(each, own), 0) for own, each in zip(codes.T, cuts, strict=True)]
    return np.column_stack(columns), [len(each) + 2 for each in cuts]


def _starts(sizes: list[int]) -> np.ndarray:
    """Where each feature's bins begin."""
    return np.cumsum([0, *sizes[:-1]])


def _left(model: dict[str, np.ndarray]) -> np.ndarray:
    """Whether a bin goes left, (trees, nodes, bins): 32 bins a number."""
    bits = (model["left"].astype(np.int64)[..., None] >> np.arange(32)) & 1
    return np.asarray(bits.astype(bool).reshape(*model["left"].shape[:2], -1))


def _scores(
    config: Mapping[str, object], model: dict[str, np.ndarray], bins: np.ndarray, sizes: list[int]
) -> np.ndarray:
    """By the complete trees, (rows, classes): log-odds, or values."""
    if "shape" in model:
        return np.asarray(model["base"] + model["shape"][bins + _starts(sizes)].sum(axis=1, keepdims=True))
    feature, left, rows = model["feature"].astype(np.int64), _left(model), np.arange(len(bins))
    score = np.tile(model["base"], (len(bins), 1))
    for tree in range(int(model["at"][0])):
        node = np.zeros(len(bins), np.int64)
        for _ in range(int(str(config["depth"]))):
            at = feature[tree, node]
            node = np.where(at >= 0, 2 * node + 2 - left[tree, node, bins[rows, at]], node)
        score[:, tree % score.shape[1]] += model["value"][tree, node]
    return score


def _derivatives(loss: str, score: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """First and second derivative of each row's loss by its scores, (rows, classes) each.

    Of squared loss the second is 1 throughout, and left out. Of softmax it is the diagonal alone, as usual in boosting.
    """
    if loss == "squared":
        return [score - y[:, None]]
    if not np.isin(y, np.arange(max(score.shape[1], 2))).all():
        raise ValueError("the outcome is 0, 1, ... up to one less than the number of classes")
    if loss == "logistic":
        risk = 0.5 * (1.0 + np.tanh(0.5 * score))
        return [risk - y[:, None], risk * (1.0 - risk)]
    risk = np.exp(score - np.logaddexp.reduce(score, axis=1, keepdims=True))
    return [risk - (y[:, None] == np.arange(score.shape[1])), risk * (1.0 - risk)]


def _mean_loss(loss: str, score: np.ndarray, y: np.ndarray) -> float:
    """Of outcomes that were checked."""
    if loss == "squared":
        return float(np.mean((score[:, 0] - y) ** 2) / 2)
    if loss == "logistic":
        return float(np.mean(np.logaddexp(0.0, score[:, 0]) - y * score[:, 0]))
    return float(np.mean(np.logaddexp.reduce(score, axis=1) - score[np.arange(len(y)), y.astype(np.int64)]))


def _model(message: Message) -> dict[str, np.ndarray]:
    return {name: array.numpy() for name, array in message.content.array_records["arrays"].items()}


def _reply(message: Message, histogram: np.ndarray, metrics: dict[str, float]) -> Message:
    arrays = ArrayRecord({"histogram": Array(histogram)})
    return Message(RecordDict({"arrays": arrays, "metrics": MetricRecord(dict(metrics))}), reply_to=message)


def _names(value: object) -> tuple[str, ...]:
    return tuple(name for name in str(value).split(",") if name)
