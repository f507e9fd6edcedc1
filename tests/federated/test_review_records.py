"""Who is named before a sum is opened, and what forged records and private rounds do to who checks them."""

import json
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from flwr.app import ConfigRecord
from tests.federated.privacy.scenes import made_private
from tests.federated.privacy.scenes import training as private_training
from tests.federated.test_bounded_rounds import Lying, lie, made_bounded
from tests.federated.test_secure_rounds import made_secure, training

from belmont.federated.bounded.record import RoundRecord, open_round
from belmont.federated.errors import FederatedError, PackageRefused, VectorRejected
from belmont.federated.exchange import Exchange
from belmont.federated.node import secure as node_secure
from belmont.federated.node.requests import UNMASK
from belmont.federated.secagg.groups import scalars
from belmont.federated.secagg.setup import deal_secrets, seal
from belmont.registry.types import DatasetId


@pytest.fixture
def bounded(scene: Any) -> Any:
    return made_bounded(scene)


def test_a_vector_of_another_length_names_its_hospital_also_where_it_is_the_first(bounded: Any) -> None:
    lie(bounded.nodes[0], lambda statement, vector, honest: (scalars([*honest.scalars, 5]), honest.proof))
    with closing(bounded.grid()) as grid, pytest.raises(VectorRejected) as caught:
        training(bounded, grid).round()
    assert caught.value.dataset_id == bounded.participants[0]


def test_a_layout_of_its_own_names_the_hospital_also_where_it_is_the_first(scene: Any, monkeypatch: Any) -> None:
    made_secure(scene)
    honest = node_secure.mask

    def mask(joined: Any, layout_hash: bytes, vector: Any) -> Any:
        return honest(joined, bytes(32) if joined.position == 0 else layout_hash, vector)

    monkeypatch.setattr(node_secure, "mask", mask)
    with closing(scene.grid()) as grid, pytest.raises(VectorRejected) as caught:
        training(scene, grid).round()
    assert caught.value.dataset_id == scene.participants[0]


def test_a_hospital_that_records_another_hash_than_its_vectors_is_named_and_not_those_who_refuse(bounded: Any) -> None:
    lie(bounded.nodes[1], lambda statement, vector, honest: (honest.scalars, honest.proof))
    kind = type(bounded.nodes[1]._secure)
    masked = Lying.masked

    def twice(self: Any, *rest: Any) -> Any:
        reply, _ = masked(self, *rest)
        return reply, bytes(32)[:-1] + b"\1"

    kind.masked = twice
    with closing(bounded.grid()) as grid, pytest.raises(VectorRejected) as caught:
        training(bounded, grid).round()
    assert caught.value.dataset_id == bounded.participants[1]


def test_a_proof_that_is_changed_on_its_way_does_not_say_that_its_hospital_proved_nothing(
    bounded: Any, monkeypatch: Any
) -> None:
    asked = Exchange.ask

    def changed(self: Any, message_type: str, *rest: Any) -> Any:
        replies, outcomes = asked(self, message_type, *rest)
        if message_type == "train":
            reply = replies[bounded.participants[1]]
            record = dict(reply.content["masked"])
            record["proof"] = record["proof"][:-1] + bytes([record["proof"][-1] ^ 1])
            replies[bounded.participants[1]] = SimpleNamespace(content={"masked": ConfigRecord(record)})
        return replies, outcomes

    monkeypatch.setattr(Exchange, "ask", changed)
    with closing(bounded.grid()) as grid, pytest.raises(VectorRejected, match="not the one that the hospital recorded"):
        training(bounded, grid).round()


def test_a_forged_record_does_not_say_that_a_hospital_proved_nothing(bounded: Any) -> None:
    with closing(bounded.grid()) as grid:
        record = training(bounded, grid).round().record
    two = bounded.participants[1]
    forged = replace(record, delivered=dict(record.delivered) | {two: replace(record.delivered[two], proof=b"")})
    with pytest.raises(VectorRejected, match="not the one that the hospital recorded"):
        open_round(forged, bounded.registry)


def test_a_record_with_a_vector_of_nobody_is_refused_and_ends_nothing(bounded: Any) -> None:
    with closing(bounded.grid()) as grid:
        record = training(bounded, grid).round().record
    stray = DatasetId(b"\5" * 32)
    first = next(iter(record.delivered.values()))
    with pytest.raises(FederatedError):
        open_round(replace(record, delivered=dict(record.delivered) | {stray: first}), bounded.registry)
    with pytest.raises(FederatedError):
        open_round(replace(record, shares=dict(record.shares) | {stray: b""}), bounded.registry)
    for name, value in (("permit_id", 2**300), ("permit_id", -1), ("n", 2**300), ("n", -1)):
        with pytest.raises(FederatedError):
            open_round(replace(record, **{name: value}), bounded.registry)
    with pytest.raises(FederatedError):
        open_round(replace(record, participants=(DatasetId(b"short"),)), bounded.registry)


@pytest.mark.parametrize("text", ["1e999", "NaN", "-Infinity", '"1"', "true", "[1]", "1.0"])
@pytest.mark.parametrize("field", ["permit", "n"])
def test_a_file_with_odd_numbers_is_no_record(text: str, field: str) -> None:
    fields = {"format": "belmont-secure-round/1", "consortium": "c", "permit": 1, "n": 1, "participants": []}
    fields |= {"config": {}, "publics": [], "delivered": [], "shares": []}
    data = json.dumps(fields, sort_keys=True, separators=(",", ":")).replace(f'"{field}":1', f'"{field}":{text}')
    with pytest.raises(FederatedError, match="no record"):
        RoundRecord.from_bytes(data.encode())


def test_a_dealer_that_shows_two_hospitals_two_setups_is_named(bounded: Any, monkeypatch: Any) -> None:
    """Without it the hospital that was shown another one is: nobody has its proof under their own transcript."""
    honest = node_secure.deal

    def two_faced(context: Any, dataset_id: Any, root: bytes, key: Any, keys: Any) -> Any:
        packages = honest(context, dataset_id, root, key, keys)
        if dataset_id == bounded.participants[3]:
            other = seal(context, deal_secrets(context, dataset_id, b"\1" * 32), key, keys)
            packages[bounded.participants[1]] = other[bounded.participants[1]]
        return packages

    monkeypatch.setattr(node_secure, "deal", two_faced)
    with closing(bounded.grid()) as grid, pytest.raises(PackageRefused) as caught:
        training(bounded, grid).round()
    assert caught.value.dataset_id == bounded.participants[3]


@pytest.mark.parametrize("data", [b"", b"\0" * 132, b"\1" * 40])
def test_shares_that_are_none_name_their_hospital_and_stop_no_sum(bounded: Any, monkeypatch: Any, data: bytes) -> None:
    asked = Exchange.ask

    def changed(self: Any, message_type: str, *rest: Any) -> Any:
        replies, outcomes = asked(self, message_type, *rest)
        if message_type == UNMASK:
            content = {"shares": ConfigRecord({"shares": data})}
            replies[bounded.participants[1]] = SimpleNamespace(content=content)
        return replies, outcomes

    monkeypatch.setattr(Exchange, "ask", changed)
    with closing(bounded.grid()) as grid:
        result = training(bounded, grid).round()
    assert open_round(result.record, bounded.registry).sum.wrong_shares == (bounded.participants[1],)


def test_the_command_verifies_a_private_round(scene: Any, monkeypatch: Any, tmp_path: Any, capsys: Any) -> None:
    from belmont.lab import verify_round_command
    from belmont.registry.chain_registry import ChainRegistry

    made_private(scene)
    with closing(scene.grid()) as grid:
        result = private_training(scene, grid).round()
    path = tmp_path / "record.json"
    path.write_bytes(result.record.to_bytes())
    monkeypatch.setattr(ChainRegistry, "connect", lambda *_: scene.registry)
    assert verify_round_command.verify(SimpleNamespace(record=path, url="", members=None, json=False)) == 0
    assert "ACCEPTED" in capsys.readouterr().out
