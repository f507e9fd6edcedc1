"""Batches and statements on the simulated registry and on the embedded chain, and a register that follows them."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from eth_account import Account

from belmont.registry.consents.protocol import Consents
from belmont.registry.consents.register import ConsentRegister, Patient
from belmont.registry.consents.scope import IntendedUse, Scope
from belmont.registry.consents.statements import ConsentState, account_key
from belmont.registry.errors import RegistryArgumentError, RegistryUnreachable
from belmont.registry.types import MicroRho

SCOPE = Scope(1 << 37, 3, 0, 1 << 40)
ROWS = np.arange(1, 4, dtype=np.uint64)


@pytest.fixture
def patient():
    return Account.from_key(hashlib.sha256(b"a patient").digest())


@pytest.fixture
def dataset(any_world, request):
    """A dataset of its own for each test, with no version yet."""
    name = hashlib.sha256(request.node.name.encode()).hexdigest()
    until = any_world.now() + 2 * 365 * 24 * 3600
    return any_world.registry.as_(any_world.holders[0]).register_dataset(
        name, 1 << 4, bytes([7]) * 32, 1, 255, until, MicroRho(1)
    )


@pytest.fixture
def register(dataset, tmp_path, patient):
    with ConsentRegister(tmp_path / "consents.db", dataset) as found:
        found.admit(
            [Patient(bytes([n]) * 32, n, SCOPE) for n in (1, 2)] + [Patient(bytes([3]) * 32, 3, SCOPE, patient.address)]
        )
        yield found


def test_both_are_consents(any_world):
    assert isinstance(any_world.registry.consents, Consents)


def test_a_register_follows_batches_and_statements(any_world, dataset, register, patient):
    registry, use = any_world.registry, IntendedUse(1 << 37, 1, any_world.data_user.address, any_world.now())
    as_holder, as_patient = registry.as_(any_world.holders[0]).consents, registry.as_(patient).consents
    assert registry.consents.state(dataset) == ConsentState()

    as_holder.publish_batch(dataset, register.view().batch)
    assert registry.dataset(dataset).consent_root == registry.consents.root(dataset) == register.view().root
    assert register.view().mask(ROWS, use).all()

    shown = register.tree().membership(account_key(patient.address))
    assert registry.consents.is_member(dataset, shown)
    registry.as_(any_world.non_member).consents.enrol(dataset, patient.address, shown)
    assert registry.consents.own(dataset, patient.address).sequence == 0
    assert registry.consents.root(dataset) == register.view().root

    as_patient.grant(dataset, replace(SCOPE, purposes=1 << 31), 1)
    assert registry.dataset(dataset).consent_root != register.view().root
    register.take(registry.consents.statements(dataset, register.view().block))
    assert registry.dataset(dataset).consent_root == register.view().root
    assert register.view().mask(ROWS, use).tolist() == [True, True, False]

    as_patient.revoke(dataset, 2)
    since = registry.consents.statements(dataset, register.view().block)
    assert [each.number for each in since] == [1, 2]
    assert [each.number for each in registry.consents.statements(dataset, register.view().block + 1)] == [2]
    register.take(since)
    as_holder.publish_batch(dataset, register.attest({bytes([1]) * 32: None}))
    assert registry.consents.root(dataset) == register.view().root
    assert register.view().mask(ROWS, use).tolist() == [False, True, False]
    gone = bytes([1]) * 32
    assert registry.consents.is_absent(dataset, gone, register.tree().absence(gone))


def test_a_version_is_added_at_the_current_root_only(any_world, dataset, register, refused):
    as_holder = any_world.registry.as_(any_world.holders[0])
    older = any_world.registry.consents.root(dataset)
    as_holder.consents.publish_batch(dataset, register.view().batch)
    with refused("CONSENT_STALE"):
        as_holder.add_version(dataset, b"cid", 10, bytes([5]) * 32, older)
    assert as_holder.add_version(dataset, b"cid", 10, bytes([5]) * 32, register.view().root) == 1


def test_statements_of_a_stranger_and_replays_are_refused(any_world, dataset, register, patient, refused):
    as_patient = any_world.registry.as_(patient).consents
    with refused("NOT_ENROLLED"):
        as_patient.revoke(dataset, 1)
    any_world.registry.as_(any_world.holders[0]).consents.publish_batch(dataset, register.view().batch)
    shown = register.tree().membership(account_key(patient.address))
    any_world.registry.as_(patient).consents.enrol(dataset, patient.address, shown)
    as_patient.revoke(dataset, 1)
    with refused("SEQUENCE_NOT_NEWER"):
        as_patient.revoke(dataset, 1)
    with refused("NOT_THE_ACTOR"):
        any_world.registry.as_(any_world.non_member, patient.address).consents.revoke(dataset, 2)


@pytest.mark.parametrize(
    "write",
    [
        lambda consents: consents.revoke(b"short", 1),
        lambda consents: consents.revoke(bytes(32), 2**64),
        lambda consents: consents.grant(bytes(32), Scope(-1, 1, 0, 1), 1),
        lambda consents: consents.grant(bytes(32), Scope(1, 1, 0, 1, ("nobody",)), 1),
        lambda consents: consents.statements("dataset"),
        lambda consents: consents.own(bytes(32), "nobody"),
    ],
)
def test_what_fits_into_no_record_is_refused_before_anything_is_sent(any_world, write):
    with pytest.raises(RegistryArgumentError):
        write(any_world.registry.as_(any_world.non_member).consents)


def test_a_chain_that_does_not_answer_gives_no_root(simulated):
    simulated.registry.set_reachable(False)
    try:
        with pytest.raises(RegistryUnreachable):
            simulated.registry.consents.state(bytes(32))
    finally:
        simulated.registry.set_reachable(True)
