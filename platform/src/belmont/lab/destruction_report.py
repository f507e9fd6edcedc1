"""The report on a destroyed dataset: what its hospital states, signed by it, and hashed on chain.

The file is JSON. Its SHA-256, as ``sha256sum`` gives it, is what the contract Datasets holds. Whoever reads one
believes nobody, in this order:

1. the file is one report of our format, byte for byte as it would be written;
2. it is about a dataset of this consortium, of the holder that it names;
3. that holder signed it, with a key that speaks, or spoke at some time, for it (EIP-191, any wallet can check it);
4. the chain says that the dataset is destroyed, with the hash of this file;
5. the versions are those of the chain: number, content identifier and rows;
6. it says itself that nothing was left, and that every one of them was tried and could not be read.

That the hospital kept no copy, nobody can show. Where its vault is at hand, `belmont.lab.destruction` asks that too.
"""

import hashlib
import json
from dataclasses import asdict, astuple, dataclass, fields
from typing import Any

from eth_account import Account
from eth_account.messages import SignableMessage, encode_defunct
from eth_account.signers.local import LocalAccount

from belmont.identity.strict_json import loads
from belmont.lab.errors import ReportRefused
from belmont.registry.protocol import Registry
from belmont.registry.types import DatasetId, DatasetStatus
from belmont.vault.cid import Cid
from belmont.vault.errors import CidMalformed

FORMAT = "belmont-destruction-report"
VERSION = 1
MAX_BYTES = 4 * 1024 * 1024
_PURPOSE = "belmont/destruction/1\n"


@dataclass(frozen=True)
class Holdings:
    """What a vault held of the dataset."""

    objects: int
    blocks: int
    bytes: int


@dataclass(frozen=True)
class ReportedVersion:
    number: int
    cid: str
    rows: int


@dataclass(frozen=True)
class Report:
    """Times are Unix seconds of the hospital's machine."""

    consortium: str
    """The chain and members contract, as CAIP-10."""
    dataset: str
    """Identifier, 0x and 64 hex digits."""
    name: str
    holder: str
    """The account of the hospital."""
    reason: str
    begun_at: int
    destroyed_at: int
    versions: tuple[ReportedVersion, ...]
    """As the chain had them."""
    key_ids: tuple[str, ...]
    """Of the data keys that were destroyed; none where the key was gone, or could not be unwrapped, before."""
    before: Holdings
    after: Holdings
    tried: tuple[tuple[str, str], ...]
    """Every content identifier of the dataset, and what the vault answered to it afterwards."""
    removed: tuple[str, ...]
    """Other files that held something of it."""
    kept: tuple[str, ...]
    not_in_our_power: tuple[str, ...]

    @property
    def dataset_id(self) -> DatasetId:
        return DatasetId(bytes.fromhex(self.dataset[2:]))


@dataclass(frozen=True)
class SignedReport:
    report: Report
    signature: bytes

    @classmethod
    def by(cls, account: LocalAccount, report: Report) -> "SignedReport":
        return cls(report, bytes(account.sign_message(_message(report)).signature))

    @property
    def signer(self) -> str | None:
        """Who signed; None where the signature is none."""
        try:
            return str(Account.recover_message(_message(self.report), signature=self.signature))
        except Exception:  # eth_account and eth_keys raise errors of many kinds for what is no signature
            return None

    def to_bytes(self) -> bytes:
        """The file."""
        document = {
            "format": FORMAT,
            "version": VERSION,
            "report": asdict(self.report),
            "signature": "0x" + self.signature.hex(),
        }
        return (json.dumps(document, indent=1) + "\n").encode("ascii")

    @property
    def hash(self) -> bytes:
        """SHA-256 of the file: what goes on chain."""
        return hashlib.sha256(self.to_bytes()).digest()

    @classmethod
    def from_bytes(cls, content: bytes) -> "SignedReport":
        """Raises ``ReportRefused`` for anything that `to_bytes` would not have written (1)."""
        try:
            if len(content) > MAX_BYTES:
                raise ValueError("too large")
            document = loads(content.decode("ascii"))
            signed = cls(_report(document["report"]), bytes.fromhex(document["signature"][2:]))
            same = signed.to_bytes() == content
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ReportRefused(
                "this is no destruction report: give the file that the hospital's machine wrote"
            ) from error
        if not same:
            raise ReportRefused("the report is not as it was written: give the hospital's own file, unchanged")
        return signed


def check_report(content: bytes, registry: Registry) -> SignedReport:
    """The report in a file, compared with the chain. Raises ``ReportRefused`` with what is wrong."""
    signed = SignedReport.from_bytes(content)  # 1
    report = signed.report
    if report.consortium != registry.identity:  # 2
        raise ReportRefused(f"the report is about {report.consortium}: name that consortium's chain with --url")
    dataset = registry.dataset(report.dataset_id)
    if dataset is None or (dataset.holder, dataset.name) != (report.holder, report.name):
        raise ReportRefused("the chain has no such dataset of this hospital: the report is about something else")
    owners = {report.holder, *(each.owner for each in registry.identities.history(dataset.holder))}
    if signed.signer is None or signed.signer not in owners:  # 3
        raise ReportRefused(f"{report.holder} did not sign this report: ask that hospital for its own")
    if dataset.status is not DatasetStatus.DESTROYED:  # 4
        raise ReportRefused(
            f"the chain does not say that {dataset.name} is destroyed, but {dataset.status.name.lower()}: "
            "the hospital completes it with consortium.destroy(...)"
        )
    if dataset.destruction_hash != hashlib.sha256(content).digest():
        raise ReportRefused("the chain has the hash of another report: ask the hospital for the one it recorded")
    found = reported_versions(registry, dataset.id, dataset.versions)
    if report.versions != found:  # 5
        raise ReportRefused("the report does not name the versions that the chain has: ask the hospital for its own")
    tried = dict(report.tried)
    if report.after != Holdings(report.after.objects, 0, 0) or any(each.cid not in tried for each in found):  # 6
        raise ReportRefused("by its own account the destruction is not complete: the hospital has to repeat it")
    return signed


def reported_versions(registry: Registry, dataset_id: DatasetId, count: int) -> tuple[ReportedVersion, ...]:
    """The versions of a dataset as the chain has them."""
    return tuple(_on_chain(registry, dataset_id, number) for number in range(1, count + 1))


def _on_chain(registry: Registry, dataset_id: DatasetId, number: int) -> ReportedVersion:
    version = registry.version(dataset_id, number)
    if version is None:
        raise ReportRefused(f"the chain has no version {number} of this dataset: read it again")
    return ReportedVersion(number, cid_text(version.cid), version.rows)


def cid_text(binary: bytes) -> str:
    """A content identifier as people write it; in hexadecimal where it is none that a vault makes."""
    try:
        return str(Cid(binary))
    except CidMalformed:
        return "0x" + binary.hex()


def _message(report: Report) -> SignableMessage:
    return encode_defunct(text=_PURPOSE + json.dumps(asdict(report), sort_keys=True, separators=(",", ":")))


def _report(given: dict[str, Any]) -> Report:
    """Raises ValueError, KeyError or TypeError for what is no report."""
    if set(given) != {each.name for each in fields(Report)}:
        raise ValueError("its fields are not those of a report")
    read: dict[str, Any] = dict(given)
    read["versions"] = tuple(ReportedVersion(**each) for each in given["versions"])
    read["tried"] = tuple((cid, answer) for cid, answer in given["tried"])
    read |= {name: Holdings(**given[name]) for name in ("before", "after")}
    read |= {name: tuple(given[name]) for name in ("key_ids", "removed", "kept", "not_in_our_power")}
    report = Report(**read)
    held = (report.before, report.after)
    numbers = [report.begun_at, report.destroyed_at, *(value for each in held for value in astuple(each))]
    numbers += [value for each in report.versions for value in (each.number, each.rows)]
    texts = [report.consortium, report.dataset, report.name, report.holder, report.reason]
    texts += [*report.key_ids, *report.removed, *report.kept, *report.not_in_our_power]
    texts += [text for pair in report.tried for text in pair] + [each.cid for each in report.versions]
    if any(type(each) is not int or each < 0 for each in numbers) or not all(isinstance(each, str) for each in texts):
        raise ValueError("a value of the wrong type")
    if len(report.dataset_id) != 32:
        raise ValueError("the dataset's identifier is not 32 bytes")
    return report
