"""What can go wrong with a vault.

VaultError
├── CidMalformed                not a CID that a vault makes
├── LabelRefused                empty, too long, unprintable or not normalised
├── LabelUnknown                no dataset of that name
├── ObjectUnknown               no object of that CID
├── ObjectTooLarge              more chunks than one object may have
├── DatasetShredded             its key was destroyed: nothing brings it back
├── ShredIncomplete             destroyed, but another reader keeps old bytes in the log for now
├── WrappingKeyWrong            not the key that this vault is wrapped with
├── KeyFileMalformed            a wrapping key that is foreign, damaged, truncated or too large
├── VaultUnusable               the database as a whole
│   ├── VaultMissing            asked for an existing one, and there is none
│   ├── VaultNotWritable        missing or read-only folder or file
│   ├── VaultFull               no space left
│   ├── VaultDiskFailed         the disk refuses to read or write
│   ├── VaultBusy               another process holds the lock
│   ├── VaultClosed             used after close()
│   ├── ForeignDatabase         a file that is not a vault
│   └── NewerVault              written by a newer version of this software
└── VaultCorrupted              stored bytes are not what was stored
    ├── BlockMissing            .block, .object, .chunk say which
    ├── BlockCorrupted          likewise
    ├── DataKeyCorrupted        .label says which
    └── DatabaseCorrupted       SQLite's own structure, or the catalogue's
"""


class VaultError(Exception):
    """Anything of this area; the message says what to do."""


class CidMalformed(VaultError):
    pass


class LabelRefused(VaultError):
    pass


class LabelUnknown(VaultError):
    pass


class ObjectUnknown(VaultError):
    pass


class ObjectTooLarge(VaultError):
    pass


class DatasetShredded(VaultError):
    def __init__(self, label: str, shredded_at: int) -> None:
        super().__init__(
            f"dataset {label!r} was shredded at {shredded_at} (Unix time): its key no longer exists; "
            "store the data under another label if you still hold them and may use them"
        )
        self.label = label
        self.shredded_at = shredded_at


class ShredIncomplete(VaultError):
    pass


class WrappingKeyWrong(VaultError):
    pass


class KeyFileMalformed(VaultError):
    pass


class VaultUnusable(VaultError):
    pass


class VaultMissing(VaultUnusable):
    pass


class VaultNotWritable(VaultUnusable):
    pass


class VaultFull(VaultUnusable):
    pass


class VaultDiskFailed(VaultUnusable):
    pass


class VaultBusy(VaultUnusable):
    pass


class VaultClosed(VaultUnusable):
    pass


class ForeignDatabase(VaultUnusable):
    pass


class NewerVault(VaultUnusable):
    pass


class VaultCorrupted(VaultError):
    pass


class _BlockError(VaultCorrupted):
    """``block`` is the CID asked for, ``object`` the root it was read for, ``chunk`` its index (None for a node)."""

    def __init__(self, block: str, what: str, object: str | None = None, chunk: int | None = None) -> None:
        of_object = f" of object {object}" if object else ""
        super().__init__(f"block {block}{of_object}: {what}; restore that block from a copy of the vault")
        self.block = block
        self.object = object
        self.chunk = chunk


class BlockMissing(_BlockError):
    pass


class BlockCorrupted(_BlockError):
    pass


class DataKeyCorrupted(VaultCorrupted):
    def __init__(self, label: str, what: str) -> None:
        super().__init__(
            f"data key of {label!r}: {what}; restore the vault's database from a backup, or shred the label"
        )
        self.label = label


class DatabaseCorrupted(VaultCorrupted):
    pass
