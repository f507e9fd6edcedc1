"""An institution's wallet (``Wallet.vy``): each institution deploys its own, and gives its identity to it."""

from collections.abc import Sequence

from belmont.identity.messages import Execution
from belmont.identity.signed_message import SignedMessage
from belmont.registry import arguments
from belmont.registry.chain_port import ChainPort
from belmont.registry.contract_set import contract
from belmont.registry.errors import RegistryArgumentError, RegistryUnreachable
from belmont.registry.protocol import Account
from belmont.registry.types import Address

OWNERS_MAX = 16


def deploy_wallet(chain: ChainPort, account: Account, owners: Sequence[str], threshold: int) -> Address:
    """A wallet that ``threshold`` of the ``owners`` sign for; ``account`` pays and gets no right to it."""
    for owner in owners:
        arguments.check_address("every owner", owner)
    if len(owners) > OWNERS_MAX or len(set(owners)) != len(owners) or not 1 <= threshold <= len(owners):
        raise RegistryArgumentError(f"A wallet has 1 to {OWNERS_MAX} owners, each once; at most all of them sign.")
    ascending = sorted(owners, key=lambda owner: int(owner, 16))
    its = contract("Wallet")
    _, address = chain.send(
        account, None, its.compiled.bytecode + its.interface.encode_constructor(ascending, threshold)
    )
    if address is None:
        raise RegistryUnreachable("a wallet was deployed and has no address")
    return address


def execute(chain: ChainPort, account: Account, signed: SignedMessage) -> None:
    """Have a wallet make the call that its people signed; anybody may send it."""
    message = signed.message
    if not isinstance(message, Execution):
        raise RegistryArgumentError(f"A wallet makes no {type(message).__name__}; relay it.")
    if signed.domain.chain_id != chain.chain_id:
        raise RegistryArgumentError(f"This was signed for chain {signed.domain.chain_id}; this is {chain.chain_id}.")
    data = contract("Wallet").interface.encode_call("execute", *message.arguments(), signed.signature)
    chain.send(account, Address(signed.domain.contract), data)
