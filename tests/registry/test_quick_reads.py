"""Views of every contract and writes of members, in the state of a consortium: quick calls and py-evm agree on them."""

from itertools import product
from types import SimpleNamespace

import pytest
from eth_utils import to_canonical_address
from tests.contracts.abi_values import zero
from tests.registry.conftest import world

from belmont.chain import calls
from belmont.chain.calls import Call, execute
from belmont.chain.engine import BLOCK_GAS_SPENDABLE, Engine
from belmont.chain.limits import TimeLimit
from belmont.chain.process import ChainProcess
from belmont.chain.transactions import admit, intrinsic_gas
from belmont.registry.contract_set import NAMES, contract
from belmont.registry.founding import found
from belmont.registry.types import MicroRho, UseKind

HASH = b"\x11" * 32
VIEWS = [
    (name, entry["name"])
    for name in NAMES
    for entry in contract(name).compiled.abi
    if entry["type"] == "function" and entry["stateMutability"] in ("view", "pure")
]
READ_BY_A_NODE = {
    ("Uses", "nodeView"), ("Uses", "roundState"), ("Uses", "opened"), ("Studies", "terms"), ("Studies", "declared"),
    ("Studies", "dataUser"), ("Datasets", "dataset"), ("Datasets", "conditions"), ("Datasets", "version"),
    ("Consents", "root"), ("Permits", "permit"), ("Permits", "covered"), ("Members", "member"),
}  # fmt: skip
WRITTEN_IN_A_ROUND = {("Uses", "openRound"), ("Uses", "recordUse"), ("Uses", "closeRound")}


@pytest.fixture(scope="module")
def stage(tmp_path_factory, founders, accounts, shelf):
    """A consortium with datasets, a permit and a round that was answered, on the engine itself."""
    directory = tmp_path_factory.mktemp("quick reads")
    with ChainProcess.start(directory) as process:
        registry = found(process.url, "Consortium", founders)
        its = world(registry, accounts, lambda: registry.head().timestamp, lambda seconds: None, shelf)
        datasets = its.datasets(proven=True)
        permit = its.permit(datasets)
        registry.as_(its.data_user).open_round(permit, 1, HASH, datasets)
        for holder, dataset in zip(its.holders, datasets, strict=True):
            root = registry.consents.root(dataset)
            registry.as_(holder).record_use(permit, UseKind.ROUND, 1, dataset, HASH, MicroRho(1), 1, root)
        registry.as_(its.data_user).close_round(permit, 1)
    engine = Engine.open(directory)
    yield SimpleNamespace(engine=engine, registry=registry, datasets=datasets, permit=permit, founders=founders)
    engine.close()


def arguments(stage, kinds):
    """What these types are called with: what is there, what is not, and nothing."""
    known = {
        "bytes32": [stage.datasets[0], HASH],
        "address": [stage.founders[0].address, stage.founders[2].address],
        "uint64": [stage.permit, 7],
        "uint8": [int(UseKind.ROUND), 2],
    }
    given = [[*known.get(kind, []), zero(kind)] for kind in kinds]
    return list(product(*given))[:24]


@pytest.mark.parametrize("view", VIEWS, ids=".".join)
def test_a_view_gives_what_py_evm_gives(stage, view, monkeypatch):
    name, function = view
    interface, engine = contract(name).interface, stage.engine
    target = to_canonical_address(stage.registry.addresses[name])
    answered = 0
    for given in arguments(stage, interface.functions[function].input_types):
        call = Call(to=target, data=interface.encode_call(function, *given))
        header = engine.head.header
        run = engine.run(header, TimeLimit(5))
        answered += calls.quick(run, call.sender, target, call.data, call.gas - intrinsic_gas(call.data)) is not None
        quick = execute(engine, header, call)
        with monkeypatch.context() as patch:
            patch.setattr(calls, "quick", lambda *_: None)
            assert execute(engine, header, call) == quick
    assert answered or view not in READ_BY_A_NODE


def test_what_members_wrote_costs_what_py_evm_says(stage, monkeypatch):
    engine, answered = stage.engine, set()
    named = {f.selector: (name, f.name) for name in NAMES for f in contract(name).interface.functions.values()}
    for number in range(1, engine.head.number + 1):
        before = engine.header(number - 1)
        for row in engine.store.transactions(engine.store.needed_block(number)):
            transaction = admit(row.raw, engine.chain_id, BLOCK_GAS_SPENDABLE)
            if not transaction.to:
                continue
            call = Call(transaction.sender, transaction.to, transaction.data, 0, BLOCK_GAS_SPENDABLE)
            run = engine.run(before, TimeLimit(5))
            quick = calls.quick(run, call.sender, call.to, call.data, call.gas - intrinsic_gas(call.data))
            result = execute(engine, before, call)
            with monkeypatch.context() as patch:
                patch.setattr(calls, "quick", lambda *_: None)
                assert execute(engine, before, call) == result
            assert result.success
            if quick is not None:
                answered.add(named.get(call.data[:4]))
    assert answered >= WRITTEN_IN_A_ROUND


def test_what_a_node_reads_is_there(stage):
    assert set(VIEWS) >= READ_BY_A_NODE
