# pragma version 0.4.3
# pragma evm-version prague
"""
@title Wallet
@license Apache-2.0
@notice An institution's account that several people sign for: k of n. Each institution deploys its own; it is no part
        of the consortium's contracts.
@dev Rules, cited by number where they are kept:
  1. It has 1 to 16 owners, accounts without code, in ascending order, each once; and a threshold from 1 to their number.
  2. A signature of the wallet is those of at least as many owners as the threshold, 65 bytes each, in ascending order
     of the owners, and nothing else beside them.
  3. People sign the message itself, not a hash of it under the wallet's name, so that they read what they sign. This is
     safe with messages that name who acts, as all of the consortium's do: another wallet with the same owners is
     another actor. Do not use the wallet where a message does not say so.
  4. The wallet calls what its owners signed: on this chain, for this wallet, once, up to a last second.
  5. Only the wallet itself changes its owners, or uses a number up: its owners sign that as any other call.
"""

import signature as signatures

OWNERS_MAX: constant(uint256) = 16
DATA_BYTES_MAX: constant(uint256) = 16384
IS_VALID_SIGNATURE: constant(bytes4) = 0x1626ba7e
IS_NOT: constant(bytes4) = 0xffffffff
EXECUTION: constant(bytes32) = keccak256("Execution(address to,bytes data,uint256 nonce,uint64 deadline)")


event OwnersChanged:
    owners: DynArray[address, OWNERS_MAX]
    threshold: uint256


event Executed:
    to: indexed(address)
    digest: indexed(bytes32)
    nonce: uint256


threshold: public(uint256)
_owners: DynArray[address, OWNERS_MAX]
_used: HashMap[uint256, bool]


@deploy
def __init__(owners: DynArray[address, OWNERS_MAX], threshold: uint256):
    self._setOwners(owners, threshold)


@external
@view
def isValidSignature(hash: bytes32, signature: Bytes[signatures.SIGNATURE_BYTES_MAX]) -> bytes4:
    """
    @notice ERC-1271.
    """
    if self._isSigned(hash, signature):  # 3
        return IS_VALID_SIGNATURE
    return IS_NOT


@external
def execute(
    to: address,
    data: Bytes[DATA_BYTES_MAX],
    nonce: uint256,
    deadline: uint64,
    signature: Bytes[signatures.SIGNATURE_BYTES_MAX],
):
    digest: bytes32 = signatures.digest(keccak256(abi_encode(EXECUTION, to, keccak256(data), nonce, deadline)))
    assert self._isSigned(digest, signature), "SIGNATURE_INVALID"  # 4
    assert block.timestamp <= convert(deadline, uint256), "SIGNATURE_EXPIRED"  # 4
    assert not self._used[nonce], "NONCE_USED"  # 4
    assert to.is_contract, "CONTRACT_MISSING"
    self._used[nonce] = True
    log Executed(to=to, digest=digest, nonce=nonce)
    raw_call(to, data)


@external
def changeOwners(owners: DynArray[address, OWNERS_MAX], threshold: uint256):
    assert msg.sender == self, "NOT_THE_WALLET"  # 5
    self._setOwners(owners, threshold)


@external
def cancel(nonce: uint256):
    """
    @notice Use a number up, so that what was signed with it never counts.
    """
    assert msg.sender == self, "NOT_THE_WALLET"  # 5
    assert not self._used[nonce], "NONCE_USED"
    self._used[nonce] = True


@internal
def _setOwners(owners: DynArray[address, OWNERS_MAX], threshold: uint256):
    assert threshold >= 1 and threshold <= len(owners), "THRESHOLD_INVALID"  # 1
    last: address = empty(address)
    for owner: address in owners:
        assert convert(owner, uint160) > convert(last, uint160) and not owner.is_contract, "OWNERS_INVALID"  # 1
        last = owner
    self._owners = owners
    self.threshold = threshold
    log OwnersChanged(owners=owners, threshold=threshold)


@internal
@view
def _isSigned(digest: bytes32, signature: Bytes[signatures.SIGNATURE_BYTES_MAX]) -> bool:
    count: uint256 = len(signature) // 65
    if len(signature) % 65 != 0 or count < self.threshold or count > OWNERS_MAX:
        return False  # 2
    last: address = empty(address)
    for place: uint256 in range(count, bound=OWNERS_MAX):
        signer: address = signatures.recover(digest, slice(signature, 65 * place, 65))
        if convert(signer, uint160) <= convert(last, uint160) or signer not in self._owners:
            return False  # 2
        last = signer
    return True


@external
@view
def owners() -> DynArray[address, OWNERS_MAX]:
    return self._owners
