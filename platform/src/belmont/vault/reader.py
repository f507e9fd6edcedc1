"""Reads one object: steps 4 to 7 of the vault's order."""

from collections.abc import Callable, Iterator

from belmont.vault.block_store import BlockStore
from belmont.vault.cid import Cid
from belmont.vault.ciphers import ObjectCipher, ObjectShape, Refused
from belmont.vault.dag import MAX_BLOCK_BYTES, Leaf, decode_root, walk
from belmont.vault.errors import BlockCorrupted, BlockMissing, DataKeyCorrupted, VaultCorrupted


class ObjectReader:
    def __init__(self, store: BlockStore, cid: Cid, label: str, data_key: bytes) -> None:
        self._store = store
        self._cid = cid
        self.root = decode_root(cid, self._fetch(cid, "root", None))
        layout = self.root.layout
        shape = ObjectShape(label, self.root.salt, self.root.size, layout.chunk_bytes, self.root.chunks)
        self._cipher = ObjectCipher(data_key, shape)
        if not self._cipher.matches(self.root.key_check):
            raise DataKeyCorrupted(label, f"object {cid} was encrypted under another key, so its label was changed")

    def chunks(self) -> Iterator[bytes]:
        """The plaintext chunks in order; raises at the first thing that is wrong."""
        for item in self.examine():
            if isinstance(item, VaultCorrupted):
                raise item
            yield item

    def examine(self, visit: Callable[[Cid], None] | None = None) -> Iterator[bytes | VaultCorrupted]:
        """The plaintext chunks in order, or what is wrong in their place; ``visit`` sees every link followed."""
        for item in walk(self.root, self._fetch, visit):
            try:
                yield item if isinstance(item, VaultCorrupted) else self._open(item)
            except VaultCorrupted as error:
                yield error

    def _open(self, leaf: Leaf) -> bytes:
        sealed = self._fetch(leaf.cid, f"chunk {leaf.index}", leaf.index)
        expected = min(self.root.layout.chunk_bytes, self.root.size - leaf.index * self.root.layout.chunk_bytes)
        try:
            plaintext = self._cipher.open(leaf.index, sealed)
        except Refused as error:
            raise self._corrupted(leaf.cid, f"chunk {leaf.index}: its tag does not verify there", leaf.index) from error
        if len(plaintext) != expected:
            raise self._corrupted(leaf.cid, f"chunk {leaf.index}: it should have {expected} bytes", leaf.index)
        return plaintext

    def _fetch(self, cid: Cid, what: str, chunk: int | None) -> bytes:
        try:
            block = self._store.get(cid)
        except BlockMissing as error:
            raise BlockMissing(str(cid), f"{what}: it is missing", str(self._cid), chunk) from error
        if len(block) > MAX_BLOCK_BYTES or not cid.names(block):
            raise self._corrupted(cid, f"{what}: its bytes were changed", chunk)
        return block

    def _corrupted(self, cid: Cid, what: str, chunk: int | None) -> BlockCorrupted:
        return BlockCorrupted(str(cid), what, str(self._cid), chunk)
