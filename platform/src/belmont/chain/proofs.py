"""What a light client asks a node for: Merkle proofs (`eth_getProof`, EIP-1186), and raw headers, blocks and receipts.

1. Every state since genesis is kept, so proofs are given against any block's state root.
2. A proof lists the nodes from the root towards the key, each as RLP; a node whose RLP is shorter than 32 bytes stands
   inside its parent and is not listed again, as in geth. It ends where the key is found or shown to be absent.
3. Raw means as consensus has it: RLP, or an EIP-2718 envelope, whose hashes make up the header's roots.
"""

from __future__ import annotations

from typing import Any, Final

import rlp
from eth.constants import BLANK_ROOT_HASH
from eth.rlp.accounts import Account
from eth_utils.crypto import keccak
from trie import HexaryTrie

from belmont.chain.documents import Document
from belmont.chain.engine import Engine
from belmont.chain.store import StateNodes

HASH_BYTES: Final = 32
LEGACY_FROM: Final = 0xC0
"""The first byte of a transaction that is an RLP list and has no type."""


def proof(engine: Engine, header: Any, address: bytes, slots: list[int]) -> dict[str, Any]:
    """Merkle proofs of an account and of storage slots against the state root of `header` (EIP-1186)."""
    nodes = StateNodes(engine.store)
    accounts = HexaryTrie(nodes, header.state_root)
    encoded = accounts.get(keccak(address))
    account = rlp.decode(encoded, Account) if encoded else Account()
    storage = HexaryTrie(nodes, account.storage_root)
    entries = []
    for slot in slots:
        key = keccak(slot.to_bytes(32, "big"))
        value = storage.get(key)
        empty = account.storage_root == BLANK_ROOT_HASH
        entries.append(
            {
                "key": hex(slot),
                "value": hex(rlp.decode(value, rlp.sedes.big_endian_int) if value else 0),
                "proof": [] if empty else _listed(storage.get_proof(key)),
            }
        )
    return {
        "address": "0x" + address.hex(),
        "accountProof": _listed(accounts.get_proof(keccak(address))),
        "balance": hex(account.balance),
        "nonce": hex(account.nonce),
        "codeHash": "0x" + account.code_hash.hex(),
        "storageHash": "0x" + account.storage_root.hex(),
        "storageProof": entries,
    }


def _listed(nodes: Any) -> list[str]:
    """The root's node, and those that are referred to by their hash (rule 2)."""
    encoded = [rlp.encode(node) for node in nodes if node != b""]
    return ["0x" + each.hex() for place, each in enumerate(encoded) if place == 0 or len(each) >= HASH_BYTES]


def raw_header(header: Any) -> bytes:
    """The RLP of a header, whose Keccak is the block's hash."""
    return bytes(rlp.encode(header))


def raw_block(engine: Engine, header: Any) -> bytes:
    """The RLP of a whole block: header, transactions (typed ones as byte strings), no ommers, no withdrawals."""
    rows = engine.store.transactions(engine.store.needed_block(header.block_number))
    transactions = [rlp.decode(row.raw) if row.raw[0] >= LEGACY_FROM else row.raw for row in rows]
    return bytes(rlp.encode([rlp.decode(raw_header(header)), transactions, [], []]))


def raw_receipt(document: Document) -> bytes:
    """A receipt as the block commits to it, from its JSON document with logs."""
    logs = [
        [_bytes(log["address"]), [_bytes(topic) for topic in log["topics"]], _bytes(log["data"])]
        for log in document["logs"]
    ]
    status, gas = int(document["status"], 16), int(document["cumulativeGasUsed"], 16)
    type_id = int(document["type"], 16)
    payload = rlp.encode([status, gas, _bytes(document["logsBloom"]), logs])
    return (bytes([type_id]) if type_id else b"") + bytes(payload)


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
