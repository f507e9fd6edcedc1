"""Founding a consortium, with a key that is made for it and thrown away.

1. The deployer's address and its nonces give the addresses of all proxies before any exists: 1, 3, 5 and so on.
2. Each contract's code is deployed with the addresses of those it knows, and then its proxy, which points to it.
   Nothing is set later, so the key has no use left.
3. Members comes last. Its proxy is created and founded in one transaction, which announces the consortium: a founding
   that broke off leaves nothing to connect to.
"""

from collections.abc import Sequence

from eth_account import Account as EthAccount

from belmont.chain.client import ChainClient
from belmont.chain.deployment import predict_address
from belmont.registry import arguments, records
from belmont.registry.chain_port import ChainPort
from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.contract_set import NAMES, OTHERS, contract, creation_code, proxy_creation
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
    addresses = proxy_addresses(Address(deployer.address))
    others = [addresses[each] for each in OTHERS]
    profiles = [records.profile_struct(founder) for founder in founders]
    for each in NAMES:
        _, code = chain.send(deployer, None, creation_code(each, addresses))
        if code is None:
            raise ConsortiumForged(f"The chain does not say where it put the code of {each}; found it once more.")
        data = contract("Members").interface.encode_call("found", name, profiles, others) if each == "Members" else b""
        _, created = chain.send(deployer, None, proxy_creation(code, addresses, data))
        if created != addresses[each]:
            raise ConsortiumForged(f"{each} was created at {created}, not at {addresses[each]}; found it once more.")
    return ChainRegistry(chain, verify(chain, addresses["Members"]))


def proxy_addresses(deployer: Address) -> dict[str, Address]:
    """Where a deployer that has sent nothing yet puts the proxies: code has the even nonces."""
    return {each: Address(predict_address(deployer, 2 * place + 1)) for place, each in enumerate(NAMES)}
