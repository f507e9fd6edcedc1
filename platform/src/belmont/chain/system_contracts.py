"""The system contracts that Prague demands, as the EIPs give them.

- EIP-7002 withdrawal requests and EIP-7251 consolidation requests: deployed at genesis, for a Prague block is invalid
  without their code.
- EIP-4788 beacon roots: not deployed, which makes its call a no-op by the EIP. There is no beacon chain; the root is
  always zero.
- EIP-2935 block hash history: not deployed, a no-op likewise. So an idle heartbeat block changes no state and costs
  its header only. BLOCKHASH serves the last 256 hashes.
- EIP-6110 deposits: no key of this chain can put a contract at the deposit contract's address.

No account ever holds wei on this chain, and both queues ask for a fee of at least one, so the queues stay empty and
`requestsHash` is always SHA-256 of nothing; it is still computed by running the contracts.

The EIPs deploy them by a transaction whose signature was chosen; a test recovers that sender from these very bytes and
finds the address, so a wrong byte cannot hide.
"""

from __future__ import annotations

from typing import Final

WITHDRAWAL_REQUESTS_CODE: Final = bytes.fromhex(
    "3373fffffffffffffffffffffffffffffffffffffffe1460cb5760115f54807fffffffffffffffffffffffffffffffffffffffffffffffff"
    "ffffffffffffffff146101f457600182026001905f5b5f82111560685781019083028483029004916001019190604d565b9093900492505050"
    "36603814608857366101f457346101f4575f5260205ff35b34106101f457600154600101600155600354806003026004013381556001015f35"
    "815560010160203590553360601b5f5260385f601437604c5fa0600101600355005b6003546002548082038060101160df575060105b5f5b81"
    "81146101835782810160030260040181604c02815460601b8152601401816001015481526020019060020154807fffffffffffffffffffffff"
    "ffffffffff00000000000000000000000000000000168252906010019060401c908160381c81600701538160301c81600601538160281c8160"
    "0501538160201c81600401538160181c81600301538160101c81600201538160081c81600101535360010160e1565b91018092146101955790"
    "6002556101a0565b90505f6002555f6003555b5f54807fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff1415"
    "6101cd57505f5b6001546002828201116101e25750505f6101e8565b01600290035b5f555f600155604c025ff35b5f5ffd"
)

CONSOLIDATION_REQUESTS_CODE: Final = bytes.fromhex(
    "3373fffffffffffffffffffffffffffffffffffffffe1460d35760115f54807fffffffffffffffffffffffffffffffffffffffffffffffff"
    "ffffffffffffffff1461019a57600182026001905f5b5f82111560685781019083028483029004916001019190604d565b9093900492505050"
    "366060146088573661019a573461019a575f5260205ff35b341061019a57600154600101600155600354806004026004013381556001015f35"
    "8155600101602035815560010160403590553360601b5f5260605f60143760745fa0600101600355005b600354600254808203806002116"
    "0e7575060025b5f5b8181146101295782810160040260040181607402815460601b815260140181600101548152602001816002015481526020"
    "019060030154905260010160e9565b910180921461013b5790600255610146565b90505f6002555f6003555b5f54807fffffffffffffffffff"
    "ffffffffffffffffffffffffffffffffffffffffffffff141561017357505f5b6001546001828201116101885750505f61018e565b01600190"
    "035b5f555f6001556074025ff35b5f5ffd"
)
