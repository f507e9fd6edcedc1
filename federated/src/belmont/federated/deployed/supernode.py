"""A hospital's node behind a coordinator: Flower's SuperNode with the gate before everything else.

1. A message is handed to the node as it came: the node hashes, decides and computes (`belmont.federated.node`); what
   the coordinator says of a message counts for nothing. Nothing of Flower's own app runtime is used: no app is
   installed, no port opened, and no task can be acquired.
2. A coordinator that is away, answers nonsense or restarts is met with patience: the node joins again, from 0.2 s to 10
   s later, until it is told to stop. So is one that answers pulls early and with nothing.
3. Where another process joined with this node's key, this one says so and stands by: it joins again once the other is
   gone. Which of the two ought to run is for people to say.
4. What was computed is sent again after a break in the connection, and not computed again. One reply that the
   coordinator does not take keeps nobody else waiting: it is dropped, and whoever asks again is given the same bytes.
"""

import logging
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec
from eth_account.signers.local import LocalAccount
from flwr.app import Message

from belmont.federated.deployed.backoff import EarlyAnswers, pauses
from belmont.federated.deployed.fleet import Fleet, join
from belmont.federated.deployed.paths import MOST_WAIT_SECONDS
from belmont.federated.errors import CoordinatorError
from belmont.federated.node.node import HospitalNode

STAND_BY_SECONDS = 10.0
FETCHED_SECONDS = 2.0
"""Within which a reply is fetched by whoever waits for it."""
MOST_ATTEMPTS = 5
"""At handing one reply to the coordinator."""

_LOOK_SECONDS = 0.2
_TAKEN = 409
"""HTTP status: another process serves with this node's key."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Membership:
    """How a node shows itself to a coordinator."""

    address: str
    """``host:port`` of the coordinator."""
    authority: bytes
    """PEM of the authority behind the coordinator's certificate."""
    account: LocalAccount
    key: ec.EllipticCurvePrivateKey


class SuperNode:
    """Serves one node until ``stop`` is called, from any thread, which it notices within ``idle_seconds``. ``told``
    hears of each change of state, in words.
    """

    def __init__(
        self,
        node: HospitalNode,
        membership: Membership,
        told: Callable[[str], None] = lambda state: None,
        idle_seconds: float = MOST_WAIT_SECONDS,
    ) -> None:
        self._node = node
        self._membership = membership
        self._told = told
        self._idle_seconds = idle_seconds
        self._stopped = False
        self._unsent: Message | None = None
        self._attempts = 0
        self._sent_at = -FETCHED_SECONDS
        self._instance = secrets.token_hex(16)
        self._joined_before = False
        self.is_idle = True
        """Whether nothing is lost by ending the process now."""

    def stop(self) -> None:
        """End after the message at hand. Takes no lock: a signal's handler may call it."""
        self._stopped = True

    def run(self) -> None:
        """Serve until stopped."""
        between = pauses()
        while not self._stopped:
            try:
                for _ in self._connected():
                    between = pauses()
            except CoordinatorError as error:
                _log.warning("%s", error)
                if error.status == _TAKEN:  # 3
                    self._told(f"standing by: {error}")
                    self._pause(STAND_BY_SECONDS)
                else:
                    self._told(f"waiting for the coordinator: {error}")
                    self._pause(next(between))

    def _connected(self) -> Iterator[None]:
        me = self._membership
        dataset_id, first = self._node.dataset_id, not self._joined_before
        node_id = join(me.address, me.authority, me.account, me.key, dataset_id, self._instance, first)
        self._joined_before = True
        if node_id != self._node.node_id:
            self._unsent = None  # a coordinator that started again knows nothing of who asked
        self._node.node_id = node_id
        with Fleet(me.address, me.authority, me.key, node_id, self._instance) as fleet:
            self._told("serving")
            early = EarlyAnswers()
            while not self._stopped or self._unsent is not None:
                if self._unsent is not None:
                    self._send(fleet, self._unsent)
                    self._unsent = None
                    self.is_idle = True
                    continue
                asked_at = time.monotonic()
                message = fleet.receive(self._idle_seconds)
                yield
                soon = message is None and time.monotonic() - asked_at < self._idle_seconds / 2
                self._pause(early.pause(soon))  # 2
                if message is not None:
                    self.is_idle = False
                    self._unsent = self._answer(fleet, message)
                self.is_idle = self._unsent is None
            # Flower gives nobody a reply of a node that has left: the last one is fetched first.
            time.sleep(max(0.0, self._sent_at + FETCHED_SECONDS - time.monotonic()))

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._stopped and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK_SECONDS))

    def _send(self, fleet: Fleet, reply: Message) -> None:
        """Rule 4: what the coordinator refuses is dropped (its run is over, say), what did not arrive is sent again."""
        self._attempts += 1
        try:
            fleet.send(reply)
            self._sent_at = time.monotonic()
        except CoordinatorError as error:
            if error.may_pass and self._attempts < MOST_ATTEMPTS:
                raise
            _log.warning("a reply is dropped: %s", error)
        self._attempts = 0

    def _answer(self, fleet: Fleet, message: Message) -> Message | None:
        """The reply; None to a message of a run whose bundle the coordinator does not give, since it is over, say."""
        run_id = message.metadata.run_id
        if not self._node.has_bundle(run_id):
            try:
                self._node.deliver(run_id, fleet.bundle(run_id))
            except CoordinatorError as error:
                if error.status is None:
                    raise
                _log.warning("a message is dropped: %s", error)
                return None
        return self._node.handle(message)
