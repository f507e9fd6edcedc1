"""Files of one hospital that hold something of a dataset beside its vault, and how they are erased.

A file is overwritten with zeros, synced, and unlinked; for one that is gone already, nothing happens. What the disk
keeps elsewhere (snapshots, worn-out flash cells) is out of reach.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

from belmont.lab.home import Home
from belmont.lab.hospital_files import PSEUDONYM_KEY_FILE
from belmont.registry.types import DatasetId

_BLOCK = bytes(1 << 20)
_JOURNALS = ("", "-journal", "-wal", "-shm")
KEPT = (
    "the hospital's own clinical records: they are kept and destroyed under the law on treatment records",
    "the register of consents and its salt: evidence that patients agreed. Without the key of the pseudonyms nobody "
    "finds a patient in it",
    "the ledger of what was served (without results), the count of openings and the proofs: hashes, counts and what is "
    "public already",
    "the data dictionary: nothing of a patient is in it",
)
KEY_IN_USE = "the key that leads from patients to pseudonyms: other datasets of this hospital use it"


def files_of(home: Home, slug: str, dataset_id: DatasetId, *, last_dataset: bool) -> dict[Path, str]:
    """What to erase, and what each is. The key of the pseudonyms serves every dataset of the hospital's vault."""
    from belmont.federated.node.node import DISCLOSURES_SUFFIX

    disclosures = home.ledger(slug).with_name(home.ledger(slug).name + DISCLOSURES_SUFFIX)
    found = {disclosures.with_name(disclosures.name + end): "totals kept for disputes" for end in _JOURNALS}
    found[home.quality(slug)] = "quality report of the records"
    found[home.profile(dataset_id)] = "published profile for twins"
    publications = home.publications(slug, dataset_id)
    found |= {publications.with_name(publications.name + end): "record of published profiles" for end in _JOURNALS}
    if last_dataset:
        found[home.member(slug) / PSEUDONYM_KEY_FILE] = "key that leads from patients to pseudonyms"
    return found


def erase(path: Path) -> None:
    """Overwrites and removes a file. A link is removed, and what it leads to stays."""
    with suppress(FileNotFoundError):
        if stat.S_ISREG(path.lstat().st_mode):
            _overwrite(path)
        path.unlink()
        descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _overwrite(path: Path) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "wb") as file:
        left = os.fstat(file.fileno()).st_size
        while left > 0:
            left -= file.write(_BLOCK[:left])
        file.flush()
        os.fsync(file.fileno())
