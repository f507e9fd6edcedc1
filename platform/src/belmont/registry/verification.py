"""Making sure that what is on a chain is a consortium of this release.

1. Exactly one consortium is announced, or the caller names the one it means. Of several announcements those count that
   pass 2 and 3: anybody can log an event that looks like one.
2. The code of each of the eight contracts is what this release compiles to, wired to those of the others that it knows.
3. Each was created by a transaction with this release's creation code, so nothing was put into its storage by other
   means before it began to keep its rules.

What the chain's server answers is believed here: a node asks its own.
"""

import contextlib
from collections.abc import Sequence

from eth_abi.exceptions import DecodingError

from belmont.registry.chain_port import ChainPort, Log
from belmont.registry.contract_set import NAMES, OTHERS, contract, deployed_code, wired_to
from belmont.registry.errors import ConsortiumForged, ConsortiumNotFound, SeveralConsortia
from belmont.registry.types import Address

NAMED_AT_MOST = 4
VERIFIED_AT_MOST = 64
"""Beyond so many announcements a stranger is flooding the chain, and looking at each would take too long."""


def verify(chain: ChainPort, members_address: Address | None = None) -> dict[str, Address]:
    """The addresses of the eight contracts by name, once everything about them is as it should be.

    Raises ``ConsortiumNotFound``, ``ConsortiumForged``, or ``SeveralConsortia``.
    """
    topic = contract("Members").interface.events["ConsortiumFounded"].topic
    announced = chain.logs([members_address] if members_address else [], [topic])
    if not announced:
        where = f"at {members_address}" if members_address else "on this chain"
        raise ConsortiumNotFound(f"No consortium was founded {where}. Check the chain's address, or found one.")
    if len(announced) == 1:
        return _verified(chain, announced[0])
    genuine = _genuine(chain, announced) if len(announced) <= VERIFIED_AT_MOST else []
    if len(genuine) == 1:
        return genuine[0]
    addresses = sorted({each["Members"] for each in genuine} or {log.address for log in announced})
    found_at = ", ".join(addresses[:NAMED_AT_MOST]) + (" and more" if len(addresses) > NAMED_AT_MOST else "")
    raise SeveralConsortia(f"{len(announced)} foundings are announced, at {found_at}. Give members_address.")


def _genuine(chain: ChainPort, announced: Sequence[Log]) -> list[dict[str, Address]]:
    """The announcements behind which everything is as it should be."""
    found = []
    for announcement in announced:
        with contextlib.suppress(ConsortiumForged):
            found.append(_verified(chain, announcement))
    return found


def _verified(chain: ChainPort, announcement: Log) -> dict[str, Address]:
    addresses = _addresses(announcement)
    created_by = _creations(chain, addresses, announcement)
    for each in NAMES:
        if chain.code(addresses[each]) != deployed_code(each, addresses):
            raise ConsortiumForged(
                f"The code of {each} at {addresses[each]} is not what this release compiles to. Do not use this "
                "consortium, or install the release it was founded with."
            )
        creation = chain.creation(created_by[each])
        expected = contract(each).compiled.bytecode
        expected += contract(each).interface.encode_constructor(*wired_to(each, addresses))
        if creation is None or creation.contract != addresses[each] or not creation.code.startswith(expected):
            raise ConsortiumForged(
                f"{each} at {addresses[each]} was not created by this release's code, so its records could have been "
                "made up. Do not use this consortium."
            )
    return addresses


def _addresses(announcement: Log) -> dict[str, Address]:
    try:
        decoded = contract("Members").interface.decode_event(announcement.topics, announcement.data)
        fields = decoded[1] if decoded else {}
        addresses = {each: Address(other) for each, other in zip(OTHERS, fields["others"], strict=True)}
    except (ValueError, KeyError, DecodingError) as error:
        raise ConsortiumForged(
            f"The announcement at {announcement.address} cannot be read ({error}). Do not use this consortium."
        ) from error
    return {**addresses, "Members": announcement.address}


def _creations(chain: ChainPort, addresses: dict[str, Address], announcement: Log) -> dict[str, bytes]:
    """The transaction that created each contract, as the contracts themselves announced it."""
    topic = contract("Datasets").interface.events["ContractDeployed"].topic
    deployed = chain.logs([addresses[each] for each in NAMES], [topic])
    created_by = {}
    for each in NAMES:
        own = [log.transaction for log in deployed if log.address == addresses[each]]
        if len(own) != 1:
            raise ConsortiumForged(
                f"{each} at {addresses[each]} announced its creation {len(own)} times instead of once. Do not use "
                "this consortium."
            )
        created_by[each] = own[0]
    return created_by
