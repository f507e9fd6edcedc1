"""Only the permit's data user is served: the one place where a node asks who sent a message, before anything else.

1. A message without a signature of the right form is refused before the chain is asked (`belmont.federated.asked_by`).
2. The chain says who the data user of the permit is that the message names. The contracts never change it, so it is
   asked once for each permit.
3. Whoever signed is who may do the data user's routine work by the rules of the registry: the owner of its identity, or
   a delegate of type ``sigAuth``. These are who could open a round by a transaction of their own. The chain is asked
   each time: a replaced key and a delegate whose time is over are nobody. No chain, no answer.
4. A data user that is a wallet (ERC-1271) asks by a delegate: what the wallet itself signed is not looked at.
5. What comes after gets the message without the signature, and knows nothing of it.
"""

from flwr.app import Message
from flwr.app.message.message import make_message

from belmont.federated.asked_by import asker, split
from belmont.federated.errors import FederatedError, Refusal
from belmont.federated.gate.gate import chain_read
from belmont.federated.node.requests import read_use
from belmont.registry.protocol import Registry
from belmont.registry.reasons import Reason
from belmont.registry.types import Address, DatasetId, PermitId


class DataUserOnly:
    """Takes the messages to one dataset's node."""

    def __init__(self, registry: Registry, dataset_id: DatasetId) -> None:
        self._registry = registry
        self._dataset_id = dataset_id
        self._data_users: dict[PermitId, Address] = {}

    def opened(self, message: Message) -> Message:
        """The message without its signature, if its permit's data user sent it (5). Raises Refusal."""
        content, signature = split(message.content)
        if signature is None:  # 1
            raise Refusal(Reason.NOT_THE_DATA_USER, "the message has no signature of 65 bytes")
        metadata = message.metadata
        with chain_read():
            consortium = self._registry.identity
        try:
            permit_id = read_use(content).permit_id
            signer = asker(consortium, self._dataset_id, metadata.message_type, content, signature)
        except FederatedError as error:
            raise Refusal(Reason.REQUEST_MALFORMED, str(error)) from error
        with chain_read():
            data_user = self._data_user(permit_id)
            if signer is None or not self._registry.identities.works_for(data_user, signer):  # 3
                detail = f"this message to this dataset is not signed by {data_user}, nor by who works for it"
                raise Refusal(Reason.NOT_THE_DATA_USER, detail)
        return make_message(metadata=metadata, content=content)

    def _data_user(self, permit_id: PermitId) -> Address:
        """Rule 2."""
        known = self._data_users.get(permit_id)
        if known is None:
            permit = self._registry.permit(permit_id)
            if permit is None:
                raise Refusal(Reason.PERMIT_MISSING, f"there is no permit {permit_id}")
            known = self._data_users[permit_id] = permit.data_user
        return known
