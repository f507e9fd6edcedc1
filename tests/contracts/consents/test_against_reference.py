"""Every sequence of batches, enrolments and statements has the same effect on the contract and on the model."""

from types import SimpleNamespace

from eth_utils import to_checksum_address
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from belmont.registry.consents.scope import Scope
from belmont.registry.consents.statements import account_key
from belmont.registry.consents.tree import EMPTY_BATCH, Absence, Batch, ConsentTree, Leaf, Membership
from belmont.registry.errors import RegistryRefused
from belmont.registry.types import Address, MicroRho

HASH = b"\x11" * 32
YEAR = 365 * 24 * 3600
PATIENTS = [SimpleNamespace(address=to_checksum_address(bytes([number]) * 20)) for number in range(0xA1, 0xA5)]
ACCOUNTS = sorted(Address(each.address) for each in PATIENTS)
SCOPES = [
    Scope(1 << 37, 1, 0, 10),
    Scope(1 << 31 | 1 << 37, 255, 5, 2**64 - 1, tuple(ACCOUNTS[:2])),
    Scope(0, 1, 0, 10),
    Scope(1 << 37, 256, 0, 10),
    Scope(1 << 37, 1, 10, 10),
    Scope(1 << 37, 1, 0, 10, tuple(reversed(ACCOUNTS))),
]
patients, places = st.sampled_from([*PATIENTS[:1] * 3, *PATIENTS]), st.sampled_from([0, 0, 0, 1, 1, 1, 2])
sequences = st.sampled_from([None, None, None, 0, 1, 2])


class SideBySide(RuleBasedStateMachine):
    consortium = both = None

    @initialize()
    def register_datasets(self):
        self.evm = self.consortium.evm
        self.back = self.evm.mark()
        made = self.both(self.consortium)
        self.chain, self.model = made.chain, made.model
        self.holders = (self.consortium.holder, self.consortium.other_holder)
        self.datasets = [
            made.as_(holder).register_dataset("a", 1 << 4, HASH, 1, 1, self.evm.now + 2 * YEAR, MicroRho(1))
            for holder in self.holders
        ]
        self.datasets.append(HASH)
        self.trees = [ConsentTree([])] * 3
        for place in (0, 1):
            self.publish(place, {0, 1, 2}, 0)
            shown = self.trees[place].membership(account_key(PATIENTS[0].address))
            self.write(PATIENTS[1], "enrol", self.datasets[place], PATIENTS[0].address, shown)

    def teardown(self):
        if hasattr(self, "back"):
            self.back()

    def write(self, account, method, *args, actor=None):
        """The same on both; the same result or the same refusal."""
        self.evm.now += 1
        self.model.clock.advance(self.evm.now - self.model.clock(), heartbeat=False)
        outcomes = []
        for registry in (self.chain, self.model):
            try:
                bound = registry.as_(account, Address(actor.address) if actor else None).consents
                outcomes.append(("done", getattr(bound, method)(*args)))
            except RegistryRefused as error:
                outcomes.append(("refused", error.reason))
        assert outcomes[0] == outcomes[1], (method, args)
        return outcomes[0]

    @rule(place=places, members=st.sets(st.integers(0, 3)), by=st.sampled_from([0, 0, 0, 1, 2]))
    def publish(self, place, members, by):
        leaves = [(account_key(each.address), HASH) for number, each in enumerate(PATIENTS) if number in members]
        tree = ConsentTree([*leaves, (HASH, bytes(32))] if len(members) % 2 else leaves)
        somebody = (self.holders[place % 2], self.holders[1 - place % 2], PATIENTS[0])[by]
        if self.write(somebody, "publish_batch", self.datasets[place], tree.batch)[0] == "done":
            self.trees[place] = tree

    @rule(batch=st.sampled_from([Batch(HASH, 0), Batch(EMPTY_BATCH.root, 3), Batch(bytes(32), 1), Batch(HASH, 2**33)]))
    def publish_what_is_no_batch(self, batch):
        assert self.write(self.holders[0], "publish_batch", self.datasets[0], batch)[0] == "refused"

    @rule(place=places, of=places, patient=patients, other=patients)
    def enrol(self, place, of, patient, other):
        """With the path of this batch or another one's, of this patient or another one."""
        shown = Membership(1, Leaf(HASH, HASH, 0, ()))
        if account_key(other.address) in self.trees[of]:
            shown = self.trees[of].membership(account_key(other.address))
        outcome = self.write(other, "enrol", self.datasets[place], patient.address, shown)
        assert outcome[0] == "refused" or patient is other

    @rule(
        place=places,
        stated=st.lists(st.tuples(st.sampled_from(PATIENTS), st.sampled_from([None, *SCOPES])), max_size=5),
    )
    def state_several(self, place, stated):
        """Whoever is in is enrolled first; each gives the next sequence."""
        for patient, scope in stated:
            key, id_ = account_key(patient.address), self.datasets[place]
            if key in self.trees[place] and self.chain.consents.own(id_, patient.address) is None:
                self.write(PATIENTS[0], "enrol", id_, patient.address, self.trees[place].membership(key))
            sequence = self.sequence(place, patient, None)
            self.write(patient, *(("grant", id_, scope, sequence) if scope else ("revoke", id_, sequence)))

    @rule(place=places, patient=patients, scope=st.sampled_from([*SCOPES[:2] * 3, *SCOPES]), sequence=sequences)
    def grant(self, place, patient, scope, sequence):
        self.write(patient, "grant", self.datasets[place], scope, self.sequence(place, patient, sequence))

    @rule(place=places, patient=patients, sequence=sequences)
    def revoke(self, place, patient, sequence):
        self.write(patient, "revoke", self.datasets[place], self.sequence(place, patient, sequence))

    @rule(place=places, patient=patients, somebody=st.sampled_from([*PATIENTS, None]))
    def state_for_somebody_else(self, place, patient, somebody):
        account = somebody or self.holders[0]
        outcome = self.write(
            account, "revoke", self.datasets[place], self.sequence(place, patient, None), actor=patient
        )
        assert outcome[0] == "refused" or account is patient

    def sequence(self, place, patient, given):
        own = self.chain.consents.own(self.datasets[place], patient.address)
        return given if given is not None else (own.sequence if own else 0) + 1

    @invariant()
    def both_give_the_same(self):
        for id_, tree in zip(self.datasets, self.trees, strict=True):
            reads = [self.chain.consents, self.model.consents]
            states = [each.state(id_) for each in reads]
            assert states[0] == states[1]
            assert states[0].root == reads[0].root(id_) == reads[1].root(id_)
            assert Batch(states[0].batch_root, states[0].batch_count) == tree.batch
            told = [[(s.number, s.account, s.sequence, s.scope) for s in each.statements(id_)] for each in reads]
            assert told[0] == told[1]
            for patient in PATIENTS:
                owns = [each.own(id_, patient.address) for each in reads]
                assert owns[0] == owns[1]
                key = account_key(patient.address)
                shown = tree.membership(key) if key in tree else tree.absence(key)
                if isinstance(shown, Absence):
                    assert all(each.is_absent(id_, key, shown) for each in reads)
                else:
                    assert all(each.is_member(id_, shown) for each in reads)


def test_every_sequence_of_writes_has_the_same_effect_on_both(consortium, both):
    SideBySide.consortium, SideBySide.both = consortium, staticmethod(both)
    run_state_machine_as_test(
        SideBySide,
        settings=settings(
            max_examples=10,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
