# pragma version 0.4.3
"""
@title A proxy (ERC-1967) that anybody switches, for the tests of the light client
"""

_implementation: address


@deploy
def __init__(implementation: address):
    self._implementation = implementation


@external
def switchCode(implementation: address):
    self._implementation = implementation


@external
@raw_return
def __default__() -> Bytes[1024]:
    return raw_call(self._implementation, msg.data, max_outsize=1024, is_delegate_call=True)
