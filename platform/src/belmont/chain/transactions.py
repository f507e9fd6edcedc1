"""Admission of raw transactions: everything about one that does not depend on the state.

Rules, in this order; each refusal says which one:
1. At most 128 KiB (as geth), and not empty.
2. Type 0 with EIP-155 replay protection, 1, 2 or 4. Blob transactions (3) are refused: nothing here keeps blobs.
3. Canonical RLP: decoding and encoding again gives the same bytes.
4. This chain's id.
5. Fields in range; init code at most 49,152 bytes (EIP-3860); nonce below 2^64 - 1 (EIP-2681).
6. Gas between what the data costs at least (intrinsic gas, EIP-3860 words, EIP-7623 floor) and the block's limit.
7. A valid signature with low s. The sender is recovered once and remembered by the transaction object.
"""

from __future__ import annotations

from typing import Any, Final

from eth.exceptions import UnrecognizedTransactionType
from eth.vm.forks.prague.transactions import PragueTransactionBuilder
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError
from rlp.exceptions import RLPException

from belmont.chain.errors import TransactionRefused

RAW_BYTES_MAX: Final = 128 * 1024
INITCODE_BYTES_MAX: Final = 49_152
NONCE_MAX: Final = 2**64 - 2
SECP256K1_HALF_ORDER: Final = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
BLOB_TYPE: Final = 3


def admit(raw: bytes, chain_id: int, gas_max: int) -> Any:
    """Decode and check one raw transaction; py-evm's transaction object, with its sender recovered.

    Raises `TransactionRefused`.
    """
    if not raw:
        raise TransactionRefused("empty transaction")
    if len(raw) > RAW_BYTES_MAX:
        raise TransactionRefused(f"oversized transaction: {len(raw)} bytes, at most {RAW_BYTES_MAX}")
    if raw[0] == BLOB_TYPE:
        raise TransactionRefused("transaction type not supported: blob transactions (type 3) are not carried here")
    try:
        transaction = PragueTransactionBuilder.decode(raw)
        if transaction.encode() != raw:
            raise TransactionRefused("malformed transaction: not in canonical RLP encoding")
    except UnrecognizedTransactionType as error:
        raise TransactionRefused(f"transaction type not supported: {raw[0]:#04x}") from error
    except (RLPException, ValidationError, ValueError, TypeError, IndexError, OverflowError, RecursionError) as error:
        raise TransactionRefused(f"malformed transaction: {error}") from error
    if transaction.chain_id is None:
        raise TransactionRefused(
            "only replay-protected (EIP-155) transactions allowed over RPC: sign with the chain id"
        )
    if transaction.chain_id != chain_id:
        raise TransactionRefused(f"invalid chain id: have {transaction.chain_id}, want {chain_id}")
    _check_fields(transaction, gas_max)
    try:
        _ = transaction.sender
    except (BadSignature, ValidationError, ValueError) as error:
        raise TransactionRefused(f"invalid signature: {error}") from error
    return transaction


def gas_min(data: bytes, creates: bool, other_intrinsic: int = 0) -> int:
    """Least gas for a transaction with these data: EIP-2028/3860 intrinsic gas or EIP-7623 floor, whichever is more."""
    intrinsic = intrinsic_gas(data) + other_intrinsic
    if creates:
        intrinsic += 32_000 + 2 * ((len(data) + 31) // 32)
    return max(intrinsic, 21_000 + 10 * _tokens(data))


def intrinsic_gas(data: bytes) -> int:
    """What a call with these data has spent before it begins (EIP-2028)."""
    return 21_000 + 4 * _tokens(data)


def _tokens(data: bytes) -> int:
    """Bytes by what they cost: one for a zero, four for any other (EIP-7623)."""
    return 4 * len(data) - 3 * data.count(0)


def _check_fields(transaction: Any, gas_max: int) -> None:
    type_id = transaction.type_id or 0
    limits = {"nonce": NONCE_MAX, "gas": 2**64 - 1, "value": 2**256 - 1}
    limits |= {"max_fee_per_gas": 2**256 - 1, "max_priority_fee_per_gas": 2**256 - 1}
    for name, limit in limits.items():
        if getattr(transaction, name) > limit:
            raise TransactionRefused(f"malformed transaction: {name} out of range")
    if transaction.max_priority_fee_per_gas > transaction.max_fee_per_gas:
        raise TransactionRefused("max priority fee per gas higher than max fee per gas")
    creates = transaction.to == b""
    if creates and len(transaction.data) > INITCODE_BYTES_MAX:
        raise TransactionRefused(f"max initcode size exceeded: {len(transaction.data)}, at most {INITCODE_BYTES_MAX}")
    extra = sum(2_400 + 1_900 * len(entry[1]) for entry in transaction.access_list)
    if type_id == 4:
        if creates or not transaction.authorization_list:
            raise TransactionRefused("malformed transaction: type 4 needs a recipient and an authorization list")
        extra += 25_000 * len(transaction.authorization_list)
    needed = gas_min(transaction.data, creates, extra)
    if transaction.gas < needed:
        raise TransactionRefused(f"intrinsic gas too low: gas {transaction.gas}, minimum needed {needed}")
    if transaction.gas > gas_max:
        raise TransactionRefused(f"exceeds block gas limit: gas {transaction.gas}, at most {gas_max} per transaction")
    if not 0 < transaction.s <= SECP256K1_HALF_ORDER or transaction.r == 0:
        raise TransactionRefused("invalid signature: r or s out of range (EIP-2)")
