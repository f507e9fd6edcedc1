"""A row of a use is a credit: the patients' share is rounded down, the rest is the holder's, and nothing is lost."""

from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from belmont.registry.contract_set import contract
from belmont.registry.credits.protocol import Balance
from belmont.registry.types import UseKind

HASH = b"\x11" * 32


def test_nobody_has_any_at_first(books):
    assert books.credits.balance(books.holder(0).address) == Balance()
    assert books.credits.pool(books.datasets[0]) == Balance()
    assert books.credits.entries() == []


@pytest.mark.parametrize("name", ["Rules", "Datasets", "Permits", "Proofs", "Credits", "Relay", "Members", "holder"])
def test_nothing_but_the_contract_uses_credits(books, refused, name):
    consortium = books.consortium
    addresses = {**consortium.registry.addresses, "holder": consortium.holder.address}
    somebody = SimpleNamespace(address=addresses[name])
    with refused("NOT_USES_CONTRACT"):
        consortium.call(somebody, "Credits", "credit", books.datasets[0], consortium.holder.address, 100)


@pytest.mark.parametrize(
    ("rows", "percent", "patients"),
    [
        (1, 30, 0),
        (3, 30, 0),
        (4, 30, 1),
        (99, 30, 29),
        (101, 30, 30),
        (7, 50, 3),
        (101, 99, 99),
        (1, 99, 0),
        (33, 1, 0),
    ],
)
def test_the_patients_share_is_rounded_down(books, rows, percent, patients):
    books.version(0, rows)
    if percent != 30:
        books.share(percent)
    books.use(0)
    assert books.credits.pool(books.datasets[0]) == Balance(patients)
    assert books.credits.balance(books.holder(0).address) == Balance(rows - patients)


@pytest.mark.parametrize("percent", [0, 100])
@pytest.mark.parametrize("rows", [1, 101])
def test_all_or_nothing_goes_to_the_patients(books, percent, rows):
    books.version(0, rows)
    books.share(percent)
    books.use(0)
    assert books.credits.pool(books.datasets[0]).earned == (rows if percent else 0)
    assert books.credits.balance(books.holder(0).address).earned == (0 if percent else rows)


def test_queries_count_as_rounds_do_and_the_newest_version_counts(books):
    books.version(0, 10)
    books.use(0, UseKind.QUERY)
    books.version(0, 1001)
    books.use(0, UseKind.ROUND)
    assert books.credits.pool(books.datasets[0]) == Balance(3 + 300)
    assert books.credits.balance(books.holder(0).address) == Balance(7 + 701)


def test_announces_what_it_brought(books):
    books.version(1, 11)
    books.use(1)
    details = {"dataset": books.datasets[1], "to_holder": 8, "to_patients": 3}
    assert books.consortium.events("Credited") == [("Credited", books.holder(1).address, details)]


def test_a_use_that_is_refused_brings_nothing(books, refused):
    books.version(0, 10)
    books.use(0)
    as_holder = books.consortium.registry.as_(books.holder(0))
    root = books.consortium.registry.dataset(books.datasets[0]).consent_root
    with refused("ALREADY_SERVED"):
        as_holder.record_use(books.permit, UseKind.ROUND, 1, books.datasets[0], HASH, 1, 1, root)
    books.consortium.round(books.permit, 2)
    with refused("VERSION_STALE"):
        as_holder.record_use(books.permit, UseKind.ROUND, 2, books.datasets[0], HASH, 1, 7, root)
    assert len(books.credits.entries()) == 1


def test_each_dataset_has_a_pool_of_its_own_and_a_holder_one_balance(books):
    """The first holder has a second dataset under another permit."""
    consortium, (first, second) = books.consortium, books.datasets
    books.version(0, 10)
    books.use(0)
    books.version(1, 20)
    books.use(1)
    third = consortium.dataset(versions=0)
    books.datasets = (third, second)
    books.permit = consortium.permit(books.datasets, min_cohort=1)
    books.version(0, 100)
    books.use(0)
    assert [books.credits.pool(each).earned for each in (first, second, third)] == [3, 6, 30]
    assert [books.credits.balance(books.holder(place).address).earned for place in (0, 1)] == [77, 14]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=st.lists(st.integers(1, 2**40), min_size=1, max_size=4), percent=st.integers(0, 100))
def test_nothing_is_lost_whatever_the_rows_and_the_share(consortium, rows, percent):
    """The contract alone, called as Uses calls it, under any share."""
    back = consortium.evm.mark()
    try:
        settings_of = consortium.registry.as_(consortium.auditor).rules
        proposal = settings_of.propose_rule(8, percent)
        for member in consortium.board:
            consortium.registry.as_(member).rules.support(proposal)
        consortium.evm.now = settings_of.proposal(proposal).enactable_at
        settings_of.enact(proposal)
        uses, holder = SimpleNamespace(address=consortium.registry.addresses["Uses"]), consortium.holder.address
        patients = 0
        for each in rows:
            consortium.call(uses, "Credits", "credit", HASH, holder, each)
            patients += each * percent // 100
        credits = consortium.registry.credits
        assert credits.pool(HASH).earned == patients
        assert credits.balance(holder).earned + patients == sum(rows)
    finally:
        back()


def test_the_interface_has_no_way_to_send_credits():
    writing = {
        each["name"]
        for each in contract("Credits").compiled.abi
        if each["type"] == "function" and each["stateMutability"] in ("nonpayable", "payable")
    }
    assert writing == {"credit", "redeem"}
