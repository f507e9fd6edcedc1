"""Runs blocks in the executable specification (`ethereum.forks.prague` of the package ethereum-execution).

Everything is the specification's own code: decoding, header rules, signatures, execution, gas, receipts, roots. What
differs is this and nothing else:

1. A block may have its parent's timestamp (`belmont.chain.vm`, change 1). Where it has, `validate_header` sees the
   header one second later; a timestamp before the parent's is refused here.
2. The genesis block is this chain's: two system contracts, no other account (`belmont.chain.system_contracts`).
3. What the specification computes anew each time, although nothing changed, is kept: the storage root of an account,
   the state root, and where code can be jumped to (two thirds of the time, otherwise).
4. Precompiles of `belmont.chain.audit.delegated`, unless the audit is pure.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ethereum.crypto.hash import keccak256
from ethereum.exceptions import EthereumException
from ethereum.forks.prague import fork, state, vm
from ethereum.forks.prague.blocks import Block, Header
from ethereum.forks.prague.bloom import logs_bloom
from ethereum.forks.prague.fork_types import Account, Address
from ethereum.forks.prague.requests import compute_requests_hash
from ethereum.forks.prague.transactions import LegacyTransaction
from ethereum.forks.prague.trie import root
from ethereum.forks.prague.vm import interpreter
from ethereum.forks.prague.vm.runtime import get_valid_jump_destinations
from ethereum_rlp import rlp
from ethereum_rlp.exceptions import RLPException
from ethereum_types.bytes import Bytes, Bytes8, Bytes32
from ethereum_types.numeric import U64, U256, Uint

from belmont.chain.engine import BLOCK_GAS_LIMIT, GENESIS_EXTRA
from belmont.chain.system_contracts import CONSOLIDATION_REQUESTS_CODE, WITHDRAWAL_REQUESTS_CODE

RELAXED: Final = ("a block's timestamp may equal its parent's",)
LEGACY_FROM: Final = 0xC0
HEADERS_KEPT: Final = 255
CODES_KEPT: Final = 1024
REFUSALS: Final = (
    EthereumException,
    RLPException,
    ValueError,
    OverflowError,
    AssertionError,
    TypeError,
    IndexError,
)


class Impossible(Exception):
    """The specification refuses the block; `transaction` is the position of the one it stopped at, or None."""

    def __init__(self, why: str, transaction: int | None = None) -> None:
        super().__init__(why)
        self.transaction = transaction


@dataclass(frozen=True)
class Executed:
    """What the specification makes of a block: fields its header must have, and each transaction's receipt as RLP."""

    fields: dict[str, Any]
    receipts: list[bytes]


# difference 3: the same function, asked once for each code
interpreter.get_valid_jump_destinations = functools.lru_cache(CODES_KEPT)(get_valid_jump_destinations)


class Specification:
    """The chain as the specification sees it, block after block."""

    def __init__(self, chain_id: int, genesis_time: int) -> None:
        self._chain = fork.BlockChain(blocks=[], state=state.State(), chain_id=U64(chain_id))
        self._roots = _Roots(self._chain.state)
        for address, code in (
            (fork.WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, WITHDRAWAL_REQUESTS_CODE),
            (fork.CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, CONSOLIDATION_REQUESTS_CODE),
        ):
            state.set_account(self._chain.state, address, Account(nonce=Uint(1), balance=U256(0), code=Bytes(code)))
        self.genesis = self._genesis(genesis_time)
        self._chain.blocks.append(Block(self.genesis, (), (), ()))

    def _genesis(self, timestamp: int) -> Header:
        empty = vm.BlockOutput()
        return Header(
            parent_hash=keccak256(b"")[:0].ljust(32, b"\0"),
            ommers_hash=fork.EMPTY_OMMER_HASH,
            coinbase=Address(bytes(20)),
            state_root=self._roots.state_root(),
            transactions_root=root(empty.transactions_trie),
            receipt_root=root(empty.receipts_trie),
            bloom=logs_bloom(()),
            difficulty=Uint(0),
            number=Uint(0),
            gas_limit=Uint(BLOCK_GAS_LIMIT),
            gas_used=Uint(0),
            timestamp=U256(timestamp),
            extra_data=Bytes(GENESIS_EXTRA),
            prev_randao=Bytes32(bytes(32)),
            nonce=Bytes8(bytes(8)),
            base_fee_per_gas=Uint(0),
            withdrawals_root=root(empty.withdrawals_trie),
            blob_gas_used=U64(0),
            excess_blob_gas=U64(0),
            parent_beacon_block_root=Bytes32(bytes(32)),
            requests_hash=compute_requests_hash([]),
        )

    def check_header(self, header: Header) -> None:
        """The specification's rules for a header after its parent (difference 1). Raises `Impossible`."""
        parent = self._chain.blocks[-1].header
        if header.timestamp < parent.timestamp:
            raise Impossible(f"timestamp {header.timestamp} is before the parent's {parent.timestamp}")
        later = dataclasses.replace(header, timestamp=max(header.timestamp, parent.timestamp + U256(1)))
        try:
            fork.validate_header(self._chain, later)
        except EthereumException as error:
            raise Impossible(str(error) or _broken_rule(header, parent)) from error

    def execute(self, header: Header, raws: Sequence[bytes]) -> Executed:
        """Run the block's transactions; its header is not believed in what follows from them. Raises `Impossible`."""
        chain = self._chain
        transactions = _Counted(raws)
        output = None
        try:
            environment = vm.BlockEnvironment(
                chain_id=chain.chain_id,
                state=chain.state,
                block_gas_limit=header.gas_limit,
                block_hashes=fork.get_last_256_block_hashes(chain),
                coinbase=header.coinbase,
                number=header.number,
                base_fee_per_gas=header.base_fee_per_gas,
                time=header.timestamp,
                prev_randao=header.prev_randao,
                excess_blob_gas=header.excess_blob_gas,
                parent_beacon_block_root=header.parent_beacon_block_root,
            )
            output = fork.apply_body(environment, transactions, ())
        except REFUSALS as error:
            raise Impossible(f"{type(error).__name__}: {error}".rstrip(": "), transactions.position) from error
        chain.blocks.append(Block(header, (), (), ()))
        del chain.blocks[:-HEADERS_KEPT]
        fields = {
            "gas_used": output.block_gas_used,
            "transactions_root": root(output.transactions_trie),
            "receipt_root": root(output.receipts_trie),
            "bloom": logs_bloom(output.block_logs),
            "withdrawals_root": root(output.withdrawals_trie),
            "blob_gas_used": output.blob_gas_used,
            "requests_hash": compute_requests_hash(output.requests),
            "state_root": self._roots.state_root(),
        }
        receipts = [output.receipts_trie._data[key] for key in output.receipt_keys]
        return Executed(fields, [bytes(each if isinstance(each, bytes) else rlp.encode(each)) for each in receipts])


class _Counted:
    """A block's transactions, and how far the specification has come with them."""

    def __init__(self, raws: Sequence[bytes]) -> None:
        self._raws = raws
        self.position: int | None = None

    def __iter__(self) -> Iterator[Any]:
        for position, raw in enumerate(self._raws):
            self.position = position
            yield rlp.decode_to(LegacyTransaction, raw) if raw[0] >= LEGACY_FROM else Bytes(raw)


class _Roots:
    """The specification's roots, kept while their contents stay the same (difference 3)."""

    def __init__(self, of: Any) -> None:
        self._state = of
        self._storage: dict[Any, tuple[dict[Any, Any], Any]] = {}
        self._accounts: dict[Any, Any] = {}
        self._root: Any = None

    def state_root(self) -> Any:
        """Root of the whole state."""
        changed = [address for address, trie in self._state._storage_tries.items() if self._differs(address, trie)]
        gone = self._storage.keys() - self._state._storage_tries.keys()
        accounts = self._state._main_trie._data
        if self._root is None or changed or gone or accounts != self._accounts:
            for address in gone:
                del self._storage[address]
            for address in changed:
                contents = dict(self._state._storage_tries[address]._data)
                self._storage[address] = contents, state.storage_root(self._state, address)
            self._accounts = dict(accounts)
            self._root = root(self._state._main_trie, get_storage_root=self._storage_root)
        return self._root

    def _differs(self, address: Any, trie: Any) -> bool:
        kept = self._storage.get(address)
        return kept is None or kept[0] != trie._data

    def _storage_root(self, address: Any) -> Any:
        kept = self._storage.get(address)
        return state.storage_root(self._state, address) if kept is None else kept[1]


def _broken_rule(header: Header, parent: Header) -> str:
    """The name of what `validate_header` refused, which it does not say."""
    expected = {
        "number": parent.number + Uint(1),
        "parent_hash": keccak256(rlp.encode(parent)),
        "gas_limit": parent.gas_limit,
        "base_fee_per_gas": Uint(0),
        "difficulty": Uint(0),
        "nonce": Bytes8(bytes(8)),
        "ommers_hash": fork.EMPTY_OMMER_HASH,
        "excess_blob_gas": U64(0),
    }
    wrong = [name for name, value in expected.items() if getattr(header, name) != value]
    return "header field " + ", ".join(wrong or ["gas_used or extra_data"]) + " is against the rules"
