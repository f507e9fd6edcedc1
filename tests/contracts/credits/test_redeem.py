from types import SimpleNamespace

import pytest

from belmont.registry.credits.protocol import Balance

HASH = b"\x11" * 32


@pytest.fixture
def earned(books):
    """70 credits of the first holder, 30 of the patients of its dataset."""
    books.version(0, 100)
    books.use(0)
    return books


@pytest.mark.parametrize("name", ["Uses", "Credits", "Members", "Permits", "Relay", "holder"])
def test_nothing_but_the_contract_rules_redeems(earned, refused, name):
    consortium = earned.consortium
    addresses = {**consortium.registry.addresses, "holder": consortium.holder.address}
    somebody = SimpleNamespace(address=addresses[name])
    for dataset in (bytes(32), earned.datasets[0]):
        with refused("NOT_RULES_CONTRACT"):
            consortium.call(somebody, "Credits", "redeem", consortium.holder.address, dataset, 1, HASH)


def test_what_is_redeemed_stays_on_the_statement_and_is_not_earned_again(earned):
    earned.redeem(earned.holder(0), 20)
    earned.redeem(earned.holder(0), 50)
    balance = earned.credits.balance(earned.holder(0).address)
    assert (balance, balance.left) == (Balance(70, 70), 0)
    earned.use(0)
    assert earned.credits.balance(earned.holder(0).address).left == 70


def test_the_pool_and_the_holders_balance_are_two(earned, refused):
    earned.redeem(earned.holder(0), 30, dataset=earned.datasets[0])
    assert earned.credits.balance(earned.holder(0).address) == Balance(70, 0)
    with refused("CREDITS_EXHAUSTED"):
        earned.redeem(earned.holder(0), 1, dataset=earned.datasets[0])
    earned.redeem(earned.holder(0), 70)


def test_a_dataset_that_nobody_used_has_nothing_to_redeem(earned, refused):
    for dataset in (earned.datasets[1], HASH):
        with refused("CREDITS_EXHAUSTED"):
            earned.redeem(earned.holder(0), 1, dataset=dataset)


def test_credits_outlast_membership(earned):
    """Whoever left is still owed what it contributed."""
    earned.consortium.remove(earned.consortium.holder)
    earned.redeem(earned.holder(0), 70)
    assert earned.credits.balance(earned.holder(0).address) == Balance(70, 70)
