"""Who talks to a coordinator: the nodes that joined and the runs that were started, and for which member each stands.

1. Who asks is read from a request's headers alone, before anything of its body: a node's key, that is known because it
   joined, and its signature of the time (Flower's own headers); a run's token, that is known because it was given out
   here. Flower checks both again.
2. The chain has one node key for a member. One process serves one dataset with it at a time:
   a process that starts takes the place of one that was there before, which is told at its next request and stands by;
   one that has served before joins again only where no other is there, so that two processes with one key do not take
   turns. For another dataset with the same key, a process is refused while the first is there.
3. A node is there from its last request on for ``HEARD_SECONDS``, unless it left: three of its heartbeats.
4. A new key for a dataset ends what its old key could do.
5. A member has at most ``MOST_RUNS`` runs at a time.
"""

import datetime
import hashlib
import logging
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from flwr.common.constant import SYSTEM_TIME_TOLERANCE, TIMESTAMP_HEADER, TIMESTAMP_TOLERANCE
from flwr.supercore.constant import FLEET_HTTP_PUBLIC_KEY_HEADER, FLEET_HTTP_SIGNATURE_HEADER, TASK_TOKEN_HEADER
from flwr.supercore.date import now
from flwr.supercore.primitives.asymmetric import bytes_to_public_key, verify_signature

from belmont.federated.deployed.coordinator.refusals import Refused
from belmont.federated.deployed.paths import FLEET, INSTANCE_HEADER
from belmont.registry.types import Address, DatasetId

HEARD_SECONDS = 45.0
MOST_RUNS = 16
_MOST_KEY_CHARACTERS = 1_024

_log = logging.getLogger(__name__)

RawHeaders = Iterable[tuple[bytes, bytes]]
Recipient = tuple[str, int]
"""``node`` or ``run``, and which: whom a message is for."""


@dataclass(frozen=True)
class Peer:
    """Who made a request: a node (``node_id``) or a run (``run_id``), the other being 0."""

    member: Address
    node_id: int = 0
    run_id: int = 0

    @property
    def recipient(self) -> Recipient:
        return ("node", self.node_id) if self.node_id else ("run", self.run_id)


@dataclass
class _Joined:
    node_id: int
    dataset_id: DatasetId
    member: Address
    instance: str
    heard_at: float = field(default_factory=time.monotonic)

    @property
    def is_there(self) -> bool:
        return time.monotonic() - self.heard_at < HEARD_SECONDS


class Peers:
    """Those of one coordinator. Safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._nodes: dict[bytes, _Joined] = {}
        """By public key, as Flower sends it."""
        self._runs: dict[bytes, Peer] = {}
        """By the SHA-256 of the token."""

    def of(self, path: str, headers: RawHeaders) -> Peer:
        """Who made a request (1). Raises Refused: 401, or 409 for a node whose place another process took."""
        return self._node(headers) if path in FLEET else self._run(headers)

    # --- nodes ---

    def join(
        self,
        member: Address,
        dataset_id: DatasetId,
        public_key: bytes,
        instance: str,
        first: bool,
        register: Callable[[], int],
    ) -> int:
        """A node joins; ``first`` says that its process did not before. ``register`` gives its Flower id.

        Raises Refused (409) by rule 2.
        """
        with self._lock:
            before = self._nodes.get(public_key)
            if before is not None and before.instance != instance and before.is_there:
                if before.dataset_id != dataset_id:
                    raise Refused(
                        409,
                        f"this member's node key serves dataset {before.dataset_id.hex()[:12]} now, and the chain has "
                        "one node key a member: end that node first",
                    )
                if not first:
                    raise Refused(409, _OTHER)
                _log.warning("a new process serves dataset %s in place of another", dataset_id.hex()[:12])
            node_id = register()
            self._nodes = {
                key: each for key, each in self._nodes.items() if each.dataset_id != dataset_id and key != public_key
            }  # 4
            self._nodes[public_key] = _Joined(node_id, dataset_id, member, instance)
            return node_id

    def left(self, peer: Peer) -> None:
        """A node says that it ends."""
        with self._lock:
            for each in self._nodes.values():
                if each.node_id == peer.node_id:
                    each.heard_at -= HEARD_SECONDS

    def datasets(self) -> dict[DatasetId, int]:
        """The Flower node id of each dataset whose node joined."""
        with self._lock:
            return {each.dataset_id: each.node_id for each in self._nodes.values()}

    def _node(self, headers: RawHeaders) -> Peer:
        public_key = _decoded(_only(headers, FLEET_HTTP_PUBLIC_KEY_HEADER))
        joined = self._nodes.get(public_key)
        if joined is None:
            raise Refused(401, "no node joined with this key")
        timestamp = _only(headers, TIMESTAMP_HEADER)
        signature = _decoded(_only(headers, FLEET_HTTP_SIGNATURE_HEADER))
        try:
            age = (now() - datetime.datetime.fromisoformat(timestamp)).total_seconds()
        except (ValueError, TypeError, OverflowError) as error:
            raise Refused(401, "the request's time cannot be read") from error
        if not -SYSTEM_TIME_TOLERANCE < age < TIMESTAMP_TOLERANCE + SYSTEM_TIME_TOLERANCE:
            raise Refused(401, "the request was signed at another time: set this machine's clock")
        if not verify_signature(bytes_to_public_key(public_key), timestamp.encode("ascii"), signature):
            raise Refused(401, "the request is not signed with the node's key")
        if _only(headers, INSTANCE_HEADER) != joined.instance:
            raise Refused(409, _OTHER)
        joined.heard_at = time.monotonic()
        return Peer(joined.member, node_id=joined.node_id)

    # --- runs ---

    def start(
        self, member: Address, still_run: Callable[[set[int]], set[int]], begin: Callable[[], tuple[int, str]]
    ) -> tuple[int, str]:
        """Begin a run of a member: its id and its token. ``still_run`` says which of some runs are not over.

        Raises Refused (429) by rule 5.
        """
        with self._lock:
            runs = still_run({each.run_id for each in self._runs.values()})
            self._runs = {token: each for token, each in self._runs.items() if each.run_id in runs}
            if sum(each.member == member for each in self._runs.values()) >= MOST_RUNS:
                raise Refused(429, f"this member has {MOST_RUNS} runs under way: end one first")
            run_id, token = begin()
            self._runs[_hashed(token)] = Peer(member, run_id=run_id)
            return run_id, token

    def _run(self, headers: RawHeaders) -> Peer:
        found = self._runs.get(_hashed(_only(headers, TASK_TOKEN_HEADER)))
        if found is None:
            raise Refused(401, "no run has this token")
        return found


_OTHER = (
    "another process joined with this node's key and serves its dataset: end one of the two. Where it is not yours, "
    "replace the key: belmont node register-key"
)


def _only(headers: RawHeaders, name: str) -> str:
    """A header that is there once."""
    values = [value for key, value in headers if key == name.encode()]
    if len(values) != 1 or not values[0].isascii():
        raise Refused(401, f"the request has not one {name}")
    return values[0].decode("ascii")


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text[:_MOST_KEY_CHARACTERS], validate=True)
    except ValueError as error:
        raise Refused(401, "the request's key or signature cannot be read") from error


def _hashed(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
