"""What a vault holds of one dataset: counted before its destruction, and after."""

from collections.abc import Callable
from dataclasses import dataclass

from belmont.vault.block_store import BlockStore
from belmont.vault.catalogue import Catalogue, LabelRow
from belmont.vault.cid import Cid
from belmont.vault.ciphers import derive
from belmont.vault.errors import BlockMissing, DataKeyCorrupted

_KEY_ID = b"belmont vault data key id v1"


@dataclass(frozen=True, slots=True)
class Inventory:
    objects: tuple[Cid, ...]
    """Roots in the order they were stored, also of a shredded dataset."""
    blocks: int
    bytes: int
    """Of the blocks, as they are stored."""
    key_id: str | None
    """32 hex digits derived from the data key, which tell it apart and give nothing away; None once it is gone.

    Empty where something is there that does not unwrap.
    """
    shredded_at: int | None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left to be read: neither key nor block."""
        return self.key_id is None and not self.blocks


def take_inventory(catalogue: Catalogue, store: BlockStore, row: LabelRow, unwrap: Callable[[], bytes]) -> Inventory:
    """Inside a transaction."""
    roots = tuple(catalogue.objects(row))
    blocks = {block for root in roots for block in catalogue.pieces(root)}
    sizes = [_size(store, block) for block in blocks]
    key_id: str | None = None
    if catalogue.wrapped_key(row) is not None:
        try:
            key_id = derive(unwrap(), b"", _KEY_ID, 16).hex()
        except DataKeyCorrupted:
            key_id = ""
    return Inventory(roots, len(blocks), sum(sizes), key_id, row.shredded_at)


def _size(store: BlockStore, block: Cid) -> int:
    try:
        return len(store.get(block))
    except BlockMissing:
        return 0
