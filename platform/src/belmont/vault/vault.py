"""The hospital's vault: datasets under labels, encrypted, content-addressed, and destroyable.

Reading goes in this order, and stops at the first thing that is wrong:

1. the vault is wrapped with the key that was given;
2. the object is known here, and its label was not shredded;
3. the label's data key unwraps;
4. the root hashes to the CID that was asked for, and is canonical;
5. the data key is the one that the root commits to;
6. every node and leaf hashes to the link that named it, and the tree has the shape that the root says;
7. every chunk's tag verifies, bound to its place; the lengths add up to the size.

A put is one transaction, so a killed process leaves all of an object or nothing. Equal plaintexts get different CIDs:
every object has its own random salt.
"""

import secrets
import time
import unicodedata
from pathlib import Path
from types import TracebackType
from typing import Self

from belmont.vault.block_store import BlockStore, SqliteBlockStore
from belmont.vault.catalogue import Catalogue, LabelRow, catalogue_schema
from belmont.vault.check import Checker, CheckReport
from belmont.vault.cid import DAG_CBOR, RAW, Cid
from belmont.vault.ciphers import KEY_BYTES, MAX_CHUNKS, SALT_BYTES, KeyWrapper, ObjectCipher, ObjectShape, Refused
from belmont.vault.dag import Layout, Root, build_nodes, encode_root
from belmont.vault.database import LOCK_TIMEOUT_SECONDS, Database
from belmont.vault.errors import (
    DataKeyCorrupted,
    DatasetShredded,
    LabelRefused,
    ObjectTooLarge,
    ShredIncomplete,
    WrappingKeyWrong,
)
from belmont.vault.inventory import Inventory, take_inventory
from belmont.vault.reader import ObjectReader
from belmont.vault.wrapping_key import WrappingKey

MAX_LABEL_BYTES = 255
_SHRED_BATCH_BLOCKS = 64


class Vault:
    """Use as a context manager, or ``close()`` it. Threads of one process take turns; other processes may read."""

    def __init__(self, database: Database, store: BlockStore, wrapping_key: WrappingKey, layout: Layout) -> None:
        self._database = database
        self._catalogue = Catalogue(database)
        self._store = store
        self._wrapping_key = wrapping_key
        self._layout = layout

    @classmethod
    def open(
        cls,
        path: Path | str,
        wrapping_key: WrappingKey | bytes,
        *,
        create: bool = True,
        layout: Layout | None = None,
        lock_timeout_seconds: float = LOCK_TIMEOUT_SECONDS,
    ) -> "Vault":
        """Opens the vault in the SQLite file ``path``, and makes it if ``create`` and there is none.

        ``wrapping_key``: a ``WrappingKey``, or its 32 bytes. ``layout`` is for new objects only.
        """
        key = wrapping_key if isinstance(wrapping_key, WrappingKey) else WrappingKey(wrapping_key)
        schema = [*catalogue_schema(key.id), (SqliteBlockStore.SCHEMA, ())]
        database = Database(Path(path), schema, create=create, lock_timeout_seconds=lock_timeout_seconds)
        vault = cls(database, SqliteBlockStore(database), key, layout or Layout())
        try:
            with database.reading():
                vault._wrapper()
                pending = vault._catalogue.erase_pending
            if pending:
                vault._erase_log(wait=False)
        except BaseException:
            database.close()
            raise
        return vault

    def put(self, label: str, data: bytes | bytearray | memoryview) -> Cid:
        """Stores ``data`` as one object of the dataset ``label``; on disk when this returns."""
        _require_label(label)
        view = memoryview(data).cast("B")
        chunks = self._layout.chunks(len(view))
        if chunks > MAX_CHUNKS:
            raise ObjectTooLarge(f"{len(view)} bytes are more than {MAX_CHUNKS} chunks: divide the dataset")
        with self._database.writing():
            row, data_key = self._data_key_for_writing(label)
            shape = ObjectShape(label, secrets.token_bytes(SALT_BYTES), len(view), self._layout.chunk_bytes, chunks)
            root, blocks = self._store_object(ObjectCipher(data_key, shape), shape, view)
            self._catalogue.add_object(row, root, blocks)
        return root

    def get(self, cid: Cid) -> bytes:
        """The plaintext of an object, every block and tag of it verified; never a part of it."""
        with self._database.reading():
            return b"".join(self._reader(cid).chunks())

    def labels(self) -> tuple[str, ...]:
        """Datasets that live, in order of their names' bytes."""
        return tuple(row.label for row in self._catalogue.labels() if row.shredded_at is None)

    def objects(self, label: str) -> tuple[Cid, ...]:
        """The objects of a dataset in the order they were put, also after it was shredded."""
        with self._database.reading():
            return tuple(self._catalogue.objects(self._catalogue.label(label)))

    def inventory(self, label: str) -> Inventory:
        """What the vault holds of a dataset, also after it was shredded."""
        with self._database.reading():
            wrapper, row = self._wrapper(), self._catalogue.label(label)
            return take_inventory(self._catalogue, self._store, row, lambda: self._unwrap(wrapper, row))

    def check(self) -> CheckReport:
        """Reads and decrypts everything, and reports all that is wrong rather than the first."""
        with self._database.reading():
            self._wrapper()
        return Checker(self._database, self._catalogue, self._store, self._reader).run()

    def shred(self, label: str) -> None:
        """Destroys the dataset's key for good, then deletes its blocks. Safe to repeat, and to repeat after a crash.

        When this returns, no file of the vault holds the wrapped key. What it cannot reach: backups and snapshots of
        those files, worn-out flash cells, memory of running processes. For backups, ``rotate_wrapping_key`` and
        destroy the old key file: then no wrapped key in any backup can be opened.
        """
        with self._database.writing():
            self._wrapper()
            row = self._catalogue.label(label)
            self._catalogue.destroy_key(row, int(time.time()))
        self._erase_log(wait=False)
        while self._delete_some_blocks(row):
            pass
        self._require_erased(f"dataset {label!r} is shredded")

    def rotate_wrapping_key(self, new_key: WrappingKey) -> None:
        """Wraps all data keys with ``new_key``. All or nothing: a damaged data key stops it."""
        with self._database.writing():
            old, new = self._wrapper(), KeyWrapper(new_key.secret, self._catalogue.vault_id)
            rewrapped = {}
            for row in self._catalogue.labels():
                if row.shredded_at is None:
                    rewrapped[row.id] = new.wrap(row.label, self._unwrap(old, row))
            self._catalogue.replace_keys(new_key.id, rewrapped)
        self._wrapping_key = new_key
        self._require_erased("the new wrapping key is in force")

    @property
    def wrapping_key_id(self) -> str:
        return self._wrapping_key.id

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Vault({self._database.path}, wrapping key {self._wrapping_key.id})"

    def _wrapper(self) -> KeyWrapper:
        """Inside every transaction, since another process may have rotated the key."""
        used = self._catalogue.wrapping_key_id.decode("ascii", "replace")
        if used != self._wrapping_key.id:
            raise WrappingKeyWrong(
                f"{self._database.path} is wrapped with key {used}, and {self._wrapping_key.id} was given: "
                "load the file of the right key"
            )
        return KeyWrapper(self._wrapping_key.secret, self._catalogue.vault_id)

    def _data_key_for_writing(self, label: str) -> tuple[LabelRow, bytes]:
        wrapper = self._wrapper()
        row = self._catalogue.find_label(label)
        if row is None:
            data_key = secrets.token_bytes(KEY_BYTES)
            return self._catalogue.add_label(label, wrapper.wrap(label, data_key)), data_key
        if row.shredded_at is not None:
            raise DatasetShredded(label, row.shredded_at)
        return row, self._unwrap(wrapper, row)

    def _unwrap(self, wrapper: KeyWrapper, row: LabelRow) -> bytes:
        wrapped = self._catalogue.wrapped_key(row)
        if wrapped is None:
            raise DataKeyCorrupted(row.label, "it is gone")
        try:
            return wrapper.unwrap(row.label, wrapped)
        except Refused as error:
            raise DataKeyCorrupted(row.label, "it does not unwrap, so it or its label was changed") from error

    def _store_object(self, cipher: ObjectCipher, shape: ObjectShape, view: memoryview) -> tuple[Cid, list[Cid]]:
        blocks: list[Cid] = []

        def store(cid: Cid, block: bytes) -> None:
            self._store.put(cid, block)
            blocks.append(cid)

        for index in range(shape.chunks):
            start = index * shape.chunk_bytes
            sealed = cipher.seal(index, view[start : start + shape.chunk_bytes])
            store(Cid.of(RAW, sealed), sealed)
        links = build_nodes(list(blocks), self._layout.fan_out, store)
        block = encode_root(Root(shape.salt, cipher.key_check, shape.size, self._layout, tuple(links)))
        root = Cid.of(DAG_CBOR, block)
        store(root, block)
        return root, blocks

    def _reader(self, cid: Cid) -> ObjectReader:
        """Inside a transaction: steps 1 to 5 of the module's order."""
        wrapper = self._wrapper()
        row = self._catalogue.label_of(cid)
        if row.shredded_at is not None:
            raise DatasetShredded(row.label, row.shredded_at)
        return ObjectReader(self._store, cid, row.label, self._unwrap(wrapper, row))

    def _delete_some_blocks(self, row: LabelRow) -> bool:
        """In batches, so that neither log nor lock grows with the dataset. False once there are none."""
        with self._database.writing():
            cids = self._catalogue.some_pieces(row, _SHRED_BATCH_BLOCKS)
            for cid in cids:
                self._store.delete(cid)
            self._catalogue.forget_pieces(row, cids)
        return bool(cids)

    def _require_erased(self, done: str) -> None:
        if not self._erase_log(wait=True):
            raise ShredIncomplete(
                f"{done}, but another process that reads the vault keeps old key bytes in the log of "
                f"{self._database.path}: end it, then close and open this vault, and check() it"
            )

    def _erase_log(self, *, wait: bool) -> bool:
        if not self._database.truncate_log(wait=wait):
            return False
        with self._database.writing():
            self._catalogue.erased()
        return True


def _require_label(label: str) -> None:
    try:
        encoded = label.encode("utf-8")
    except UnicodeEncodeError as error:
        raise LabelRefused("the label is not valid Unicode: choose another") from error
    if not 1 <= len(encoded) <= MAX_LABEL_BYTES:
        raise LabelRefused(f"a label has from 1 to {MAX_LABEL_BYTES} bytes of UTF-8, this one {len(encoded)}")
    if not label.isprintable() or unicodedata.normalize("NFC", label) != label:
        raise LabelRefused(f"label {label!r} has unprintable characters, or is not in normal form NFC: type it anew")
