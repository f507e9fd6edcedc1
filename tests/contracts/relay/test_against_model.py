"""Contracts and reference model take and refuse the same signed messages, for the same reasons, and log the same."""

from typing import Any

from eth_account import Account
from eth_utils import keccak
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from belmont.identity import messages as m
from belmont.identity.messages import short_bytes
from belmont.identity.typed_data import Domain
from belmont.registry.errors import RegistryRefused
from belmont.registry.reference import identities
from belmont.registry.types import Address

SIG_AUTH = short_bytes("sigAuth")
SPARE = [Account.from_key(keccak(f"spare {number}".encode())) for number in range(3)]
OWNER = -1

people, numbers = st.integers(0, 6), st.integers(0, 3)
signers = st.one_of(st.just(OWNER), st.just(OWNER), people)
"""Mostly who speaks for the actor then."""
steps = st.one_of(
    st.tuples(st.just("vote"), people, signers, numbers, st.booleans(), st.integers(-1, 1)),
    st.tuples(st.just("vote under conditions"), people, signers, numbers, st.booleans(), st.integers(-1, 1)),
    st.tuples(st.just("recuse"), people, signers, numbers, st.booleans(), st.integers(-1, 1)),
    st.tuples(st.just("agree"), people, signers, numbers, st.booleans(), st.integers(-1, 1)),
    st.tuples(st.just("freeze"), people, signers, numbers, st.sampled_from([0, 60]), st.integers(-1, 1)),
    st.tuples(st.just("lift"), people, signers, numbers, st.integers(0, 2), st.integers(-1, 1)),
    st.tuples(st.just("support"), people, signers, numbers, st.booleans(), st.integers(-1, 1)),
    st.tuples(st.just("pause"), people, signers, numbers, st.integers(1, 2), st.integers(-1, 1)),
    st.tuples(st.just("cancel"), people, signers, numbers),
    st.tuples(st.just("rotate"), people, signers, people, numbers),
    st.tuples(st.just("take"), people, signers, people),
    st.tuples(st.just("delegate"), people, signers, people, st.integers(0, 2)),
    st.tuples(st.just("undelegate"), people, signers, people),
)


class Pair:
    """A consortium and its model, with one study and one permit."""

    def __init__(self, consortium: Any, both: Any) -> None:
        self.evm = consortium.evm
        pair = both(consortium)
        self.chain, self.model = consortium.registry, pair.model
        for name in ("Relay", "Identities"):
            domain = Domain(self.evm.chain_id, self.chain.addresses[name])
            self.model._world.stated_domains[name] = domain
        consortium.registry = pair
        self.permit, self.study = consortium.permit(), consortium.study()
        self.proposal = pair.as_(consortium.auditor).propose_removal(Address(consortium.data_user.address))
        consortium.registry = self.chain
        self.people = [*consortium.board, consortium.data_user, *SPARE]

    def run(self, step: tuple[Any, ...]) -> None:
        what, actor, by, *rest = step
        identity = Address(self.people[actor].address)
        owner = self.model.identities.owner(identity) if by == OWNER else self.people[by].address
        signer = next(each for each in self.people if each.address == owner)
        outcomes = []
        for registry in (self.chain, self.model):
            try:
                self.write(registry, what, identity, signer, *rest)
                outcomes.append("done")
            except RegistryRefused as error:
                outcomes.append(error.reason)
        assert outcomes[0] == outcomes[1], step
        assert self.events(self.chain) == self.events(self.model), step

    def write(self, registry: Any, what: str, identity: Address, signer: Any, *rest: Any) -> None:
        match what:
            case "cancel":
                registry.as_(signer, identity).relay.cancel(rest[0])
            case "rotate":
                change = m.ChangeOwner(
                    identity=identity, new_owner=self.people[rest[0]].address, nonce=rest[1], deadline=self.evm.now
                )
                domain = registry.identities.domain
                signatures = [change.sign(each, domain).signature for each in (signer, self.people[rest[0]])]
                if registry is self.chain:
                    registry.as_(SPARE[0]).send("Identities", change.FUNCTION, *change.arguments(), *signatures)
                else:
                    self.model_change(change, domain, *signatures)
            case "take":
                registry.as_(signer, identity).identities.change_owner(Address(self.people[rest[0]].address))
            case "delegate":
                delegate = Address(self.people[rest[0]].address)
                registry.as_(signer, identity).identities.add_delegate("sigAuth", delegate, rest[1])
            case "undelegate":
                registry.as_(signer, identity).identities.revoke_delegate(
                    "sigAuth", Address(self.people[rest[0]].address)
                )
            case _:
                message = self.message(what, identity, *rest)
                registry.as_(SPARE[0]).relay.submit(message.sign(signer, registry.relay.domain))

    def model_change(self, change: Any, domain: Domain, *signatures: bytes) -> None:
        with self.model.as_(SPARE[0]).sending() as (world, _):
            identities.change_signed(world, domain, change, *signatures)

    def message(self, what: str, actor: str, nonce: int, value: Any, late: int) -> m.Statement:
        about = {"actor": actor, "nonce": nonce, "deadline": self.evm.now + late}
        match what:
            case "vote":
                return m.Vote(study=self.study, approve=value, **about)
            case "vote under conditions":
                return m.Vote(study=self.study, approve=value, conditions_hash=b"\x33" * 32, **about)
            case "recuse":
                return m.Recusal(study=self.study, **about)
            case "agree":
                # Set by the member of the board who is the first to vote, if anybody did.
                its = self.model.study(self.study)
                return m.Agreement(study=self.study, conditions=its.conditions if value else bytes(32), **about)
            case "freeze":
                return m.Freeze(permit=self.permit, duration=value, **about)
            case "lift":
                return m.Lift(permit=self.permit, freeze=value, **about)
            case "support":
                return m.MemberSupport(proposal=self.proposal + (not value), **about)
            case _:
                return m.Pause(pause=value, **about)

    def events(self, registry: Any) -> list[tuple[Any, ...]]:
        """All but the block of the change before: the two count blocks from different beginnings."""
        found = []
        for event in registry.audit_events():
            details = {name: value for name, value in event.details.items() if name != "previous_change"}
            found.append((event.contract, event.name, event.actor, details))
        return [each for each in found if each[1] in SEEN]


SEEN = {
    "VoteCast", "Recused", "ConditionsAgreed", "StudyApproved", "StudyRefused", "PermitFrozen", "LiftSupported",
    "FreezeLifted", "ProposalSupported", "PauseSupported", "MessageRelayed", "NonceCancelled", "NonceUsed",
    "DIDOwnerChanged", "DIDDelegateChanged",
}  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(todo=st.lists(steps, min_size=4, max_size=14))
def test_contracts_and_model_agree_on_signed_messages(consortium, both, todo):
    back = consortium.evm.mark()
    try:
        pair = Pair(consortium, both)
        for step in todo:
            pair.run(step)
    finally:
        back()
