# pragma version 0.4.3
"""
@title A counter with a limit, for the tests of the chain
"""

struct Snapshot:
    owner: address
    total: uint256
    names: DynArray[String[16], 4]

event Moved:
    by: indexed(address)
    parity: indexed(uint256)
    amount: uint256

event Named:
    name: String[16]

OWNER: immutable(address)
LIMIT: immutable(uint256)
total: public(uint256)
of: public(HashMap[address, uint256])
names: DynArray[String[16], 4]


@deploy
def __init__(limit: uint256):
    assert limit > 0, "LIMIT_ZERO"
    OWNER = msg.sender
    LIMIT = limit


@external
def add(amount: uint256) -> uint256:
    assert self.total + amount <= LIMIT, "OVER_LIMIT"
    self.total += amount
    self.of[msg.sender] += amount
    log Moved(by=msg.sender, parity=amount % 2, amount=amount)
    return self.total


@external
def name(text: String[16]):
    assert msg.sender == OWNER, "NOT_OWNER"
    self.names.append(text)
    log Named(name=text)


@external
def without_reason():
    raise


@external
@view
def snapshot() -> Snapshot:
    return Snapshot(owner=OWNER, total=self.total, names=self.names)


@external
@view
def pair() -> (address, uint256):
    return OWNER, LIMIT


@external
@view
def underflow() -> uint256:
    return self.total - (self.total + 1)


@external
@view
def now() -> uint256:
    return block.timestamp


@external
@view
def ancestor(number: uint256) -> bytes32:
    return blockhash(number)


@external
@view
def forever() -> uint256:
    x: uint256 = 0
    for i: uint256 in range(1000000000):
        x = x ^ i
    return x


@external
@view
def descend(depth: uint256) -> uint256:
    if depth == 0:
        return 0
    return 1 + staticcall Self(self).descend(depth - 1)


interface Self:
    def descend(depth: uint256) -> uint256: view
