"""Who may act for whom, as the story of a consortium tells it.

1. An identity's own account speaks for it until it names another; an owner that was replaced never does again.
2. A delegate of type sigAuth does the routine writes while it is valid, and nothing else; a change of owner ends it.
"""

from belmont.registry.types import Address, AuditEvent

SIG_AUTH = b"sigAuth".ljust(32, b"\0")
ROUTINE = {
    "open_round", "open_query", "close_round", "record_use", "publish_total", "add_version", "consents.publish_batch",
}  # fmt: skip
ANYBODYS = {
    "tally_proposal", "tally", "issue", "tally_lift", "tally_revoke", "register_tables", "prove_version",
    "rules.tally", "rules.enact", "rules.tally_pause", "rules.tally_resume", "consents.enrol",
    "releases.tally_confirm", "releases.settle",
}  # fmt: skip
"""Writes that act for nobody."""


class Keys:
    """Owners and delegates of every identity."""

    def __init__(self) -> None:
        self.owners: dict[Address, Address] = {}
        self.replaced: set[tuple[Address, Address]] = set()
        self.valid_to: dict[tuple[Address, Address], int] = {}

    def tell(self, event: AuditEvent) -> None:
        its = event.details
        if event.name == "DIDOwnerChanged":
            identity = its["identity"]
            assert (identity, its["owner"]) not in self.replaced  # 1
            self.replaced.add((identity, self.owner(identity)))
            self.owners[identity] = its["owner"]
            self.valid_to = {key: until for key, until in self.valid_to.items() if key[0] != identity}  # 2
        elif event.name == "DIDDelegateChanged" and its["delegate_type"] == SIG_AUTH:
            self.valid_to[its["identity"], its["delegate"]] = its["valid_to"]

    def owner(self, identity: Address) -> Address:
        return self.owners.get(identity, identity)

    def may(self, identity: Address, sender: Address, write: str, now: int) -> bool:
        if write in ANYBODYS or sender == self.owner(identity):
            return True  # 1
        return write in ROUTINE and now < self.valid_to.get((identity, sender), 0)  # 2
