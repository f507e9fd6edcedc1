"""One federated round at one hospital.

1. The node hashes the bundle, configuration and model it received itself; nothing that a message says of itself counts.
2. A round that this node answered already gets the same answer, if it may still leave. Otherwise the gate admits it, or
   nothing happens: the bundle has not even been opened.
3. The bundle is loaded from the hashed bytes, and its code gets the approved configuration, the model, the round's
   number and the rows; nothing else that a coordinator wrote.
4. What the code answers is read strictly, hashed, and released by the gate.

Nothing else that the code chose leaves the hospital: however it fails, the researcher reads one fixed sentence. What
remains is whether it fails, whether it asks for too few rows, and how long it takes.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from flwr.app import DEFAULT_TTL, ArrayRecord, ConfigRecord, Context, Message, Metadata, MetricRecord, RecordDict
from flwr.app.message.message import make_message

from belmont.federated.errors import AppFailed, FederatedError, Refusal
from belmont.federated.gate.gate import TOO_FEW_ROWS, Asked, Gate, request_hash
from belmont.federated.grid.records import pack_records, read_arrays, read_metrics, unpack_records, write_arrays
from belmont.federated.hashes import Arrays, code_hash, config_hash, model_hash, update_hash
from belmont.federated.local_log import place_of
from belmont.federated.node.bundle import LoadedApp
from belmont.federated.node.consents import NOTHING, Chosen
from belmont.federated.node.data import NODE_CONFIG_KEY, offered
from belmont.federated.node.requests import RoundMessage, read_round
from belmont.federated.node.versions import NewestVersion
from belmont.federated.table import NodeTable
from belmont.registry.reasons import Reason
from belmont.registry.types import DatasetId, Request, UseKind

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RoundServer:
    """Serves the rounds of one dataset. ``bundle`` gives the bytes delivered for a Flower run, or None."""

    gate: Gate
    dataset_id: DatasetId
    node_id: int
    versions: NewestVersion
    bundle: Callable[[int], bytes | None]
    smallest_cell: int

    def serve(self, message: Message) -> RecordDict:
        """Answer one message of type ``train``. Raises Refusal, AppFailed or NodeFault; then nothing leaves."""
        bundle = self.bundle(message.metadata.run_id) or b""
        try:
            asked = read_round(message.content)
            hashes = code_hash(bundle), config_hash(asked.config), model_hash(asked.arrays)
        except FederatedError as error:
            raise Refusal(Reason.REQUEST_MALFORMED, str(error)) from error

        def request(chosen: Chosen) -> Request:
            return Request(
                kind=UseKind.ROUND,
                permit_id=asked.claim.permit_id,
                n=asked.claim.n,
                dataset_id=self.dataset_id,
                purpose=asked.claim.purpose,
                code_hash=hashes[0],
                config_hash=hashes[1],
                subject_hash=hashes[2],
                participants=asked.claim.participants,
                cohort_rows=chosen.rows,
                version=chosen.version,
                consent_root=chosen.consent_root,
                consented_until=chosen.consented_until,
                left_out=chosen.left_out,
            )

        which = Asked(asked.claim.permit_id, self.dataset_id, UseKind.ROUND, asked.claim.n)
        answered = self.gate.again(which, request_hash(request(NOTHING)))
        if answered is not None:
            return unpack_records(answered)
        admission, _, table = self.versions.admit(self.gate, which, request, message.metadata.message_id)
        min_cohort = admission.permit.terms.min_cohort
        arrays, metrics, hashed = self._compute(bundle, asked, table, min_cohort)
        reply = RecordDict({"arrays": write_arrays(arrays), "metrics": MetricRecord(dict(metrics))})
        self.gate.release(admission, hashed, pack_records(reply))
        return reply

    def _compute(
        self, bundle: bytes, asked: RoundMessage, table: NodeTable, min_cohort: int
    ) -> tuple[Arrays, dict[str, float], bytes]:
        with offered(table, min_cohort, self.smallest_cell) as (ticket, offer):
            try:
                with LoadedApp(bundle) as app:
                    context = Context(
                        run_id=asked.claim.permit_id,
                        node_id=self.node_id,
                        node_config={NODE_CONFIG_KEY: ticket},
                        state=RecordDict(),
                        run_config=dict(asked.config),
                    )
                    reply = app(self._message_for_app(asked), context)
                arrays, metrics = _read_reply(reply)
                result = arrays, metrics, update_hash(arrays, metrics)
            except BaseException as error:
                place = place_of(error)
                result = None
        if offer.too_small:
            raise Refusal(Reason.COHORT_TOO_SMALL, TOO_FEW_ROWS.format(min_cohort))
        if result is None:
            _log.error(
                "round %d of permit %d: the study's code failed: %s", asked.claim.n, asked.claim.permit_id, place
            )
            raise AppFailed
        return result

    def _message_for_app(self, asked: RoundMessage) -> Message:
        metadata = Metadata(
            run_id=asked.claim.permit_id,
            message_id=f"round-{asked.claim.n}",
            src_node_id=0,
            dst_node_id=self.node_id,
            reply_to_message_id="",
            group_id=str(asked.claim.n),
            created_at=time.time(),
            ttl=DEFAULT_TTL,
            message_type="train",
        )
        content = RecordDict({"arrays": write_arrays(asked.arrays), "config": ConfigRecord(dict(asked.config))})
        return make_message(metadata=metadata, content=content)


def _read_reply(reply: object) -> tuple[Arrays, dict[str, float]]:
    if not isinstance(reply, Message) or not reply.has_content() or set(reply.content) != {"arrays", "metrics"}:
        raise FederatedError("a study's code answers with a Message that holds exactly arrays and metrics")
    arrays, metrics = reply.content["arrays"], reply.content["metrics"]
    if not isinstance(arrays, ArrayRecord) or not isinstance(metrics, MetricRecord):
        raise FederatedError("arrays has to be an ArrayRecord and metrics a MetricRecord")
    return read_arrays(arrays), read_metrics(metrics)
