# pragma version 0.4.3
# pragma evm-version prague
"""
@title signature
@license Apache-2.0
@notice EIP-712 messages, and whether somebody signed one. Keeps no state.
@dev Rules, cited by letter where they are kept:
  a. The domain names this chain and the contract that asks, as they are now: behind a proxy that is the proxy, and
     after a fork of the chain it is the new chain.
  b. An account without code signs with 65 bytes, r, s, v: s in the lower half (EIP-2), v 27 or 28. Nothing else is
     read, neither the compact form of EIP-2098 nor r, s, v of other lengths, so a message has one signature a key.
  c. The zero address signs nothing: it is what recovery gives when it fails.
  d. An account with code (a wallet, or a key with code of its own by EIP-7702) is asked by ERC-1271, and by nothing
     else. It can change nothing, has so much gas, and one word of its answer is read. If it reverts, runs out of
     gas or answers anything but the word of ERC-1271, the signature does not hold.
"""

SIGNATURE_BYTES_MAX: constant(uint256) = 2048  # room for 31 signers of a wallet, or a passkey's assertion
HALF_ORDER: constant(uint256) = 57896044618658097711785492504343953926418782139537452191302581570759080747168
IS_VALID_SIGNATURE: constant(bytes4) = 0x1626ba7e
ACCEPTED: constant(bytes32) = 0x1626ba7e00000000000000000000000000000000000000000000000000000000
WALLET_GAS: constant(uint256) = 500_000
DOMAIN_TYPE: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
NAME: constant(bytes32) = keccak256("Belmont")
VERSION: constant(bytes32) = keccak256("1")


@internal
@view
def digest(structHash: bytes32) -> bytes32:
    """
    @notice What is signed: the struct, bound to this chain and this contract.
    """
    domain: bytes32 = keccak256(abi_encode(DOMAIN_TYPE, NAME, VERSION, chain.id, self))  # a
    return keccak256(concat(b"\x19\x01", domain, structHash))


@internal
@view
def isSigned(signer: address, digest: bytes32, signature: Bytes[SIGNATURE_BYTES_MAX]) -> bool:
    if signer.is_contract:
        return self._isAccepted(signer, digest, signature)  # d
    return signer != empty(address) and signer == self.recover(digest, signature)  # c


@internal
@pure
def recover(digest: bytes32, signature: Bytes[SIGNATURE_BYTES_MAX]) -> address:
    """
    @notice The account without code that signed, or the zero address.
    """
    if len(signature) != 65:
        return empty(address)  # b
    r: uint256 = convert(slice(signature, 0, 32), uint256)
    s: uint256 = convert(slice(signature, 32, 32), uint256)
    v: uint256 = convert(slice(signature, 64, 1), uint256)
    if s > HALF_ORDER or (v != 27 and v != 28):
        return empty(address)  # b
    return ecrecover(digest, v, r, s)


@internal
@view
def _isAccepted(wallet: address, digest: bytes32, signature: Bytes[SIGNATURE_BYTES_MAX]) -> bool:
    success: bool = False
    answer: Bytes[32] = b""
    success, answer = raw_call(
        wallet,
        abi_encode(digest, signature, method_id=IS_VALID_SIGNATURE),
        max_outsize=32,
        gas=WALLET_GAS,
        is_static_call=True,
        revert_on_failure=False,
    )
    return success and len(answer) == 32 and convert(answer, bytes32) == ACCEPTED
