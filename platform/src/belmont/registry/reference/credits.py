"""The rules of ``Credits.vy``, in its order of checks."""

from dataclasses import replace

from belmont.registry.credits.protocol import Balance
from belmont.registry.reasons import WriteRefusal as W
from belmont.registry.reference.settings import setting
from belmont.registry.reference.world import World, require
from belmont.registry.rules.protocol import Rule
from belmont.registry.types import ZERO_HASH, Address, DatasetId


def credit(world: World, id_: DatasetId, holder: Address, rows: int) -> None:
    to_patients = rows * setting(world, Rule.PATIENTS_PERCENT) // 100
    balance, pool = world.balances.get(holder, Balance()), world.pools.get(id_, Balance())
    world.balances[holder] = replace(balance, earned=balance.earned + rows - to_patients)
    world.pools[id_] = replace(pool, earned=pool.earned + to_patients)
    fields = {"to_holder": rows - to_patients, "to_patients": to_patients}
    world.emit("Credits", "Credited", holder, dataset=id_, **fields)


def redeem(world: World, account: Address, id_: DatasetId, amount: int, note_hash: bytes) -> None:
    own = id_ == ZERO_HASH
    found = world.balances.get(account, Balance()) if own else world.pools.get(id_, Balance())
    require(amount <= found.left, W.CREDITS_EXHAUSTED)
    after = replace(found, redeemed=found.redeemed + amount)
    if own:
        world.balances[account] = after
    else:
        world.pools[id_] = after
    world.emit("Credits", "Redeemed", account, dataset=id_, amount=amount, note_hash=note_hash)
