"""Putting contracts on a chain, and knowing their addresses before they are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import rlp
from eth_utils.address import to_canonical_address, to_checksum_address
from eth_utils.crypto import keccak

from belmont.chain.client import ChainClient, Receipt
from belmont.chain.compiler import Compiled, compile_contract
from belmont.chain.errors import DeploymentError

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount


@dataclass(frozen=True)
class Deployed:
    """A contract on chain."""

    name: str
    address: str
    receipt: Receipt


def predict_address(account_address: str, nonce: int) -> str:
    """The address of the contract that `account_address` creates with its transaction number `nonce`."""
    return to_checksum_address(keccak(rlp.encode([to_canonical_address(account_address), nonce]))[12:])


def deploy(
    client: ChainClient, account: LocalAccount, contract: str | Compiled, arguments: Sequence[Any] = ()
) -> Deployed:
    """Deploy a contract of `belmont/contracts` (by name) or a compiled one, and check what stands there.

    Raises `ContractReverted` when the constructor refuses, `DeploymentError` when the code on chain is not the
    compiled one.
    """
    compiled = compile_contract(contract) if isinstance(contract, str) else contract
    factory = client.web3.eth.contract(abi=list(compiled.abi), bytecode="0x" + compiled.bytecode.hex())
    data = factory.constructor(*arguments).data_in_transaction
    receipt = client.transact(account, None, data)
    address = receipt.contract_address
    if address is None:
        raise DeploymentError(f"{compiled.name}: the chain reports no address for transaction {receipt!r}")
    if not compiled.matches(client.code(address)):
        raise DeploymentError(f"{compiled.name} at {address}: the code on chain is not the compiled contract")
    return Deployed(compiled.name, to_checksum_address(address), receipt)
