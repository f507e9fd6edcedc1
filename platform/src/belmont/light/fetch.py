"""Makes checkpoints and bundles from nodes, to be verified elsewhere with no network.

What is fetched is verified before it is handed out, so a node that lies is found out here already. What is *not* there
is believed: a node can hide an event, and then nothing of it is in the bundle.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from eth_abi.exceptions import DecodingError

from belmont.light.accounts import Code, account, running, slot_value
from belmont.light.bundle import BUNDLE_BYTES_MAX, CLAIMS_MAX, Bundle, Claim, EventClaim, Nodes, ValueClaim, blocks_of
from belmont.light.checkpoint import Checkpoint
from belmont.light.encoding import keccak
from belmont.light.errors import CheckpointRefused, LightError, NotThere, SourcesDisagree, SourceUnreachable
from belmont.light.headers import HEADERS_MAX, Header, HeaderChain, pack
from belmont.light.release import Release, ThisRelease
from belmont.light.sources import FoundLog, Source
from belmont.light.storage import read_path
from belmont.light.switch_fetch import switch_claims
from belmont.light.trie_build import index_key
from belmont.light.verify import Fingerprint, shown, verify
from belmont.registry.abi import snake_case


@dataclass(frozen=True)
class Wanted:
    """Events of a contract with this name, whose fields have these values; ``optional`` ones need not be there."""

    contract: str
    event: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    optional: bool = False


def take_checkpoint(sources: Sequence[Source], addresses: Mapping[str, bytes], number: int | None = None) -> Checkpoint:
    """The block ``number``, or the newest that all sources have, as a checkpoint; all sources have to agree on it.

    ``addresses`` are those of the consortium's contracts by name. Raises ``SourcesDisagree``, ``SourceUnreachable``.
    """
    chain_id = _one({source.url: source.chain_id() for source in sources}, "serve different chains")
    height = min(source.head() for source in sources) if number is None else number
    headers = {source.url: source.header(height) for source in sources}
    _one({url: header.hash.hex() for url, header in headers.items()}, f"have different blocks {height}")
    source, header = sources[0], headers[sources[0].url]
    if header.number != height:
        raise SourceUnreachable(f"{source.url} gave block {header.number} where block {height} was asked for")
    contracts = {name: _code(source, header, name, address) for name, address in addresses.items()}
    return Checkpoint(chain_id, height, header.hash, contracts)


def _code(source: Source, header: Header, name: str, address: bytes) -> Code:
    """Which code a contract runs, proven, and the same that the node gives out as its code."""
    _, code = running(header, address, source.code_proof(header, address))
    for at, digest in ((code.address, code.code_hash), (code.implementation, code.implementation_code_hash)):
        if at is not None and keccak(source.code(at, header.number)) != digest:
            raise SourceUnreachable(f"{source.url} gives other code for {name} than its own block {header.number} has")
    if code.code_hash == keccak(b""):
        raise NotThere(f"there is no contract at 0x{address.hex()}, where {name} should be")
    return code


def follow(source: Source, chain: HeaderChain, newer: Checkpoint) -> HeaderChain:
    """Headers from the tip of a chain to a newer checkpoint: it continues the same history.

    This shows that nothing before the tip was rewritten. It does not show that the newer checkpoint is the
    consortium's: anybody could go on from there. Raises ``HeadersRefused``, ``CheckpointRefused``.
    """
    if newer.number <= chain.tip.number:
        raise CheckpointRefused("C3", f"block {newer.number} does not come after block {chain.tip.number}")
    return chain.extended(source.headers(chain.tip.number + 1, newer.number), newer.block_hash)


def fetch(
    source: Source,
    checkpoint: Checkpoint,
    wanted: Sequence[Wanted] = (),
    values: Sequence[tuple[str, str]] = (),
    release: Release | None = None,
    switches: Sequence[str] = (),
) -> Bundle:
    """A bundle with every event that is wanted and every value ``(contract, path)`` as kept at the checkpoint.

    ``switches`` names contracts: every time that one got other code is proven with them.

    Raises ``NotThere`` when nothing matches, and what verifying it raises.
    """
    release = release or ThisRelease()
    claims: list[Claim] = []
    for want in wanted:
        claims += _event_claims(source, checkpoint, want, release)
    header = source.header(checkpoint.number)
    claims += [_value_claim(source, checkpoint, header, contract, path, release) for contract, path in values]
    claims += [claim for contract in switches for claim in switch_claims(source, checkpoint, contract, release)]
    if not claims:
        raise NotThere(f"{source.url} has nothing of what was asked for up to block {checkpoint.number}")
    if len(claims) > CLAIMS_MAX:
        raise LightError(f"{len(claims)} claims, and a bundle holds {CLAIMS_MAX}: ask for fewer, by actor or permit")
    first = min(min(blocks_of(claim)) for claim in claims)
    if checkpoint.number - first >= HEADERS_MAX:
        raise LightError(f"the checkpoint is {checkpoint.number - first} blocks later: take one closer after the event")
    headers = pack(each.encoded for each in source.headers(first, checkpoint.number))
    bundle = Bundle(checkpoint, headers, tuple(claims))
    verify(bundle, Fingerprint(checkpoint.fingerprint), release)
    if len(bundle.to_bytes()) > BUNDLE_BYTES_MAX:
        raise LightError(f"it would take more than {BUNDLE_BYTES_MAX} bytes: take a checkpoint closer after the event")
    return bundle


def matching(source: Source, checkpoint: Checkpoint, want: Wanted, release: Release) -> Iterator[FoundLog]:
    """Logs up to the checkpoint that are the wanted event, in chain order."""
    interface = release.interface(want.contract)
    event = interface.events.get(want.event)
    if event is None:
        raise NotThere(f"{want.contract} has no event {want.event!r}; it has {', '.join(sorted(interface.events))}")
    declared = {snake_case(entry["name"]) for entry in (*event.indexed, *event.plain)}
    if unknown := want.fields.keys() - declared:
        raise NotThere(f"{want.event} has no field {min(unknown)!r}; it has {', '.join(sorted(declared))}")
    for log in source.logs(checkpoint.contract(want.contract).address, event.topic, checkpoint.number):
        try:
            decoded = interface.decode_event(log.topics, log.data)
        except (DecodingError, ValueError, OverflowError) as error:
            raise SourceUnreachable(f"{source.url} gave a log that is no {want.event}: {error}") from error
        if decoded and all(_same(decoded[1][name], each) for name, each in want.fields.items()):
            yield log


def _event_claims(source: Source, checkpoint: Checkpoint, want: Wanted, release: Release) -> list[EventClaim]:
    claims = []
    for log in matching(source, checkpoint, want, release):
        tries = source.block(source.header(log.block))
        if log.transaction_index >= len(tries.logs_before):
            raise SourceUnreachable(f"{source.url} gave a log of a transaction that block {log.block} does not have")
        key = index_key(log.transaction_index)
        place = log.log_index - tries.logs_before[log.transaction_index]
        transaction, receipt = tuple(tries.transactions.proof(key)), tuple(tries.receipts.proof(key))
        claims.append(EventClaim(want.contract, log.block, log.transaction_index, place, transaction, receipt))
    if not claims and not want.optional:
        sought = ", ".join(f"{name} {shown(each)}" for name, each in want.fields.items()) or "any fields"
        raise NotThere(f"{source.url} has no {want.event} with {sought} up to block {checkpoint.number}")
    return claims


def _value_claim(
    source: Source, checkpoint: Checkpoint, header: Header, contract: str, path: str, release: Release
) -> ValueClaim:
    address = checkpoint.contract(contract).address
    proofs: list[Nodes] = []

    def word(slot: int) -> int:
        of_account, (of_slot,) = source.proof(header, address, [slot])
        proofs.append(of_slot)
        return slot_value(account(header, address, of_account).storage_root, slot, of_slot)

    release.layout(contract).place(*read_path(path)).read(word)
    return ValueClaim(contract, header.number, path, source.code_proof(header, address), tuple(proofs))


def _same(found: object, asked: object) -> bool:
    """Whether a field has the value that was asked for; addresses in any case of letters, or as bytes."""
    if isinstance(found, str) and isinstance(asked, bytes):
        return found.lower() == "0x" + asked.hex()
    if isinstance(found, str) and isinstance(asked, str):
        return found.lower() == asked.lower()
    return type(found) is type(asked) and found == asked


def _one(found: Mapping[str, Any], what: str) -> Any:
    """The value that all sources give. Raises ``SourcesDisagree``."""
    if len(set(found.values())) != 1:
        said = "; ".join(f"{url}: {each}" for url, each in found.items())
        raise SourcesDisagree(f"the sources {what} ({said}): find out which of them is right before you trust any")
    return next(iter(found.values()))
