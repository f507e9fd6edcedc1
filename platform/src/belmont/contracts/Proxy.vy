# pragma version 0.4.3
# pragma evm-version prague
"""
@title Proxy
@license Apache-2.0
@notice Stands before one contract of the consortium: keeps its address and its state when its code changes.
@dev Rules, cited by number where they are kept:
  1. Only the consortium's contract Rules, named for good when the proxy is created, points it to other code.
  2. Code is a contract that exists. An account that only delegates to one (EIP-7702) is none: its owner could point it
     elsewhere again, with no vote. Those have 23 bytes, which no contract of the consortium's has.
  3. Every other call runs the code on the proxy's own storage. Where the code is stands in the slot of ERC-1967 (see
     Proxy.layout.json), which no variable of the code can share.
  4. What has to be done once at the creation (the founding of Members) is done in the same transaction.
"""

OUTPUT_BYTES_MAX: constant(uint256) = 17 * 1024
FOUNDING_BYTES_MAX: constant(uint256) = 32 * 1024
DELEGATION_BYTES: constant(uint256) = 23


event Upgraded:
    implementation: indexed(address)


RULES: immutable(address)

_implementation: address


@deploy
def __init__(implementation: address, rules: address, data: Bytes[FOUNDING_BYTES_MAX]):
    RULES = rules
    self._point(implementation)
    if len(data) > 0:
        raw_call(implementation, data, is_delegate_call=True)  # 4


@external
def switchCode(implementation: address):
    assert msg.sender == RULES, "NOT_RULES_CONTRACT"  # 1
    self._point(implementation)


@external
@raw_return
def __default__() -> Bytes[OUTPUT_BYTES_MAX]:
    return raw_call(self._implementation, msg.data, max_outsize=OUTPUT_BYTES_MAX, is_delegate_call=True)  # 3


@internal
def _point(implementation: address):
    assert implementation.codesize > DELEGATION_BYTES, "CODE_MISSING"  # 2
    self._implementation = implementation
    log Upgraded(implementation=implementation)
