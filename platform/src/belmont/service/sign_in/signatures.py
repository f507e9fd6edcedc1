"""Whether an account signed 32 bytes, by the rules of the contracts (``signature.vy``) and of ERC-4361.

1. An account without code signs with 65 bytes, r, s, v: s in the lower half (EIP-2), v 27 or 28. Nothing else is read.
2. An account with code is asked by ERC-1271, on the consortium's chain and by nothing else: also a key with code of its
   own (EIP-7702). It is a call, so it changes nothing; it has so much gas; and its answer is one word, that of the
   standard. A call that fails is a signature that does not hold.
3. A chain that does not answer is no answer: ``RegistryUnreachable``.
"""

from __future__ import annotations

from typing import Final

from eth_abi.abi import encode

from belmont.identity.signed_message import SIGNATURE_BYTES_MAX, recover
from belmont.registry.chain_port import ChainPort
from belmont.registry.types import Address
from belmont.service.store.sessions import Way

WALLET_GAS: Final = 500_000
"""As much as ``signature.vy`` gives; and what the call itself costs (21 000, and 16 a byte of data, EIP-2028)."""
IS_VALID_SIGNATURE: Final = bytes.fromhex("1626ba7e")
ACCEPTED: Final = IS_VALID_SIGNATURE.ljust(32, b"\0")


def way_of_signature(chain: ChainPort, account: Address, digest: bytes, signature: bytes) -> Way | None:
    """How ``account`` signed; None where it did not."""
    if not 1 <= len(signature) <= SIGNATURE_BYTES_MAX:
        return None
    if not chain.code(account):
        return Way.KEY if recover(digest, signature) == account else None  # 1
    data = IS_VALID_SIGNATURE + encode(["bytes32", "bytes"], [digest, signature])
    answer = chain.ask(account, data, WALLET_GAS + 21_000 + 16 * len(data))
    return Way.WALLET if answer == ACCEPTED else None  # 2
