"""did:ethr, the DID method of Ethereum accounts (https://github.com/decentralized-identity/ethr-did-resolver).

We write ``did:ethr:0x<chain id, hex>:0x<address, lower case>`` and read nothing else, so that equal identities are
equal strings: the method's form without a chain means Ethereum's main net, and its public-key form is another account.
"""

import re

from eth_utils.address import to_checksum_address

from belmont.identity.errors import DidMalformed

DEVELOPMENT_CHAIN_ID = 1337
"""Chain id of the embedded chain: what development chains commonly use, and assigned to no public one."""

_FORM = re.compile(r"did:ethr:0x([1-9a-f][0-9a-f]{0,15}):(0x[0-9a-f]{40})", re.ASCII)


def did_of(address: str, chain_id: int) -> str:
    """The DID of an account on a chain; ``address`` may be in any case."""
    did = f"did:ethr:{chain_id:#x}:{address.lower()}"
    if chain_id < 1 or not _FORM.fullmatch(did):
        raise DidMalformed(f"no did:ethr for address {address!r} on chain {chain_id}: give 0x and 40 hex digits")
    return did


def parse_did(did: str) -> tuple[int, str]:
    """Chain id and EIP-55 address of a DID."""
    match = _FORM.fullmatch(did)
    if match is None:
        raise DidMalformed(
            f"not a DID that we read: {did[:100]!r}; write did:ethr:0x<chain id>:0x<address, lower case>"
        )
    return int(match[1], 16), str(to_checksum_address(match[2]))
