"""The node of one hospital, for one dataset: takes Flower messages, answers or refuses them.

A node opens nothing by itself, trusts no coordinator, and serves nobody but the permit's data user (`data_user`). It
answers every message: with a result that the gate released, or with a Flower error that carries a typed reason
(`belmont.federated.errors`). What goes wrong inside stays in the hospital's log; the error is a fixed sentence.
"""

import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from eth_account.signers.local import LocalAccount
from flwr.app import Error, Message, RecordDict

from belmont.federated.errors import (
    APP_FAILED,
    NODE_FAULT,
    REFUSED,
    AppFailed,
    BundleError,
    FederatedError,
    NodeFault,
    Refusal,
)
from belmont.federated.executor.in_process import InProcessRunner
from belmont.federated.executor.protocol import AppRunner
from belmont.federated.gate.gate import Gate
from belmont.federated.gate.ledger import Ledger
from belmont.federated.local_log import place_of
from belmont.federated.node.bounded import Disputes
from belmont.federated.node.bundle import MAX_BUNDLE_BYTES
from belmont.federated.node.consents import NodeConsents
from belmont.federated.node.data_user import DataUserOnly
from belmont.federated.node.disclosures import Disclosures
from belmont.federated.node.queries import QueryServer
from belmont.federated.node.requests import ACCOUNT, DEAL, SETTLE, UNMASK, read_after, read_deal
from belmont.federated.node.rounds import RoundServer
from belmont.federated.node.secure import SecureRounds
from belmont.federated.node.versions import NewestVersion, OpenVersion
from belmont.federated.query.aggregate import SMALLEST_CELL
from belmont.federated.query.disclosure import Disclosure
from belmont.federated.query.masks import HASH_LABEL, MaskContext
from belmont.federated.query.pair_proof import PairProof, check_knowledge, prove_knowledge, prove_pair
from belmont.registry.consents.register import ConsentRegister
from belmont.registry.protocol import Registry
from belmont.registry.reasons import Reason
from belmont.registry.simulated import SimulatedRegistry
from belmont.registry.types import DatasetId, PermitId
from belmont.zk.budget import OpeningBudget

MAX_BUNDLES = 16
"""Bundles kept at a time; the one delivered longest ago makes room."""
MAX_MESSAGE_ID_CHARS = 200
DISCLOSURES_SUFFIX = "-disclosures"

_log = logging.getLogger(__name__)


def node_id_of(dataset_id: DatasetId) -> int:
    """The Flower node id of a dataset's node: 63 bits of SHA-256, never 0."""
    return int.from_bytes(hashlib.sha256(b"belmont/node/1" + dataset_id).digest()[:8]) >> 1 | 1


class HospitalNode:
    """``registry`` is bound to the data holder's ``account``, which also signs answers; ``ledger_path`` is this node's
    own file, with what a dispute would need in a second one beside it; ``openings_path`` is the hospital's count of
    what proofs gave away of its commitments (`belmont.zk.budget`), which whoever proves its versions counts in too;
    ``consents_path`` is the hospital's register of who consents to what (`belmont.registry.consents.register`).

    ``open_version`` gives the rows and commitments of a registered version. The newest is opened here, where what is
    raised reaches the operator, and again whenever a request meets a newer one.

    ``runner`` runs the studies' code, and is closed with the node: by default in this process, which is for notebooks
    and synthetic data. A hospital gives an `belmont.federated.executor.isolated.IsolatedRunner`.
    """

    def __init__(
        self,
        registry: Registry,
        dataset_id: DatasetId,
        open_version: OpenVersion,
        mask_private_key: X25519PrivateKey,
        ledger_path: Path,
        clock: Callable[[], float] = time.time,
        smallest_cell: int = SMALLEST_CELL,
        *,
        account: LocalAccount,
        openings_path: Path,
        consents_path: Path,
        runner: AppRunner | None = None,
    ) -> None:
        runner = InProcessRunner() if runner is None else runner
        if registry.address != str(account.address):
            raise NodeFault("the account that signs answers is not the one that writes to the chain")
        self.dataset_id = dataset_id
        self.node_id = node_id_of(dataset_id)
        """That messages are addressed to; a coordinator gives another (`belmont.federated.deployed`)."""
        is_lasting = not isinstance(registry, SimulatedRegistry)  # that one ends with this process
        self._ledger = Ledger(ledger_path, registry.identity, dataset_id, is_lasting=is_lasting)
        self._bundles: OrderedDict[int, bytes] = OrderedDict()
        gate = Gate(registry, self._ledger, clock)
        with ExitStack() as opened:
            opened.callback(self._ledger.close)
            self._disclosures = Disclosures(ledger_path.with_name(ledger_path.name + DISCLOSURES_SUFFIX))
            opened.callback(self._disclosures.close)
            self._budget = OpeningBudget(openings_path)
            opened.callback(self._budget.close)
            register = ConsentRegister(consents_path, dataset_id)
            opened.callback(register.close)
            consents = NodeConsents(registry, dataset_id, register)
            self._versions = NewestVersion(registry, dataset_id, open_version, consents)
            opened.callback(runner.close)
            self._files = opened.pop_all()
        self._data_user_only = DataUserOnly(registry, dataset_id)
        bundle = self._bundles.get
        self._secure = SecureRounds(gate, registry, self._ledger, dataset_id, mask_private_key)
        self._disputes = Disputes(registry, dataset_id, account, self._secure.disputed)
        self._rounds = RoundServer(
            gate, dataset_id, self.node_id, self._versions, bundle, smallest_cell, runner, self._secure
        )
        self._queries = QueryServer(
            gate,
            registry,
            dataset_id,
            self._versions,
            mask_private_key,
            account,
            self._disclosures,
            self._budget,
            smallest_cell,
            clock,
        )
        self._mask_private_key = mask_private_key

    @property
    def ledger(self) -> Ledger:
        """What this node served."""
        return self._ledger

    def deliver(self, run_id: int, bundle: bytes) -> None:
        """Take the bundle of a Flower run, as a SuperLink would deliver it. Nothing in it is looked at yet."""
        if len(bundle) > MAX_BUNDLE_BYTES:
            raise BundleError(f"the bundle is larger than {MAX_BUNDLE_BYTES} bytes")
        self._bundles[run_id] = bytes(bundle)
        self._bundles.move_to_end(run_id)
        while len(self._bundles) > MAX_BUNDLES:
            self._bundles.popitem(last=False)

    def has_bundle(self, run_id: int) -> bool:
        """Whether the bundle of a Flower run is here."""
        return run_id in self._bundles

    def handle(self, message: Message) -> Message:
        """Answer one message. Never raises: every failure is an error reply, and nothing of a result is in it."""
        try:
            return Message(self._serve(message), reply_to=message)
        except Refusal as refusal:
            error = Error(REFUSED, refusal.to_json())
        except AppFailed as failure:
            error = Error(APP_FAILED, str(failure))
        except NodeFault as fault:
            _log.error("a message could not be served: %s", fault)
            error = Error(NODE_FAULT, str(fault))
        except Exception as fault:
            _log.error("a message could not be served: %s", place_of(fault))
            error = Error(NODE_FAULT, "this node failed; its log says where")
        return Message(error, reply_to=message)

    def disclose(self, permit_id: PermitId, n: int) -> Disclosure | None:
        """What went into this node's answer to a query, for the ethics board in a dispute, and nobody else.

        It shows this hospital's own totals. No message asks for it: the hospital's operator decides, and hands it over.
        None if the query was not answered here, or is settled.
        """
        return self._disclosures.of(permit_id, n)

    def prove_mask_key(self, context: MaskContext) -> bytes:
        """Proof that this hospital knows the mask key that the chain has of it: in a dispute, its peer asks for it."""
        return prove_knowledge(self._mask_private_key, context.key_info(context.participants.index(self.dataset_id)))

    def prove_pair(self, context: MaskContext, peer: int, peer_key: bytes, knowledge: bytes) -> PairProof:
        """Proof of the secret shared with one peer, for the board, where both signed different seeds for their pair.

        ``knowledge`` is the peer's own ``prove_mask_key``. Without it the peer's key could be a multiple of a third
        hospital's, and the proof would tell the secret with that one. Raises QueryError.
        """
        check_knowledge(knowledge, peer_key, context.key_info(peer))
        position = context.participants.index(self.dataset_id)
        low, high = min(position, peer), max(position, peer)
        return prove_pair(self._mask_private_key, peer_key, context.info(low, high, HASH_LABEL))

    def settle(self, permit_id: PermitId, n: int) -> None:
        """Forget what a dispute about a query would need: nobody can be cleared or blamed afterwards."""
        self._disclosures.forget(permit_id, n)

    def close(self) -> None:
        """Close the node's files, and end what runs the studies' code."""
        self._files.close()

    def __repr__(self) -> str:
        return f"HospitalNode(dataset {self.dataset_id.hex()[:12]}..., version {self._versions.number})"

    def _serve(self, message: Message) -> RecordDict:
        metadata = message.metadata
        if not message.has_content():
            raise Refusal(Reason.REQUEST_MALFORMED, "the message has no content")
        if type(metadata.message_id) is not str or not 1 <= len(metadata.message_id) <= MAX_MESSAGE_ID_CHARS:
            raise Refusal(Reason.REQUEST_MALFORMED, "the message has no identifier")
        if metadata.dst_node_id != self.node_id:
            raise Refusal(Reason.REQUEST_MALFORMED, "the message is addressed to another node")
        if metadata.message_type not in ("train", "evaluate", "query", DEAL, UNMASK, ACCOUNT, SETTLE):
            raise Refusal(Reason.COMPUTATION_NOT_PERMITTED, "this node trains, evaluates and answers queries, no more")
        message = self._data_user_only.opened(message)
        if metadata.message_type in ("train", "evaluate"):
            return self._rounds.serve(message)
        if metadata.message_type == "query":
            return self._queries.serve(message)
        try:
            if metadata.message_type == DEAL:
                return self._secure.deal(*read_deal(message.content))
            if metadata.message_type == UNMASK:
                return self._secure.unmask(read_after(message.content))
            if metadata.message_type == ACCOUNT:
                return self._disputes.give_account(read_after(message.content))
            return self._disputes.settle(read_after(message.content))
        except (Refusal, NodeFault):
            raise
        except FederatedError as error:
            raise Refusal(Reason.REQUEST_MALFORMED, str(error)) from error
