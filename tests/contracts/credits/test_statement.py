"""The statement: one line for each use and each redemption, which add up to what stands on the books."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.credits.protocol import Entry
from belmont.registry.errors import RegistryArgumentError, RegistryRefused
from belmont.registry.types import ZERO_HASH, Address, UseKind


def test_each_line_says_when_who_what_and_why(books):
    evm, holder, other = books.consortium.evm, books.holder(0).address, books.holder(1).address
    books.version(0, 100)
    books.version(1, 11)
    books.use(0)
    first = Entry(evm.number, evm.now, holder, books.datasets[0], 70, 30, 0, ZERO_HASH)
    books.use(1, UseKind.QUERY)
    second = Entry(evm.number, evm.now, other, books.datasets[1], 8, 3, 0, ZERO_HASH)
    books.redeem(books.holder(0), 60, "Storage.")
    third = Entry(evm.number, evm.now, holder, ZERO_HASH, 0, 0, 60, hashlib.sha256(b"Storage.").digest())
    books.redeem(books.consortium.non_member, 2, "A council.", books.datasets[1])
    stranger, note = Address(books.consortium.non_member.address), hashlib.sha256(b"A council.").digest()
    fourth = Entry(evm.number, evm.now, stranger, books.datasets[1], 0, 0, 2, note)
    assert books.credits.entries() == [first, second, third, fourth]
    assert books.credits.entries(holder) == [first, third]
    assert books.credits.entries(other) == [second]
    assert books.credits.entries(Address(books.consortium.auditor.address)) == []


def test_what_no_account_or_dataset_can_be_is_not_asked(books):
    for registry in (books.consortium.registry.chain, books.consortium.registry.model):
        with pytest.raises(RegistryArgumentError):
            registry.credits.balance("0x1")
        with pytest.raises(RegistryArgumentError):
            registry.credits.pool(b"short")


class Bookkeeping(RuleBasedStateMachine):
    """Uses, redemptions and changes of the share in any order, on contracts and model."""

    founded = both = books_of = None

    @initialize()
    def begin(self):
        self.back = self.founded.evm.mark()
        # What the registry remembers must not outlive what is undone.
        fresh = ChainRegistry(self.founded.evm, self.founded.registry.addresses)
        consortium = replace(self.founded, registry=fresh, made=0)
        consortium.registry = self.both(consortium)
        self.books = self.books_of(consortium)
        self.model = consortium.registry.model
        self.rows = {place: self.versioned(place, 100) for place in (0, 1)}
        self.used = self.redeemed = 0

    def versioned(self, place, rows):
        self.books.version(place, rows)
        return rows

    def teardown(self):
        self.back()

    @rule(place=st.integers(0, 1), kind=st.sampled_from(UseKind))
    def use(self, place, kind):
        self.books.use(place, kind)
        self.used += self.rows[place]

    @rule(place=st.integers(0, 1), rows=st.sampled_from([1, 7, 33, 1_001]))
    def another_version(self, place, rows):
        self.rows[place] = self.versioned(place, rows)

    @rule(percent=st.sampled_from([0, 1, 33, 50, 99, 100]))
    def another_share(self, percent):
        self.books.share(percent)

    @rule(place=st.integers(0, 1), amount=st.sampled_from([1, 30, 70, 500]), pool=st.booleans())
    def redeem(self, place, amount, pool):
        dataset, holder = self.books.datasets[place], self.books.holder(place)
        credits = self.books.credits
        left = credits.pool(dataset).left if pool else credits.balance(holder.address).left
        try:
            self.books.redeem(holder, amount, dataset=dataset if pool else None)
        except RegistryRefused as refused:
            assert (refused.reason, amount > left) == ("CREDITS_EXHAUSTED", True)
        else:
            assert amount <= left
            self.redeemed += amount

    @invariant()
    def the_books_add_up(self):
        credits, books = self.books.credits, self.books
        balances = [credits.balance(books.holder(place).address) for place in (0, 1)]
        balances += [credits.pool(each) for each in books.datasets]
        assert sum(each.earned for each in balances) == self.used
        assert sum(each.redeemed for each in balances) == self.redeemed
        assert all(each.left >= 0 for each in balances)
        lines = credits.entries()
        assert sum(each.to_holder + each.to_patients for each in lines) == self.used
        assert sum(each.redeemed for each in lines) == self.redeemed
        model = self.model.credits
        assert balances == [model.balance(books.holder(place).address) for place in (0, 1)] + [
            model.pool(each) for each in books.datasets
        ]


def test_the_books_add_up_after_any_sequence(consortium, both, books_of):
    Bookkeeping.founded = consortium
    Bookkeeping.both, Bookkeeping.books_of = staticmethod(both), staticmethod(books_of)
    run_state_machine_as_test(
        Bookkeeping,
        settings=settings(
            max_examples=6,
            stateful_step_count=12,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
