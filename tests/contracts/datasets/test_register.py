import pytest

from belmont.registry.consents.statements import ConsentState
from belmont.registry.duo import Conditions
from belmont.registry.hashes import dataset_id
from belmont.registry.types import Address, Dataset, DatasetStatus, MicroRho

HASH = b"\x11" * 32
TERMS = 1 << 4 | 1 << 46
YEAR = 365 * 24 * 3600


def register(registry, now, **changes):
    fields = {
        "name": "diabetes",
        "duo_terms": TERMS,
        "dictionary_hash": HASH,
        "sensitivity": 3,
        "categories": 6,
        "retention_until": now + YEAR,
        "rho_cap": MicroRho(7),
    }
    return registry.register_dataset(**{**fields, **changes})


@pytest.fixture
def as_holder(consortium):
    return consortium.registry.as_(consortium.holder)


def test_records_the_dataset_under_the_holder_and_the_name(consortium, as_holder):
    id_ = register(as_holder, consortium.evm.now)
    holder = Address(consortium.holder.address)
    assert id_ == dataset_id(holder, "diabetes")
    assert consortium.registry.dataset(id_) == Dataset(
        id=id_,
        holder=holder,
        name="diabetes",
        duo_terms=TERMS,
        dictionary_hash=HASH,
        sensitivity=3,
        categories=6,
        retention_until=consortium.evm.now + YEAR,
        rho_cap=MicroRho(7),
        rho_spent=MicroRho(0),
        consent_root=ConsentState().root,
        status=DatasetStatus.ACTIVE,
        versions=0,
        conditions=Conditions(TERMS),
    )
    assert [dataset.id for dataset in consortium.registry.datasets()] == [id_]


def test_announces_the_dataset(consortium, as_holder):
    id_ = register(as_holder, consortium.evm.now)
    details = {
        "dataset": id_,
        "name": "diabetes",
        "duo_terms": TERMS,
        "dictionary_hash": HASH,
        "categories": 6,
        "retention_until": consortium.evm.now + YEAR,
        "rho_cap": 7,
    }
    assert consortium.events("DatasetRegistered") == [("DatasetRegistered", consortium.holder.address, details)]


def test_two_holders_may_use_the_same_name(consortium, as_holder):
    other = register(consortium.registry.as_(consortium.other_holder), consortium.evm.now)
    assert register(as_holder, consortium.evm.now) != other


def test_a_name_is_used_once(consortium, as_holder, refused):
    id_ = register(as_holder, consortium.evm.now)
    as_holder.destroy_dataset(id_, HASH)
    with refused("NAME_TAKEN"):
        register(as_holder, consortium.evm.now)


@pytest.mark.parametrize("role", ["data_user", "auditor", "non_member"])
def test_only_a_data_holder_registers(consortium, refused, role):
    with refused("NOT_DATA_HOLDER"):
        register(consortium.registry.as_(getattr(consortium, role)), consortium.evm.now)


def test_a_removed_holder_is_refused(consortium, refused):
    consortium.remove(consortium.other_holder)
    with refused("NOT_DATA_HOLDER"):
        register(consortium.registry.as_(consortium.other_holder), consortium.evm.now)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": ""}, "NAME_MISSING"),
        ({"duo_terms": 0}, "DUO_TERMS_INVALID"),
        ({"duo_terms": 1 << 31}, "DUO_TERMS_INVALID"),
        ({"duo_terms": 1 << 63 | 1 << 4}, "DUO_TERMS_INVALID"),
        ({"dictionary_hash": bytes(32)}, "HASH_MISSING"),
        ({"categories": 0}, "CATEGORIES_INVALID"),
        ({"categories": 256}, "CATEGORIES_INVALID"),
        ({"retention_until": 1_750_000_000}, "RETENTION_INVALID"),
    ],
)
def test_an_incomplete_registration_is_refused(consortium, as_holder, refused, change, reason):
    with refused(reason):
        register(as_holder, consortium.evm.now, **change)
