"""Command line of the light client: ``belmont light``."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from belmont.light.checkpoint import Checkpoint
    from belmont.light.fetch import Wanted
    from belmont.light.verify import Trust, Verified

EXAMPLES = """examples:
  belmont light fetch --url http://127.0.0.1:8545 --event UseRecorded --permit 1 --out use.bundle
  belmont light fetch --url U --vote 3 --actor 0x5B38... --out vote.bundle
  belmont light fetch --url U --approval 3 --out approval.bundle   votes, conditions, recusals, agreement
  belmont light fetch --url U --consent 0x8f02... --actor 0x5B38... --out consent.bundle
  belmont light fetch --url U --storage 'Permits._permits[1]' --out permit.bundle
  belmont light fetch --url U --release 1 0x3f9a... --out model.bundle    whether a model is released
  belmont light fetch --url U --switch Permits --out switch.bundle     it got other code, and kept all else
  belmont light verify use.bundle --checkpoint 0x3ebc...       offline; the fingerprint came by another way
  belmont light verify consent.bundle --checkpoint 0x3ebc... --attested my.path
  belmont light verify use.bundle --signer 0xA... --signer 0xB... --at-least 2

  belmont light checkpoint --url U --url V --out today.checkpoint     several nodes have to agree
  belmont light sign today.checkpoint --url U --identity key.json     a member vouches for it
  belmont light follow consortium.headers --url U --checkpoint today.checkpoint

What is trusted and what is not: docs/light_client.md. Exit status: 0 verified, 1 refused, 2 cannot be done.
"""
APPROVAL_EVENTS = ("VoteCast", "Recused", "ConditionsAgreed", "StudyApproved", "StudyRefused", "StudyCancelled")
RELEASE_EVENTS = ("ReleaseObjected", "ReleaseConfirmed", "ReleaseSettled", "ReleaseWithdrawn")
FILE_BYTES_MAX = 64 * 1024 * 1024
NOT_SHOWN = "that there is nothing else, or what happened after block {}; times are by the sequencer's clock"


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands of the group ``light``."""
    fetch = subparsers.add_parser("fetch", help="download events and values with their proofs, as one file")
    fetch.add_argument("--url", required=True, help="a node's JSON-RPC address")
    fetch.add_argument("--out", type=Path, required=True, metavar="BUNDLE", help="the file to write")
    fetch.add_argument("--checkpoint", type=Path, metavar="FILE", help="prove it for this one (default: newest block)")
    fetch.add_argument("--members", metavar="ADDRESS", help="which consortium, where the chain has several")
    fetch.add_argument("--event", action="append", default=[], help="events of this name, or CONTRACT.NAME")
    fetch.add_argument("--vote", action="append", default=[], type=int, metavar="STUDY", help="votes on a study")
    fetch.add_argument("--approval", action="append", default=[], type=int, metavar="STUDY",
                       help="votes, who took no part, conditions and whether they were agreed to")  # fmt: skip
    fetch.add_argument("--consent", action="append", default=[], metavar="DATASET", help="patients' statements")
    fetch.add_argument(
        "--release",
        action="append",
        default=[],
        nargs=2,
        metavar=("PERMIT", "MODEL"),
        help="how a model's release stands",
    )
    fetch.add_argument("--storage", action="append", default=[], metavar="CONTRACT.PATH", help="what a contract keeps")
    fetch.add_argument("--switch", action="append", default=[], metavar="CONTRACT", help="that it got other code only")
    for name in ("permit", "study", "n"):
        fetch.add_argument(f"--{name}", type=int, help=f"only events with this {name}")
    for name in ("dataset", "actor"):
        fetch.add_argument(f"--{name}", metavar="0x...", help=f"only events with this {name}")
    fetch.set_defaults(run=_fetch)

    verify = subparsers.add_parser("verify", help="verify such a file offline")
    verify.add_argument("bundle", type=Path)
    trust = verify.add_mutually_exclusive_group(required=True)
    trust.add_argument("--checkpoint", metavar="0x... or FILE", help="the checkpoint that you trust: its fingerprint")
    trust.add_argument("--signer", action="append", metavar="ADDRESS", help="a member whose signature you trust")
    verify.add_argument("--at-least", type=int, metavar="N", help="how many of the signers (default: all)")
    path = verify.add_mutually_exclusive_group()
    path.add_argument("--attested", type=Path, metavar="PATH", help="a hospital's path: its batch holds your consent")
    path.add_argument("--absent", type=Path, metavar="PATH", help="a hospital's path: its batch does not hold --key")
    verify.add_argument("--key", metavar="0x...", help="your key in the hospital's batches, for --absent")
    verify.add_argument("--json", action="store_true", help="print one JSON object")
    verify.set_defaults(run=_verify)

    checkpoint = subparsers.add_parser("checkpoint", help="take a checkpoint, and print its fingerprint")
    checkpoint.add_argument("--url", action="append", required=True, help="a node; give several, they have to agree")
    checkpoint.add_argument("--members", metavar="ADDRESS", help="which consortium, where the chain has several")
    checkpoint.add_argument("--block", type=int, metavar="N", help="default: the newest that all nodes have")
    checkpoint.add_argument("--out", type=Path, required=True, metavar="FILE")
    checkpoint.set_defaults(run=_checkpoint)

    sign = subparsers.add_parser("sign", help="sign a checkpoint as a member, once your own node confirms it")
    sign.add_argument("file", type=Path)
    sign.add_argument("--url", required=True, help="your own node")
    sign.add_argument("--identity", type=Path, required=True, metavar="KEYFILE")
    sign.set_defaults(run=_sign)

    follow = subparsers.add_parser("follow", help="keep headers: a newer checkpoint has to continue the same history")
    follow.add_argument("headers", type=Path, help="the file of headers; begun where there is none")
    follow.add_argument("--url", required=True, help="a node's JSON-RPC address")
    follow.add_argument("--checkpoint", type=Path, required=True, metavar="FILE", help="the newer one, which you trust")
    follow.set_defaults(run=_follow)


def _fetch(options: argparse.Namespace) -> int:
    from belmont.light.fetch import fetch
    from belmont.light.sources import Source

    if options.out.exists():
        raise _taken_name(options.out)
    source = Source(options.url)
    checkpoint = _read_checkpoint(options.checkpoint) if options.checkpoint else _taken([options.url], options.members)
    wanted, values = _asked(options, checkpoint)
    bundle = fetch(source, checkpoint, wanted, values, switches=options.switch)
    data = bundle.to_bytes()
    _write(options.out, data, new=True)
    print(f"{options.out}: {len(bundle.claims)} claims in {len(data):,} bytes, proved at block {checkpoint.number}")
    print(f"checkpoint 0x{checkpoint.fingerprint.hex()}")
    if not options.checkpoint:
        print(f"It is what {options.url} said: compare it with one that came by another way before you trust it.")
    return 0


def _asked(options: argparse.Namespace, checkpoint: Checkpoint) -> tuple[list[Wanted], list[tuple[str, str]]]:
    """Events and values that the options ask for. Raises ``NotThere``, ``PathUnknown``."""
    from belmont.light.errors import NotThere
    from belmont.light.fetch import Wanted

    fields: dict[str, Any] = {"permit": options.permit, "study": options.study, "n": options.n}
    fields |= {"dataset": _bytes_of(options.dataset, 32), "actor": _bytes_of(options.actor, 20)}
    fields = {name: each for name, each in fields.items() if each is not None}
    by_actor = {name: each for name, each in fields.items() if name == "actor"}
    wanted = [Wanted(*_declared_in(each, checkpoint), fields) for each in options.event]
    wanted += [Wanted("Studies", "VoteCast", {"study": study} | by_actor) for study in options.vote]
    values: list[tuple[str, str]] = []
    for study in options.approval:
        wanted.append(Wanted("Studies", "StudyProposed", {"study": study}))
        wanted += [Wanted("Studies", event, {"study": study}, optional=True) for event in APPROVAL_EVENTS]
        values += [("Studies", f"_studies[{study}]"), ("Studies", f"_conditions[{study}]")]
    for text in options.consent:
        dataset = _bytes_of(text, 32)
        for event in ("ConsentGranted", "ConsentRevoked"):
            wanted.append(Wanted("Consents", event, {"dataset": dataset} | by_actor, optional=True))
        values.append(("Consents", f"_batches[{text}]"))
        if options.actor:
            values.append(("Consents", f"_statements[{text}][{options.actor}]"))
    for number, text in options.release:
        model = _bytes_of(text, 32)
        if not re.fullmatch(r"[1-9][0-9]{0,18}", number, re.ASCII):
            raise NotThere(f"{number!r} is no permit: give its number, then the model's hash")
        about = {"permit": int(number), "model_hash": model}
        wanted.append(Wanted("Releases", "ModelReleased", about))
        for event in RELEASE_EVENTS:
            wanted.append(Wanted("Releases", event, about, optional=True))
        values += [("Releases", f"_releases[{number}][{text}]"), ("Permits", f"_permits[{number}]")]
    for text in options.storage:
        contract, _, path = text.partition(".")
        values.append((contract, path))
    if not wanted and not values and not options.switch:
        raise NotThere(
            "nothing was asked for: give --event, --vote, --approval, --consent, --release, --storage, --switch"
        )
    return wanted, values


def _declared_in(text: str, checkpoint: Checkpoint) -> tuple[str, str]:
    """(contract, event) for ``EVENT`` or ``CONTRACT.EVENT``. Raises ``NotThere``."""
    from belmont.light.errors import NotThere
    from belmont.light.release import ThisRelease

    contract, dot, event = text.rpartition(".")
    if dot:
        return contract, event
    found = [name for name in checkpoint.contracts if event in ThisRelease().interface(name).events]
    if len(found) != 1:
        raise NotThere(f"{len(found)} contracts have an event {event!r}: give CONTRACT.EVENT")
    return found[0], event


def _bytes_of(text: str | None, size: int) -> bytes | None:
    from belmont.light.errors import NotThere

    if text is None:
        return None
    if not re.fullmatch(rf"0x[0-9a-fA-F]{{{2 * size}}}", text):
        raise NotThere(f"{text!r} is not 0x and {2 * size} hexadecimal digits")
    return bytes.fromhex(text[2:])


def _verify(options: argparse.Namespace) -> int:
    import json
    import time

    from belmont.light.bundle import Bundle
    from belmont.light.errors import BundleMalformed, NotThere, ProofRefused
    from belmont.light.verify import verify

    if options.absent and not options.key:
        raise NotThere("give --key with --absent: your key in the hospital's batches, 0x and 64 hexadecimal digits")
    data, trust = _read(options.bundle), _trust(options)
    began = time.perf_counter()
    try:
        verified = verify(Bundle.from_bytes(data), trust)
        attestation = _attestation(options, verified)
    except (BundleMalformed, ProofRefused) as refused:
        print(json.dumps({"verified": False, "why": str(refused)}) if options.json else f"REFUSED  {refused}")
        return 1
    milliseconds = 1000 * (time.perf_counter() - began)
    if options.json:
        print(json.dumps({"verified": True, "milliseconds": round(milliseconds, 1)} | _document(verified, attestation)))
    else:
        print("\n".join(_lines(verified, attestation, len(data), milliseconds)))
    return 0


def _attestation(options: argparse.Namespace, verified: Verified) -> str:
    """What a hospital's path shows beyond the bundle, in words; empty where none was given."""
    from belmont.light.attested import attested, not_attested

    if options.attested:
        return attested(verified, _read(options.attested)).words()
    if options.absent:
        return not_attested(verified, _bytes_of(options.key or "", 32) or b"", _read(options.absent)).words()
    return ""


def _trust(options: argparse.Namespace) -> Trust:
    """What the options say is trusted. Raises ``NotThere`` for what is neither a fingerprint nor a file."""
    from belmont.light.verify import Fingerprint, SignedBy

    if options.signer:
        for each in options.signer:
            _bytes_of(each, 20)
        return SignedBy(tuple(options.signer), options.at_least or len(set(options.signer)))
    if Path(options.checkpoint).is_file():
        return Fingerprint(_read_checkpoint(Path(options.checkpoint)).fingerprint)
    return Fingerprint(_bytes_of(options.checkpoint, 32) or b"")


def _lines(verified: Verified, attestation: str, size: int, milliseconds: float) -> list[str]:
    from belmont.light.verify import shown, when

    count = len(verified.findings)
    newest = verified.newest
    lines = [
        f"VERIFIED  {count} claim{'s' if count > 1 else ''} of chain {verified.checkpoint.chain_id}",
        f"  trusted because   {verified.trusted_because}",
        f"  known up to       block {newest.number}, {when(newest.timestamp)}",
        f"  from              {size:,} bytes with {verified.headers:,} headers, in {milliseconds:.1f} ms",
    ]
    for place, finding in enumerate(verified.findings, start=1):
        lines += ["", f"{place}. {finding.words()}"]
        lines += [f"  {name.replace('_', ' '):18} {shown(value)}" for name, value in finding.fields.items()]
    if attestation:
        lines += ["", f"{attestation}."]
    return [*lines, "", f"Not shown: {NOT_SHOWN.format(newest.number)}."]


def _document(verified: Verified, attestation: str) -> dict[str, object]:
    from belmont.light.verify import shown

    checkpoint = verified.checkpoint
    return {
        "chain_id": checkpoint.chain_id,
        "checkpoint": "0x" + checkpoint.fingerprint.hex(),
        "block": checkpoint.number,
        "timestamp": verified.newest.timestamp,
        "trusted_because": verified.trusted_because,
        "attestation": attestation or None,
        "claims": [
            {"contract": each.contract, "address": each.address, "block": each.block, "timestamp": each.timestamp}
            | {"what": each.words(), "fields": {name: shown(value) for name, value in each.fields.items()}}
            for each in verified.findings
        ],
    }


def _checkpoint(options: argparse.Namespace) -> int:
    checkpoint = _taken(options.url, options.members, options.block)
    _write(options.out, checkpoint.to_bytes())
    print(f"{options.out}: block {checkpoint.number} of chain {checkpoint.chain_id}, by {len(options.url)} node(s)")
    print(f"checkpoint 0x{checkpoint.fingerprint.hex()}")
    return 0


def _taken(urls: list[str], members: str | None, block: int | None = None) -> Checkpoint:
    """A checkpoint on which these nodes agree, of the consortium that the first one has."""
    from eth_utils.address import to_canonical_address

    from belmont.light.fetch import take_checkpoint
    from belmont.light.sources import Source
    from belmont.registry.chain_registry import ChainRegistry
    from belmont.registry.types import Address

    registry = ChainRegistry.connect(urls[0], Address(members) if members else None)
    addresses = {name: to_canonical_address(address) for name, address in registry.addresses.items()}
    return take_checkpoint([Source(url) for url in urls], addresses, block)


def _sign(options: argparse.Namespace) -> int:
    from eth_utils.address import to_checksum_address

    from belmont.identity.keys import Identity

    asked = _read_checkpoint(options.file)
    own = _taken([options.url], to_checksum_address(asked.contract("Members").address), asked.number)
    own.refuse_other(asked.fingerprint)
    identity = Identity.load(options.identity)
    signed = asked.signed(identity.account)
    _write(options.file, signed.to_bytes())
    print(
        f"{options.file}: your node has the same block and contracts; signed by {', '.join(sorted(signed.signed_by()))}"
    )
    return 0


def _follow(options: argparse.Namespace) -> int:
    from belmont.light.fetch import follow
    from belmont.light.headers import HeaderChain
    from belmont.light.sources import Source

    newer, source = _read_checkpoint(options.checkpoint), Source(options.url)
    if options.headers.exists():
        kept = HeaderChain.from_bytes(_read(options.headers))
        if (newer.number, newer.block_hash) == (kept.tip.number, kept.tip.hash):
            print(f"{options.headers}: nothing new, block {newer.number} is the newest that is kept")
            return 0
        chain = follow(source, kept, newer)
    else:
        chain = HeaderChain.trusted(source.headers(newer.number, newer.number), newer.block_hash)
    data = chain.to_bytes()
    _write(options.headers, data)
    print(f"{options.headers}: blocks {chain.first.number} to {chain.tip.number}, one history, in {len(data):,} bytes")
    return 0


def _read_checkpoint(path: Path) -> Checkpoint:
    from belmont.light.checkpoint import Checkpoint

    return Checkpoint.from_bytes(_read(path))


def _read(path: Path) -> bytes:
    """The file, or more of it than any file of ours has. Raises ``FileUnusable``."""
    from belmont.light.errors import FileUnusable

    try:
        with path.open("rb") as file:
            return file.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError as error:
        raise FileUnusable(f"no file at {path}: correct the path") from error
    except OSError as error:
        raise FileUnusable(f"cannot read {path}: {error.strerror}") from error


def _write(path: Path, data: bytes, *, new: bool = False) -> None:
    """Raises ``FileUnusable``, also where there is a file and a new one was meant."""
    from belmont.light.errors import FileUnusable

    try:
        with path.open("xb" if new else "wb") as file:
            file.write(data)
    except FileExistsError as error:
        raise _taken_name(path) from error
    except OSError as error:
        raise FileUnusable(f"cannot write {path}: {error.strerror}; choose a folder you may write to") from error


def _taken_name(path: Path) -> Exception:
    from belmont.light.errors import FileUnusable

    return FileUnusable(f"{path} exists: choose another name, or move that file away first")
