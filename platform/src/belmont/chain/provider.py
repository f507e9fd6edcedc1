"""web3.py over Belmont's transport: kept connections, and Belmont's errors instead of web3's.

Importing this module imports web3 (about a second); `ChainClient` does so when it first needs a contract.
"""

from __future__ import annotations

import json
from typing import Any

from web3 import Web3
from web3._utils.encoding import Web3JsonEncoder
from web3.providers.base import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from belmont.chain.transport import JsonRpcTransport


class TransportProvider(JSONBaseProvider):
    """A web3 provider that raises `ChainUnreachable`, `ContractReverted` and `RpcRefused` itself."""

    global_ccip_read_enabled = False

    def __init__(self, transport: JsonRpcTransport, chain_id: int) -> None:
        super().__init__()
        self._transport = transport
        self._chain_id = chain_id

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """One JSON-RPC request; the chain id, which web3 asks for all the time, from memory."""
        if method == "eth_chainId":
            return {"jsonrpc": "2.0", "id": 0, "result": hex(self._chain_id)}
        plain = json.loads(json.dumps(list(params or []), cls=Web3JsonEncoder))
        return {"jsonrpc": "2.0", "id": 0, "result": self._transport.request(method, plain)}


def web3_over(transport: JsonRpcTransport, chain_id: int) -> Web3:
    """A `Web3` whose requests go through `transport`."""
    return Web3(TransportProvider(transport, chain_id))
