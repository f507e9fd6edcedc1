"""What the registry asks of a chain: its id and ten calls, so that an engine in memory can stand where JSON-RPC does.

Implementations raise ``RegistryUnreachable`` when nothing answers and ``RegistryRefused`` when a contract reverts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from belmont.registry.errors import RegistryError
from belmont.registry.protocol import Account
from belmont.registry.types import Address, Head


@dataclass(frozen=True)
class Log:
    """One event as the chain recorded it."""

    address: Address
    topics: tuple[bytes, ...]
    data: bytes
    block: int
    timestamp: int
    transaction: bytes
    index: int
    """Place in the log of its block."""
    block_hash: bytes


class Watch(Protocol):
    """Waits for new blocks. One thread waits, any may close."""

    def wait(self) -> None:
        """Until there may be a new block, which may be sooner than there is one."""

    def close(self) -> None:
        """Whoever waits goes on."""


@dataclass(frozen=True)
class Creation:
    """A transaction that created a contract."""

    sender: Address
    contract: Address
    code: bytes
    """Creation code and constructor arguments."""


class ChainPort(Protocol):
    """Reads and writes of one chain."""

    @property
    def chain_id(self) -> int:
        """EIP-155 chain id."""

    def head(self) -> Head:
        """The newest block."""

    def watch(self) -> Watch:
        """What waits for this chain's new blocks."""

    def blocks(self, numbers: Sequence[int]) -> list[Head | None]:
        """Blocks by their numbers, in one round trip; None for one that the chain does not have yet."""

    def calls(self, calls: Sequence[tuple[Address, bytes]], block: int | None = None) -> list[bytes]:
        """Call functions without a transaction, in the state after ``block``, or after the newest."""

    def ask(self, to: Address, data: bytes, gas: int) -> bytes | None:
        """Call a stranger's function in the newest state with so much gas; None where it reverts or runs out of it."""

    def look(
        self, places: Sequence[tuple[Address, int]], calls: Sequence[tuple[Address, bytes]], block: int
    ) -> tuple[list[bytes], list[bytes | RegistryError]]:
        """``storage`` and ``calls`` after one block in one round trip; a call that was refused is its refusal.

        So that whoever asks can look at the slots first: they say whose word the refusal is.
        """

    def send(self, account: Account, to: Address | None, data: bytes) -> tuple[tuple[Log, ...], Address | None]:
        """Send a signed transaction; returns, once it is final, its events and the contract it created if any."""

    def logs(
        self,
        addresses: Sequence[Address],
        topics: Sequence[bytes] = (),
        from_block: int = 0,
        to_block: int | None = None,
    ) -> list[Log]:
        """Events of a range of blocks (both included; up to the newest), in order: of these contracts (or of all), with
        one of these first topics (or any). Raises ``RangeRefused`` where that is too much at once.
        """

    def code(self, address: Address) -> bytes:
        """The code at an address, empty where there is none."""

    def storage(self, places: Sequence[tuple[Address, int]], block: int | None = None) -> list[bytes]:
        """What slots of contracts hold, 32 bytes each, after ``block``, or after the newest."""

    def creation(self, transaction: bytes) -> Creation | None:
        """The contract creation with this hash; None when there is no such transaction or it created nothing."""
