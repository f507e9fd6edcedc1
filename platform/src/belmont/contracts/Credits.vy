# pragma version 0.4.3
# pragma evm-version prague
"""
@title Credits
@license Apache-2.0
@notice An accounting of who contributed to the consortium's studies: data holders, and the patients of a dataset
        together. Nothing here can be bought, sold or sent.
@dev Rules, cited by number where they are kept:
  1. Only the contract Uses credits, for a use that is recorded in the same transaction: one credit for each row of the
     version that was used, for each round and each query.
  2. The share of the dataset's patients goes to their pool (a number of the consortium's rules, rounded down), the
     rest to the dataset's holder.
  3. Only the contract Rules redeems, what the members carried by vote: from the balance of an account, or from the pool
     of a dataset in favour of an account. Never more than there is.
"""

import Rules


struct Balance:
    earned: uint64
    redeemed: uint64


event Credited:
    actor: indexed(address)
    dataset: indexed(bytes32)
    toHolder: uint64
    toPatients: uint64


event Redeemed:
    actor: indexed(address)
    dataset: indexed(bytes32)
    amount: uint64
    noteHash: bytes32


USES: immutable(address)
RULES: immutable(Rules.__interface__)

_balances: HashMap[address, Balance]
_pools: HashMap[bytes32, Balance]


@deploy
def __init__(uses: address, rules: address):
    USES = uses
    RULES = Rules.__interface__(rules)


@external
def credit(dataset: bytes32, holder: address, rows: uint64):
    assert msg.sender == USES, "NOT_USES_CONTRACT"  # 1
    toPatients: uint64 = rows * staticcall RULES.patientsPercent() // 100  # 2
    self._balances[holder].earned += rows - toPatients  # 2
    self._pools[dataset].earned += toPatients  # 2
    log Credited(actor=holder, dataset=dataset, toHolder=rows - toPatients, toPatients=toPatients)


@external
def redeem(account: address, dataset: bytes32, amount: uint64, noteHash: bytes32):
    assert msg.sender == RULES.address, "NOT_RULES_CONTRACT"  # 3
    if dataset == empty(bytes32):
        left: uint64 = self._balances[account].earned - self._balances[account].redeemed
        assert amount <= left, "CREDITS_EXHAUSTED"  # 3
        self._balances[account].redeemed += amount
    else:
        left: uint64 = self._pools[dataset].earned - self._pools[dataset].redeemed
        assert amount <= left, "CREDITS_EXHAUSTED"  # 3
        self._pools[dataset].redeemed += amount
    log Redeemed(actor=account, dataset=dataset, amount=amount, noteHash=noteHash)


@external
@view
def balanceOf(account: address) -> Balance:
    return self._balances[account]


@external
@view
def poolOf(dataset: bytes32) -> Balance:
    return self._pools[dataset]
