"""The register against a naive one: whatever is attested, stated, read twice, or reopened, both give the same."""

import hashlib
import tempfile
from pathlib import Path

import numpy as np
from eth_utils import to_checksum_address
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from belmont.registry.consents.errors import AttestationRefused, StatementRefused
from belmont.registry.consents.register import ConsentRegister, Patient
from belmont.registry.consents.scope import IntendedUse, Scope
from belmont.registry.consents.statements import Statement
from belmont.registry.types import Address, DatasetId

DATASET = DatasetId(b"\x01" * 32)
PURPOSES = (1 << 31, 1 << 37)
ACCOUNTS = [Address(to_checksum_address(bytes([number]) * 20)) for number in range(1, 6)]
SCOPES = [
    None,
    Scope(PURPOSES[0], 255, 0, 100),
    Scope(sum(PURPOSES), 3, 50, 100),
    Scope(PURPOSES[1], 255, 0, 100, (ACCOUNTS[0],)),
    Scope(sum(PURPOSES), 255, 0, 60, (ACCOUNTS[0], ACCOUNTS[1])),
]
USES = [
    IntendedUse(purpose, categories, recipient, at)
    for purpose in PURPOSES
    for categories in (1, 4)
    for recipient in ACCOUNTS[:2]
    for at in (10, 55, 70, 100)
]
numbers = st.integers(0, 7)
scopes = st.sampled_from(SCOPES)


def sha(data):
    return hashlib.sha256(data).digest()


def key(number):
    return sha(b"patient %d" % number)


def both(one, other):
    """What two scopes permit both, written out."""
    if one is None or other is None:
        return None
    recipients = set(one.recipients or ACCOUNTS) & set(other.recipients or ACCOUNTS)
    named = tuple(sorted(recipients)) if one.recipients or other.recipients else ()
    purposes, categories = one.purposes & other.purposes, one.categories & other.categories
    period = max(one.valid_from, other.valid_from), min(one.valid_until, other.valid_until)
    empty = not purposes or not categories or period[0] >= period[1] or not recipients
    return None if empty else Scope(purposes, categories, *period, named)


class Naive:
    """One patient."""

    def __init__(self, number, scope, account, recorded=None):
        self.number, self.attested, self.account, self.recorded = number, scope, account, recorded
        self.own, self.sequence, self.withheld = None, 0, False

    @property
    def scope(self):
        if self.withheld:
            return None
        return self.own if self.sequence else self.attested

    @property
    def leaf(self):
        if self.account:
            text = b"belmont/consent/account/1" + bytes.fromhex(self.account[2:])
            return sha(text), self.attested.hash if self.attested else bytes(32)
        return (key(self.number), self.attested.hash) if self.attested else None


class Consents(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "consents.db"
        self.register = ConsentRegister(self.path, DATASET)
        self.patients: dict[int, Naive] = {}
        self.chain: list[Statement] = []
        self.sequences: dict[Address, int] = {}
        self.applied = 0

    def teardown(self):
        self.register.close()
        self.folder.cleanup()

    @initialize(scope=scopes)
    def begin(self, scope):
        for number in range(3):
            self.admit(number, scope, ACCOUNTS[number])

    @rule(number=numbers, scope=scopes, account=st.sampled_from([None, None, *ACCOUNTS]))
    def admit(self, number, scope, account):
        known = number in self.patients or (account and account in self.accounts())
        try:
            self.register.admit([Patient(key(number), 1000 - number, scope, account)])
            assert not known
            self.patients[number] = Naive(number, scope, account)
        except AttestationRefused:
            assert known

    @rule(changes=st.dictionaries(numbers, scopes, max_size=4))
    def attest(self, changes):
        found = {number: self.patients.get(number) for number in changes}
        fits = all(each and not (each.sequence and changes[number]) for number, each in found.items())
        try:
            self.register.attest({key(number): scope for number, scope in changes.items()})
            assert fits
            for number, each in found.items():
                each.attested, each.withheld = changes[number], bool(each.sequence)
        except AttestationRefused:
            assert not fits

    @rule(found=st.dictionaries(numbers, scopes, max_size=8))
    def record(self, found):
        """The hospital's records are read: all that they say, once more."""
        self.register.record([Patient(key(number), 1000 - number, scope) for number, scope in found.items()])
        for number in self.patients.keys() | found.keys():
            new = found.get(number)
            if number not in self.patients:
                self.patients[number] = Naive(number, new, None, new)
                continue
            patient = self.patients[number]
            if patient.recorded != new and not patient.sequence:
                by_hand = patient.attested != patient.recorded
                patient.attested = both(patient.attested, new) if by_hand else new
            patient.recorded = new

    @rule(number=numbers, account=st.sampled_from(ACCOUNTS))
    def give_account(self, number, account):
        found = self.patients.get(number)
        fits = found and not found.account and account not in self.accounts()
        try:
            self.register.give_accounts({key(number): account})
            assert fits
            found.account = account
        except AttestationRefused:
            assert not fits

    @rule(account=st.sampled_from(ACCOUNTS), scope=scopes)
    def state(self, account, scope):
        """On the chain; the register has not read it yet."""
        self.sequences[account] = self.sequences.get(account, 0) + 1
        number = len(self.chain) + 1
        self.chain.append(Statement(number, DATASET, account, self.sequences[account], scope, number // 3))

    @rule()
    def read_the_chain(self):
        new = self.chain[self.applied :]
        fits = all(each.account in self.accounts() for each in new)
        block = self.register.view().block
        try:
            self.register.take([each for each in self.chain if each.block >= block])
            assert fits
            self.apply(len(self.chain))
        except StatementRefused:
            assert not fits

    @precondition(lambda self: self.applied < len(self.chain))
    @rule(data=st.data())
    def read_part_of_the_chain(self, data):
        """From anywhere to anywhere: a gap is refused, an overlap does no harm."""
        first = data.draw(st.integers(0, len(self.chain)))
        last = data.draw(st.integers(first, len(self.chain)))
        new = self.chain[self.applied : last]
        fits = last <= self.applied or (first <= self.applied and all(each.account in self.accounts() for each in new))
        try:
            self.register.take(self.chain[first:last])
            assert fits or first == last
            if first < last:
                self.apply(last)
        except StatementRefused:
            assert not fits

    @precondition(lambda self: len(self.chain) - self.applied > 1)
    @rule(chance=st.randoms(use_true_random=False))
    def read_the_chain_out_of_order(self, chance):
        new = self.chain[self.applied :]
        shuffled = list(new)
        chance.shuffle(shuffled)
        if [each.number for each in shuffled] != [each.number for each in new]:
            try:
                self.register.take(shuffled)
                raise AssertionError("statements were applied out of order")
            except StatementRefused:
                pass

    @rule()
    def reopen(self):
        self.register.close()
        self.register = ConsentRegister(self.path, DATASET)

    @invariant()
    def the_root_is_that_of_all_that_was_attested_and_applied(self):
        entries = sorted(each.leaf for each in self.patients.values() if each.leaf)
        nodes = [sha(b"\x00" + leaf + scope) for leaf, scope in entries]
        while len(nodes) & (len(nodes) - 1) or not nodes:
            nodes.append(sha(b"\x00"))
        while len(nodes) > 1:
            nodes = [sha(b"\x01" + nodes[place] + nodes[place + 1]) for place in range(0, len(nodes), 2)]
        batch = sha(b"\x02" + len(entries).to_bytes(8, "big") + nodes[0])
        own = bytes(32)
        for each in self.chain[: self.applied]:
            scope = each.scope.hash if each.scope else bytes(32)
            own = sha(own + bytes.fromhex(each.account[2:]) + each.sequence.to_bytes(8, "big") + scope)
        view = self.register.view()
        assert (view.root, view.applied) == (sha(b"\x03" + batch + own), self.applied)

    @invariant()
    def rows_are_permitted_by_who_consents_now(self):
        rows = np.array([1000 - number for number in range(8)], np.uint64)
        view = self.register.view()
        now = [self.patients[number].scope if number in self.patients else None for number in range(8)]
        assert view.consenting(rows).tolist() == [scope is not None for scope in now]
        for use in USES:
            expected = [scope is not None and scope.permits(use) for scope in now]
            assert view.mask(rows, use).tolist() == expected
            assert view.permitted(use).tolist() == sorted(row for row, each in zip(rows, expected, strict=True) if each)

    def accounts(self):
        return {each.account for each in self.patients.values() if each.account}

    def apply(self, last):
        for each in self.chain[self.applied : last]:
            (patient,) = (found for found in self.patients.values() if found.account == each.account)
            patient.own, patient.sequence = each.scope, each.sequence
            patient.withheld = patient.withheld and each.scope is None
        self.applied = max(self.applied, last)


def test_every_sequence_of_changes_gives_what_the_naive_register_gives():
    run_state_machine_as_test(
        Consents,
        settings=settings(
            max_examples=60,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
