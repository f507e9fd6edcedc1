"""Load a study's bundle, run it once, and read its reply: the same code in this process and in an isolated one.

1. The bundle is loaded only if its full SHA-256 is the expected one.
2. The code gets the approved configuration, the model, the round's number, the rows, and its hospital's place among the
   participants; nothing else that a coordinator wrote.
3. What it answers is read strictly (`belmont.federated.grid.records`), and a table it found too small overrides it.
"""

import time
from typing import Any

from flwr.app import DEFAULT_TTL, ArrayRecord, ConfigRecord, Context, Message, Metadata, MetricRecord, RecordDict
from flwr.app.message.message import make_message

from belmont.federated.errors import FederatedError
from belmont.federated.executor.protocol import Answer, Computed, Failed, Task, TooSmall
from belmont.federated.grid.records import read_arrays, read_metrics, write_arrays
from belmont.federated.hashes import Arrays, code_hash
from belmont.federated.local_log import place_of
from belmont.federated.node.bundle import LoadedApp
from belmont.federated.node.data import NODE_CONFIG_KEY, POSITION_KEY, offered


def compute(task: Task, made: dict[object, Any] | None = None) -> Computed:
    """Run a task in this very process. Never raises for what the code does, not even for an exit that it asks for.

    ``made`` is what was made of the same table before (`belmont.federated.node.data`).
    """
    with offered(task.table, task.min_cohort, task.smallest_cell, made, task.fractions) as (ticket, offer):
        outcome: Computed
        try:
            if code_hash(task.bundle) != task.code_hash:  # 1
                raise FederatedError("the bundle is not the one that was approved")
            with LoadedApp(task.bundle) as app:
                reply = app(_message(task), _context(task, ticket))
            arrays, metrics = _read_reply(reply, task.noisy)
            outcome = Answer(arrays, metrics)
        except BaseException as error:
            outcome = Failed(place_of(error), error)
    return TooSmall() if offer.too_small else outcome  # 3


def _context(task: Task, ticket: str) -> Context:
    return Context(
        run_id=task.permit_id,
        node_id=task.node_id,
        node_config={NODE_CONFIG_KEY: ticket, POSITION_KEY: task.position},
        state=RecordDict(),
        run_config=dict(task.config),
    )


def _message(task: Task) -> Message:
    metadata = Metadata(
        run_id=task.permit_id,
        message_id=f"round-{task.n}",
        src_node_id=0,
        dst_node_id=task.node_id,
        reply_to_message_id="",
        group_id=str(task.n),
        created_at=time.time(),
        ttl=DEFAULT_TTL,
        message_type=task.kind,
    )
    content = RecordDict({"arrays": write_arrays(task.arrays), "config": ConfigRecord(dict(task.config))})
    return make_message(metadata=metadata, content=content)


def _read_reply(reply: object, noisy: bool) -> tuple[Arrays, dict[str, float]]:
    if not isinstance(reply, Message) or not reply.has_content() or set(reply.content) != {"arrays", "metrics"}:
        raise FederatedError("a study's code answers with a Message that holds exactly arrays and metrics")
    arrays, metrics = reply.content["arrays"], reply.content["metrics"]
    if not isinstance(arrays, ArrayRecord) or not isinstance(metrics, MetricRecord):
        raise FederatedError("arrays has to be an ArrayRecord and metrics a MetricRecord")
    return read_arrays(arrays, finite=not noisy), {} if noisy else read_metrics(metrics)
