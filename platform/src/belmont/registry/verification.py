"""Making sure that what is on a chain is a consortium whose code this release knows.

1. Exactly one consortium is announced, or the caller names the one it means. Of several announcements those count that
   pass 2 to 4: anybody can log an event that looks like one.
2. Every contract stands behind a proxy of this release that only the consortium's own Rules can point to other code.
3. Each proxy was created by a transaction with this release's creation code, which pointed it to code that this release
   knows; Members was founded in that transaction. So nothing was put into its storage by other means before it began
   to keep its rules.
4. The code that a proxy points to is what this release compiles to, wired to those of the others that it knows.
   Whatever code it pointed to before, this release knows as well: it takes over what that code wrote.

What the chain's server answers is believed here: a node asks its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from eth_abi.exceptions import DecodingError
from eth_utils.address import to_checksum_address

from belmont.registry.abi import decode
from belmont.registry.chain_port import ChainPort, Log
from belmont.registry.contract_set import (
    IMPLEMENTATION_SLOT,
    NAMES,
    OTHERS,
    contract,
    proxy_code,
    proxy_creation,
)
from belmont.registry.errors import CodeUnknown, ConsortiumForged, ConsortiumNotFound, SeveralConsortia
from belmont.registry.release import THIS_RELEASE, Release
from belmont.registry.types import Address

NAMED_AT_MOST = 4
VERIFIED_AT_MOST = 64
"""Beyond so many announcements a stranger is flooding the chain, and looking at each would take too long."""


def verify(
    chain: ChainPort, members_address: Address | None = None, release: Release = THIS_RELEASE
) -> dict[str, Address]:
    """The addresses of the contracts (of their proxies) by name, once everything about them is as it should be.

    Raises ``ConsortiumNotFound``, ``ConsortiumForged``, ``SeveralConsortia``, or ``CodeUnknown``.
    """
    topic = contract("Members").interface.events["ConsortiumFounded"].topic
    announced = chain.logs([members_address] if members_address else [], [topic])
    if not announced:
        where = f"at {members_address}" if members_address else "on this chain"
        raise ConsortiumNotFound(f"No consortium was founded {where}. Check the chain's address, or found one.")
    if len(announced) == 1:
        return _verified(chain, announced[0], release)
    genuine = _genuine(chain, announced, release) if len(announced) <= VERIFIED_AT_MOST else {}
    if len(genuine) == 1:
        (only,) = genuine.values()
        if isinstance(only, CodeUnknown):
            raise only
        return only
    addresses = sorted(set(genuine) or {log.address for log in announced})
    found_at = ", ".join(addresses[:NAMED_AT_MOST]) + (" and more" if len(addresses) > NAMED_AT_MOST else "")
    raise SeveralConsortia(f"{len(announced)} foundings are announced, at {found_at}. Give members_address.")


def _genuine(
    chain: ChainPort, announced: Sequence[Log], release: Release
) -> dict[Address, dict[str, Address] | CodeUnknown]:
    """The announcements behind which everything is as it should be, by the address of Members.

    A consortium that this release does not know any more counts: a stranger's later founding is not taken for it.
    """
    found: dict[Address, dict[str, Address] | CodeUnknown] = {}
    for announcement in announced:
        try:
            found[announcement.address] = _verified(chain, announcement, release)
        except CodeUnknown as error:
            found[announcement.address] = error
        except ConsortiumForged:
            continue
    return found


def _verified(chain: ChainPort, announcement: Log, release: Release) -> dict[str, Address]:
    addresses = _addresses(announcement)
    histories = _histories(chain, addresses)
    for each in NAMES:
        _check_proxy(chain, each, addresses, histories[each])
        _check_code(chain, each, addresses, histories[each], release)
    return addresses


def _addresses(announcement: Log) -> dict[str, Address]:
    try:
        decoded = contract("Members").interface.decode_event(announcement.topics, announcement.data)
        others = decoded[1]["others"] if decoded else ()
        addresses = {each: Address(address) for each, address in zip(OTHERS, others, strict=True)}
    except (ValueError, KeyError, DecodingError) as error:
        raise ConsortiumForged(
            f"The announcement at {announcement.address} cannot be read ({error}). Do not use this consortium."
        ) from error
    return {**addresses, "Members": announcement.address}


@dataclass(frozen=True)
class _History:
    """What code a proxy was pointed to, in order, and the transaction that created it."""

    implementations: tuple[Address, ...]
    created_by: bytes


def _histories(chain: ChainPort, addresses: dict[str, Address]) -> dict[str, _History]:
    """As the proxies themselves announced it; what they run now is compared with their storage."""
    upgraded = contract("Proxy").interface.events["Upgraded"]
    logs = chain.logs(list(addresses.values()), [upgraded.topic])
    slots = chain.storage([(addresses[each], IMPLEMENTATION_SLOT) for each in NAMES])
    histories = {}
    for each, slot in zip(NAMES, slots, strict=True):
        own = [log for log in logs if log.address == addresses[each]]
        pointed_to = tuple(Address(to_checksum_address(log.topics[1][-20:])) for log in own if len(log.topics) == 2)
        if not pointed_to or pointed_to[-1] != Address(to_checksum_address(slot[-20:])):
            raise ConsortiumForged(
                f"{each} at {addresses[each]} does not run the code that it announced last. Do not use this consortium."
            )
        histories[each] = _History(pointed_to, own[0].transaction)
    return histories


def _check_proxy(chain: ChainPort, name: str, addresses: dict[str, Address], history: _History) -> None:
    """Rules 2 and 3, but for what the proxy was pointed to."""
    if chain.code(addresses[name]) != proxy_code(addresses):
        raise ConsortiumForged(
            f"The code of {name} at {addresses[name]} is not this release's proxy, wired to this consortium's Rules. "
            "Do not use this consortium, or install the release it was founded with."
        )
    creation = chain.creation(history.created_by)
    data = _founding_data(creation.code) if creation else None
    founded = data is not None and data[:4] == contract("Members").interface.functions["found"].selector
    if (
        creation is None
        or data is None
        or creation.contract != addresses[name]
        or creation.code != proxy_creation(history.implementations[0], addresses, data)
        or (not founded if name == "Members" else data != b"")
    ):
        raise ConsortiumForged(
            f"{name} at {addresses[name]} was not created by this release's code, so its records could have been "
            "made up. Do not use this consortium."
        )


def _founding_data(creation_code: bytes) -> bytes | None:
    """What a proxy was told to do when it was created; None where that cannot be read."""
    arguments = creation_code[len(contract("Proxy").compiled.bytecode) :]
    try:
        return bytes(decode(["address", "address", "bytes"], arguments)[2])
    except DecodingError:
        return None


def _check_code(
    chain: ChainPort, name: str, addresses: dict[str, Address], history: _History, release: Release
) -> None:
    """What rules 3 and 4 say about the code that a proxy was pointed to."""
    first, newest = history.implementations[0], history.implementations[-1]
    if not release.knows(name, chain.code(first), addresses):
        raise ConsortiumForged(
            f"The code that {name} was founded with, at {first}, is not what this release compiles to. Do not use this "
            "consortium, or install the release it was founded with."
        )
    for each in dict.fromkeys(history.implementations[1:]):
        if not release.knows(name, chain.code(each), addresses):
            raise CodeUnknown(name, each)
    if not release.is_current(name, chain.code(newest), addresses):
        raise CodeUnknown(name, newest)
