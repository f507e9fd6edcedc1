"""Handing what people signed to the contracts.

1. The service signs nothing for anybody. The transaction is sent by an account that is made for it and forgotten, at
   the gas price of zero that the consortium's chain takes; whoever distrusts this service relays elsewhere.
2. It relays for whoever is signed in: a member what any member signed, everybody else what they signed themselves.
3. Where a member enrolled a hardware key, what stops a permit or the consortium is relayed only after it was touched
   for this very message (``steps``).
4. What the contract refuses uses nothing up, and its word is the answer's code.
"""

from collections.abc import Callable
from dataclasses import dataclass

from eth_account import Account as EthAccount

from belmont.identity.errors import IdentityError
from belmont.identity.messages import Statement
from belmont.identity.signed_message import SignedMessage
from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.types import Address
from belmont.service.access.visitor import Visitor
from belmont.service.errors import Malformed, NotAllowed, of_message

Step = Callable[[Visitor, SignedMessage], None]
"""Raises NotAllowed where something has to happen first."""


@dataclass(frozen=True)
class Taken:
    """What a contract took."""

    kind: str
    says: str
    actor: Address
    digest: bytes


class Relaying:
    """Relays for the visitors of one service."""

    def __init__(self, registry: ChainRegistry, steps: tuple[Step, ...] = ()) -> None:
        self._registry = registry
        self._steps = steps

    def anybody(self) -> ChainRegistry:
        """The registry, writing as an account that is made for one transaction and forgotten (1)."""
        return self._registry.as_(EthAccount.create())

    def submit(self, signed: SignedMessage, visitor: Visitor) -> Taken:
        """Have the contract act on a message that ``read`` took. Raises Malformed, NotAllowed, RegistryError."""
        message = signed.message
        if not isinstance(message, Statement):
            raise Malformed(f"A {type(message).__name__} is not relayed here: use belmont relay.", code="NOT_RELAYED")
        if visitor.member is None and message.actor != visitor.account:
            raise NotAllowed("Only members relay what somebody else signed.", code="NOT_YOURS")  # 2
        for step in self._steps:
            step(visitor, signed)  # 3
        self.anybody().relay.submit(signed)
        return Taken(type(message).__name__, message.sentence(), Address(message.actor), signed.digest)

    def read(self, content: bytes) -> SignedMessage:
        """A signed message of this consortium's, from its file. Raises Malformed."""
        try:
            signed = SignedMessage.from_json(content)
        except IdentityError as error:
            raise of_message(error) from error
        if signed.domain != self._registry.relay.domain:
            raise Malformed("This message is for another consortium.", code="OTHER_CONSORTIUM")
        return signed
