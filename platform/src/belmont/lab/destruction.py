"""Destroys a hospital's dataset for good, in an order that a crash at any point leaves safe to repeat.

1. Its name is given once more. Nothing happens otherwise.
2. The dataset is frozen on chain, so that from now on every node refuses it, in other processes too.
3. What the vault holds of it is counted and written down, on disk before anything is destroyed.
4. The vault destroys the data key, then deletes the blocks (`Vault.shred`: both are durable, repeating completes them).
5. The other files that hold something of it are erased, and its holder stands by no profile of it any longer.
6. The vault is asked for every content identifier that it or the chain has, and counted once more. If anything can be
   read, it stops here: there is no report.
7. The report is signed and on disk, whole, before the chain hears of it. One that is there already stays, unless it is
   not on chain yet and the chain has other versions than it names.
8. The report's hash goes on chain, and the dataset is destroyed there too.

Every call goes through 4 to 6 before it reaches 8, so the chain never says destroyed while this vault can read
anything. Killed between 2 and 8, the chain says frozen, and the same call completes it; killed after 8, it changes
nothing more. It also serves after a vault was restored from a backup: what came back is destroyed once more, under the
same report.
"""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from belmont.federated.gate.ledger import forget_results
from belmont.identity.errors import KeyFileExists
from belmont.identity.secret_file import create_secret_file, read_secret_file
from belmont.lab.destruction_report import (
    MAX_BYTES,
    Holdings,
    Report,
    SignedReport,
    cid_text,
    reported_versions,
)
from belmont.lab.erasing import KEPT, KEY_IN_USE, erase, files_of
from belmont.lab.errors import DestructionIncomplete, HomeError, LabError, ReportRefused
from belmont.lab.home import Home
from belmont.lab.people import Hospital
from belmont.lab.twin.anchors import withdraw as withdraw_profiles
from belmont.registry.errors import RegistryRefused
from belmont.registry.protocol import Registry
from belmont.registry.types import Dataset, DatasetId, DatasetStatus, MemberStatus
from belmont.vault.cid import Cid
from belmont.vault.errors import DatasetShredded, ObjectUnknown, VaultError
from belmont.vault.inventory import Inventory
from belmont.vault.vault import Vault
from belmont.vault.wrapping_key import MAX_FILE_BYTES, WrappingKey

HOLDERS_DECISION = "its holder's decision"
NOT_IN_OUR_POWER = (
    "Backups and snapshots of the vault's file still hold the wrapped key, and whoever also has the wrapping key {key} "
    "opens it: take a new backup of what stays, have the vault use a new wrapping key (Vault.rotate_wrapping_key), and "
    "destroy the old key's file with every copy of it. Or destroy those backups.",
    "Worn-out flash cells, swap space and a file system's own copies: destroy the disk when it is retired.",
    "Memory of processes that had the rows open: end every other node or notebook that served this dataset.",
    "What left earlier under permits: models, totals and publications.",
    "Copies of encrypted blocks in other stores: without the key nobody reads them.",
)


@dataclass(frozen=True)
class Begun:
    """What was found before anything was destroyed."""

    begun_at: int
    reason: str
    key_id: str
    """Empty where there was none that unwraps."""
    before: Holdings


def report_path(home: Home, slug: str, dataset_id: DatasetId) -> Path:
    """Where a hospital keeps the report on a dataset."""
    return home.member(slug) / f"destruction-{dataset_id.hex()[:16]}.json"


def destroy(
    home: Home,
    hospital: Hospital,
    registry: Registry,
    *,
    reason: str = HOLDERS_DECISION,
    clock: Callable[[], float] = time.time,
) -> SignedReport:
    """Steps 2 to 8; ``registry`` writes for the hospital. Raises ``DestructionIncomplete``, ``HomeError`` and the
    errors of the vault and the registry; then call it again once what they say is put right."""
    dataset = registry.dataset(hospital.dataset_id)
    if dataset is None:
        raise LabError(f"the chain has no dataset of {hospital.name}: there is nothing that it could say is destroyed")
    _freeze(registry, dataset)  # 2
    path = report_path(home, hospital.slug, dataset.id)
    with open_vault(home, hospital.slug) as vault:
        begun = _begin(path, vault, dataset.name, reason, clock)  # 3
        vault.shred(dataset.name)  # 4
        files = files_of(home, hospital.slug, dataset.id, last_dataset=not vault.labels())
        for each in files:
            erase(each)  # 5
        forget_results(home.ledger(hospital.slug))
        withdraw_profiles(registry, dataset)
        left = still_there(vault, registry, dataset, list(files))  # 6
        if left:
            raise DestructionIncomplete(
                f"{dataset.name} is not destroyed yet: " + "; ".join(left) + ". Put that right and call destroy again"
            )
        report = _report(registry, dataset, begun, vault, sorted(set(files.values())), int(clock()))
    signed = _kept(path, SignedReport.by(hospital.identity.account, report), registry)  # 7
    _record(registry, dataset.id, signed, path)  # 8
    _tidy(path)
    return signed


def still_there(vault: Vault, registry: Registry, dataset: Dataset, files: list[Path]) -> list[str]:
    """What can still be read of a destroyed dataset: nothing, if all is well."""
    inventory = vault.inventory(dataset.name)
    left = [f"{each.name} is still there" for each in files if each.exists()]
    if inventory.key_id is not None:
        left.append("its data key is still in the vault")
    if inventory.blocks:
        left.append(f"{inventory.blocks} of its blocks are still in the vault")
    left += [f"{cid} can still be read" for cid, answer in _tried(vault, registry, dataset, inventory) if not answer]
    problems = [each for each in vault.check().problems if each.label in (None, dataset.name) and each.block is None]
    return left + [each.message for each in problems]


def open_vault(home: Home, slug: str) -> Vault:
    """A hospital's vault, which is there."""
    key = WrappingKey.from_bytes(read_secret_file(home.wrapping_key(slug), MAX_FILE_BYTES))
    return Vault.open(home.vault(slug), key, create=False)


def _freeze(registry: Registry, dataset: Dataset) -> None:
    member = registry.member(dataset.holder)
    if dataset.status is DatasetStatus.ACTIVE and member is not None and member.status is MemberStatus.ACTIVE:
        try:
            registry.freeze_dataset(dataset.id)
        except RegistryRefused:  # a call that was killed may have frozen it since it was read
            now = registry.dataset(dataset.id)
            if now is None or now.status is not DatasetStatus.FROZEN:
                raise


def _begin(path: Path, vault: Vault, label: str, reason: str, clock: Callable[[], float]) -> Begun:
    found = vault.inventory(label)
    holdings = Holdings(len(found.objects), found.blocks, found.bytes)
    begun = Begun(int(clock()), reason, found.key_id or "", holdings)
    with suppress(KeyFileExists):
        create_secret_file(_begun_path(path), json.dumps(asdict(begun)).encode())
    try:
        content = json.loads(read_secret_file(_begun_path(path), MAX_BYTES))
        return Begun(**(content | {"before": Holdings(**content["before"])}))
    except (ValueError, TypeError, KeyError) as error:
        raise HomeError(f"{_begun_path(path)} is damaged: remove it and call destroy again") from error


def _report(registry: Registry, dataset: Dataset, begun: Begun, vault: Vault, removed: list[str], now: int) -> Report:
    after = vault.inventory(dataset.name)
    return Report(
        consortium=registry.identity,
        dataset="0x" + dataset.id.hex(),
        name=dataset.name,
        holder=dataset.holder,
        reason=begun.reason,
        begun_at=begun.begun_at,
        destroyed_at=now,
        versions=reported_versions(registry, dataset.id, dataset.versions),
        key_ids=(begun.key_id,) if begun.key_id else (),
        before=begun.before,
        after=Holdings(len(after.objects), after.blocks, after.bytes),
        tried=tuple(_tried(vault, registry, dataset, after)),
        removed=tuple(removed),
        kept=(*KEPT, KEY_IN_USE) if vault.labels() else KEPT,
        not_in_our_power=tuple(each.format(key=vault.wrapping_key_id) for each in NOT_IN_OUR_POWER),
    )


def _kept(path: Path, signed: SignedReport, registry: Registry) -> SignedReport:
    if _is_destroyed(registry, signed.report.dataset_id):
        return read_report(path)
    if path.is_file() and read_report(path).report.versions != signed.report.versions:
        path.unlink()
    with suppress(KeyFileExists):
        create_secret_file(path, signed.to_bytes())
    return read_report(path)


def read_report(path: Path) -> SignedReport:
    """The report in a hospital's directory. Raises ``HomeError``, ``ReportRefused``."""
    if not path.is_file():
        raise HomeError(f"there is no report {path}: restore it, or ask for it where the dataset was destroyed")
    return SignedReport.from_bytes(read_secret_file(path, MAX_BYTES, encrypted=True))


def _record(registry: Registry, dataset_id: DatasetId, signed: SignedReport, path: Path) -> None:
    if not _is_destroyed(registry, dataset_id):
        registry.destroy_dataset(dataset_id, signed.hash)
    dataset = registry.dataset(dataset_id)
    if dataset is None or dataset.destruction_hash != signed.hash:
        raise ReportRefused(f"{path} is not the report whose hash is on chain: restore that one in its place")


def _is_destroyed(registry: Registry, dataset_id: DatasetId) -> bool:
    dataset = registry.dataset(dataset_id)
    return dataset is not None and dataset.status is DatasetStatus.DESTROYED


def _tried(vault: Vault, registry: Registry, dataset: Dataset, inventory: Inventory) -> list[tuple[str, str]]:
    """Every content identifier, and how the vault refuses to read it; empty where it does not."""
    versions = (registry.version(dataset.id, number) for number in range(1, dataset.versions + 1))
    asked = {cid_text(each.cid): each.cid for each in versions if each}
    asked |= {str(each): each.binary for each in inventory.objects}
    return [(text, _answer(vault, binary)) for text, binary in sorted(asked.items())]


def _answer(vault: Vault, binary: bytes) -> str:
    try:
        vault.get(Cid(binary))
    except DatasetShredded:
        return "its key no longer exists"
    except ObjectUnknown:
        return "no such object in this vault"
    except VaultError as error:
        return f"unreadable: {type(error).__name__}"
    return ""


def _tidy(path: Path) -> None:
    """What was counted before stands in the report."""
    _begun_path(path).unlink(missing_ok=True)


def _begun_path(path: Path) -> Path:
    return path.with_suffix(".begun")
