"""What only a registry on a chain has: connecting, and a chain that is not there."""

import threading

import pytest
from eth_account import Account

from belmont.chain.process import ChainProcess
from belmont.registry import verification
from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.consents.statements import ConsentState
from belmont.registry.contract_set import contract
from belmont.registry.errors import ConsortiumNotFound, RegistryRefused, RegistryUnreachable, SeveralConsortia
from belmont.registry.founding import found
from belmont.registry.types import DatasetId, MicroRho, PermitId, UseKind

CONSENT = ConsentState().root
YEAR = 365 * 24 * 3600

HASH = b"\x11" * 32


def test_connecting_finds_the_same_consortium(on_chain, chain_process):
    connected = ChainRegistry.connect(chain_process.url, on_chain.registry.addresses["Members"])
    assert connected.addresses == on_chain.registry.addresses
    assert connected.members() == on_chain.registry.members()


def test_a_chain_without_a_consortium_and_one_with_two_are_told_apart(tmp_path, founders):
    with ChainProcess.start(tmp_path) as process:
        with pytest.raises(ConsortiumNotFound):
            ChainRegistry.connect(process.url)
        first, second = found(process.url, "First", founders), found(process.url, "Second", founders)
        with pytest.raises(SeveralConsortia):
            ChainRegistry.connect(process.url)
        assert ChainRegistry.connect(process.url, second.addresses["Members"]).name == "Second"
        assert first.name == "First"


def test_a_chain_that_ends_is_unreachable_and_comes_back_with_everything(tmp_path, founders, accounts):
    with ChainProcess.start(tmp_path) as process:
        registry = found(process.url, "Consortium", founders).as_(accounts[0])
        port, head = process.port, registry.head()
        id_ = registry.register_dataset("kept", 16, HASH, 1, 1, head.timestamp + 2 * YEAR, MicroRho(1))
        process.kill()
    for read in (
        registry.head,
        registry.members,
        registry.audit_events,
        lambda: registry.dataset(id_),
        lambda: registry.view(PermitId(1), id_, UseKind.ROUND, 1),
    ):
        with pytest.raises(RegistryUnreachable, match="cannot be reached"):
            read()
    with pytest.raises(RegistryUnreachable):
        registry.freeze_dataset(id_)
    with ChainProcess.start(tmp_path, port=port):
        assert registry.dataset(id_).name == "kept"
        assert registry.head().number >= head.number
        registry.freeze_dataset(id_)


def test_nothing_at_an_address_is_unreachable_and_not_a_refusal():
    with pytest.raises(RegistryUnreachable):
        ChainRegistry.connect("http://127.0.0.1:9")


def test_contracts_that_answer_with_nothing_are_unreachable(on_chain):
    elsewhere = {name: "0x" + "11" * 20 for name in on_chain.registry.addresses}
    lost = ChainRegistry(on_chain.registry._chain, elsewhere)
    for read in (
        lambda: lost.name,
        lambda: lost.permit(PermitId(1)),
    ):
        with pytest.raises(RegistryUnreachable, match="unreadable"):
            read()
    with pytest.raises(ConsortiumNotFound):
        lost.view(PermitId(1), DatasetId(HASH), UseKind.ROUND, 1)


def test_a_list_longer_than_a_server_answers_at_once_is_read_in_parts(on_chain):
    """One data user can propose any number of studies; the others still read all of them."""
    registry = on_chain.registry
    call = (registry.addresses["Members"], contract("Members").interface.encode_call("activeCount"))
    answers = registry._chain.calls([call] * 1_001)
    assert answers == [answers[0]] * 1_001


def test_strangers_who_announce_consortia_do_not_keep_anybody_from_the_real_one(tmp_path, founders, monkeypatch):
    topic = contract("Members").interface.events["ConsortiumFounded"].topic
    announce = b"\x5f\x7f" + topic + b"\x5f\x5f\xa2"
    with ChainProcess.start(tmp_path) as process:
        registry = found(process.url, "Ours", founders)
        for _ in range(5):
            registry._chain.send(Account.create(), None, announce)
        assert ChainRegistry.connect(process.url).addresses == registry.addresses
        monkeypatch.setattr(verification, "VERIFIED_AT_MOST", 5)
        with pytest.raises(SeveralConsortia, match=r"and more\. Give members_address"):
            ChainRegistry.connect(process.url)
        assert ChainRegistry.connect(process.url, registry.addresses["Members"]).name == "Ours"


def test_two_holders_record_at_the_same_time(on_chain):
    datasets = on_chain.datasets(proven=True)
    permit = on_chain.permit(datasets)
    on_chain.registry.as_(on_chain.data_user).open_round(permit, 1, HASH, datasets)
    failures = []

    def record(holder, id_):
        try:
            on_chain.registry.as_(holder).record_use(permit, UseKind.ROUND, 1, id_, HASH, MicroRho(1), 1, CONSENT)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=record, args=each) for each in zip(on_chain.holders, datasets, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert {use.dataset_id for use in on_chain.registry.uses(permit)} == set(datasets)


def test_one_use_recorded_from_two_threads_is_charged_once(on_chain):
    datasets = on_chain.datasets(proven=True)
    permit = on_chain.permit(datasets)
    on_chain.registry.as_(on_chain.data_user).open_round(permit, 1, HASH, datasets)
    outcomes = []

    def record():
        try:
            on_chain.registry.as_(on_chain.holders[0]).record_use(
                permit, UseKind.ROUND, 1, datasets[0], HASH, MicroRho(7), 1, CONSENT
            )
            outcomes.append("recorded")
        except RegistryRefused as error:
            outcomes.append(error.reason)

    threads = [threading.Thread(target=record) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["ALREADY_SERVED", "ALREADY_SERVED", "recorded"]
    assert on_chain.registry.rho_spent(permit, datasets[0]) == 7
