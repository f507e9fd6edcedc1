"""Founding a consortium, with a key that is made for it and thrown away.

1. The deployer's address and its nonces 0 to 7 give the addresses of all eight contracts before any exists.
2. Each contract is deployed with the addresses of those it knows; nothing is set later, so the key has no use left.
3. Members is deployed last and announces the consortium: a founding that broke off leaves nothing to connect to.
"""

from collections.abc import Sequence

from eth_account import Account as EthAccount

from belmont.chain.client import ChainClient
from belmont.chain.deployment import predict_address
from belmont.registry import arguments, records
from belmont.registry.chain_port import ChainPort
from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.contract_set import NAMES, OTHERS, contract, wired_to
from belmont.registry.errors import ConsortiumForged
from belmont.registry.limits import FOUNDERS_MAX
from belmont.registry.protocol import Account
from belmont.registry.rpc_chain import RpcChain
from belmont.registry.types import Address, MemberProfile
from belmont.registry.verification import verify


def found(url: str, name: str, founders: Sequence[MemberProfile]) -> ChainRegistry:
    """Found a consortium on the chain at ``url``.

    Raises ``RegistryRefused`` when the founders break a rule of ``Members.vy``, ``RegistryUnreachable``.
    """
    return found_on(RpcChain(ChainClient(url)), name, founders)


def found_on(chain: ChainPort, name: str, founders: Sequence[MemberProfile]) -> ChainRegistry:
    """Found a consortium on any chain."""
    arguments.check_text("name", name)
    arguments.check_founders(founders, FOUNDERS_MAX)
    deployer: Account = EthAccount.create()
    nonces = enumerate(NAMES)
    addresses = {each: Address(predict_address(deployer.address, nonce)) for nonce, each in nonces}
    for each in NAMES:
        wiring: tuple[object, ...] = wired_to(each, addresses)
        its = contract(each)
        _, created = chain.send(deployer, None, its.compiled.bytecode + its.interface.encode_constructor(*wiring))
        if created != addresses[each]:
            raise ConsortiumForged(f"{each} was created at {created}, not at {addresses[each]}; found it once more.")
    profiles = [records.profile_struct(founder) for founder in founders]
    others = [addresses[other] for other in OTHERS]
    found_it = contract("Members").interface.encode_call("found", name, profiles, others)
    chain.send(deployer, addresses["Members"], found_it)
    return ChainRegistry(chain, verify(chain, addresses["Members"]))
