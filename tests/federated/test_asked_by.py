"""Who asks: a node serves the permit's data user, or who works for it, and nobody who only knows what is asked."""

from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from eth_account import Account
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, Metadata, MetricRecord, RecordDict
from flwr.app.message.message import make_message
from hypothesis import given
from hypothesis import strategies as st

from belmont.federated.asked_by import ASKED_BY, Signing, asker, record_hash, request_digest, split, with_signature
from belmont.federated.errors import FederatedError, Refusal, RoundRefused
from belmont.federated.exchange import Exchange
from belmont.federated.grid.records import pack_records, unpack_records, write_arrays
from belmont.federated.hashes import query_hash
from belmont.federated.models.bundles import shipped_bundle
from belmont.federated.models.glm import glm_config, newton
from belmont.federated.models.secure import SecureRounds
from belmont.federated.models.training import Training
from belmont.federated.node.requests import (
    DEAL,
    UNMASK,
    Claim,
    after_content,
    deal_content,
    query_content,
    round_content,
)
from belmont.federated.query.bfv import ResearcherKey
from belmont.federated.query.question import count, mean
from belmont.identity.messages import AddDelegate, short_bytes
from belmont.registry.errors import RegistryArgumentError
from belmont.registry.identities.protocol import SIG_AUTH, VERI_KEY
from belmont.registry.identities.wallet import deploy_wallet
from belmont.registry.reasons import Reason
from belmont.registry.simulated import SimulatedRegistry
from belmont.registry.types import DatasetId

from .conftest import DISEASE_RESEARCH, FEATURES, founders_of, new_accounts

PURPOSE = DISEASE_RESEARCH
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
KEY = ResearcherKey()
STRANGER = Account.from_key(b"\7" * 32)


def handled(scene: Any, content: RecordDict, message_type: str = "train", i: int = 0) -> Message:
    """The node's reply to a content as it stands."""
    node = scene.nodes[i]
    metadata = Metadata(7, f"m {message_type}", 1, node.node_id, "", "1", 1_750_000_000.0, 3_600.0, message_type)
    return node.handle(make_message(metadata=metadata, content=content))


def said(scene: Any, content: RecordDict, message_type: str = "train", i: int = 0) -> Any:
    """The reason of the refusal, or ``answered``."""
    reply = handled(scene, content, message_type, i)
    return "answered" if reply.has_content() else Refusal.from_json(reply.error.reason or "").reason


def claim_of(scene: Any, **changes: Any) -> Claim:
    return replace(Claim(scene.permit, 1, PURPOSE, scene.participants), **changes)


@pytest.fixture
def opened(scene: Any) -> Any:
    """Round 1 of a permit is open, and ``content`` is what the researcher sends for it."""
    scene.permit = scene.issue()
    scene.open_round(scene.permit)
    for node in scene.nodes:
        node.deliver(7, scene.bundle)
    scene.content = round_content(claim_of(scene), scene.config, scene.model)
    return scene


@pytest.fixture
def asked(scene: Any) -> Any:
    """A study with secure sums; ``contents`` are what the researcher sends to the first hospital, by message type."""
    scene.bundle = shipped_bundle("glm")
    scene.config = glm_config(FEATURES, "cvd_event", secure=True)
    scene.permit = scene.issue()
    scene.open_round(scene.permit)
    dealt = []
    for i, node in enumerate(scene.nodes):
        node.deliver(7, scene.bundle)
        content = scene.signed(node, DEAL, deal_content(claim_of(scene), 1))
        dealt.append(list(handled(scene, content, DEAL, i).content["packages"]["packages"]))
    packages = [[dealt[j][i - (i > j)] for j in range(4) if j != i] for i in range(4)]
    for i in range(1, 4):
        content = round_content(claim_of(scene), scene.config, scene.model, packages[i])
        assert said(scene, scene.signed(scene.nodes[i], "train", content), "train", i) == "answered"
    query = count().canonical()
    hashed = query_hash(query, KEY.public_context, scene.permit, 1, scene.participants)
    scene.by_researcher.open_query(scene.permit, 1, hashed, scene.participants)
    scene.contents = {
        DEAL: deal_content(claim_of(scene), 1),
        "train": round_content(claim_of(scene), scene.config, scene.model, packages[0]),
        UNMASK: after_content(claim_of(scene), scene.config, packages[0]),
        "query": query_content(claim_of(scene), query, KEY.public_context),
    }
    return scene


def nothing_happened(scene: Any, i: int = 0) -> bool:
    return scene.traces() == [] and scene.looks[i] == [] and scene.nodes[i].ledger.entries() == []


# --- who is served ---


def test_the_data_user_is_answered_and_nobody_else_by_any_message(asked: Any) -> None:
    node, others = asked.nodes[0], [STRANGER, asked.consortium.hospitals[0], asked.consortium.hospitals[1]]
    for message_type, content in asked.contents.items():
        for other in (*others, asked.consortium.board[0]):
            stolen = asked.signed(node, message_type, content, other)
            assert said(asked, stolen, message_type) is Reason.NOT_THE_DATA_USER
        assert said(asked, content, message_type) is Reason.NOT_THE_DATA_USER, "unsigned"
        assert said(asked, asked.signed(node, message_type, content), message_type) == "answered"


def test_whoever_is_refused_has_nothing_read_opened_or_kept(opened: Any) -> None:
    for content in (opened.content, opened.signed(opened.nodes[0], "train", opened.content, STRANGER)):
        assert said(opened, content) is Reason.NOT_THE_DATA_USER
    assert nothing_happened(opened)


def test_a_request_to_one_hospital_is_good_at_no_other(asked: Any) -> None:
    for message_type, content in asked.contents.items():
        carried = asked.signed(asked.nodes[1], message_type, content)
        assert said(asked, carried, message_type) is Reason.NOT_THE_DATA_USER


def test_a_request_of_one_type_is_good_for_no_other(asked: Any) -> None:
    for signed_for, content in asked.contents.items():
        carried = asked.signed(asked.nodes[0], signed_for, content)
        for message_type in asked.contents.keys() - {signed_for}:
            assert said(asked, carried, message_type) is Reason.NOT_THE_DATA_USER


def test_a_request_in_one_consortium_is_good_in_no_other(opened: Any) -> None:
    other = SimulatedRegistry.found("another consortium", founders_of(*new_accounts()))
    assert other.identity != opened.registry.identity
    elsewhere = Signing(other.as_(opened.consortium.researcher))
    carried = elsewhere.signed("train", {opened.participants[0]: opened.content})[opened.participants[0]]
    assert said(opened, carried) is Reason.NOT_THE_DATA_USER


def test_whatever_is_changed_in_a_signed_message_it_is_no_longer_the_data_users(asked: Any) -> None:
    node = asked.nodes[0]
    later = asked.issue()
    train, packages = asked.contents["train"], asked.contents[UNMASK]["packages"]["packages"]
    use = asked.contents[DEAL]["use"]
    claims = [
        {"permit": later},
        {"n": 2},
        {"purpose": 1 << 37},
        {"participants": list(reversed(asked.participants))},
    ]
    changes: dict[str, list[dict[str, Any]]] = {
        "train": [
            {"config": ConfigRecord(dict(train["config"]) | {"outcome": "age"})},
            {"config": ConfigRecord({**train["config"], "more": 1})},
            {"arrays": write_arrays({"coefficients": asked.model["coefficients"] + 1e-300})},
            {"arrays": write_arrays({"coefficient": asked.model["coefficients"]})},
            {"arrays": write_arrays({"coefficients": asked.model["coefficients"].reshape(-1, 1)})},
            {"packages": ConfigRecord({"packages": [packages[1], packages[0], packages[2]]})},
            {"packages": ConfigRecord({"packages": packages[:2]})},
            {"more": ConfigRecord({})},
        ],
        DEAL: [{"deal": ConfigRecord({"rounds": 2})}],
        UNMASK: [{"packages": ConfigRecord({"packages": packages[::-1]})}],
        "query": [
            {"query": ConfigRecord({"canonical": mean("hba1c").canonical(), "context": KEY.public_context})},
            {"query": ConfigRecord({"canonical": count().canonical(), "context": ResearcherKey().public_context})},
        ],
    }
    for message_type, content in asked.contents.items():
        signed = asked.signed(node, message_type, content)
        for change in [{"use": ConfigRecord({**use, **claim})} for claim in claims] + changes[message_type]:
            turned = RecordDict({**signed, **change})
            assert said(asked, turned, message_type) is Reason.NOT_THE_DATA_USER, (message_type, change)
        assert said(asked, signed, message_type) == "answered"


def test_the_same_message_gets_the_same_bytes_whoever_carries_it(opened: Any) -> None:
    signed = opened.signed(opened.nodes[0], "train", opened.content)
    first, second = (pack_records(handled(opened, signed).content) for _ in range(2))
    assert first == second and opened.traces() == ["imported", "trained"]


# --- forged signatures ---


def forgeries(honest: bytes) -> dict[str, Any]:
    r, s, v = honest[:32], int.from_bytes(honest[32:64]), honest[64]
    return {
        "nothing": b"",
        "zeros": bytes(65),
        "ones": b"\xff" * 65,
        "64 bytes": honest[:64],
        "66 bytes": honest + b"\0",
        "compact": r + (s | ((v - 27) << 255)).to_bytes(32),
        "high s": r + (ORDER - s).to_bytes(32) + bytes([55 - v]),
        "other v": honest[:64] + bytes([55 - v]),
        "v from 0": honest[:64] + bytes([v - 27]),
        "v of EIP-155": honest[:64] + bytes([v + 8]),
        "r is zero": bytes(32) + honest[32:],
        "s is zero": r + bytes(32) + honest[64:],
        "twice": honest * 2,
        "huge": honest * 100_000,
        "text": honest.hex(),
        "list": [honest],
        "number": 7,
        "flag": True,
    }


@pytest.mark.parametrize("which", forgeries(bytes([1] * 64 + [27])))
def test_a_signature_that_is_not_of_the_one_form_is_nobodys(opened: Any, which: str) -> None:
    signed = opened.signed(opened.nodes[0], "train", opened.content)
    forged = forgeries(signed[ASKED_BY]["signature"])[which]
    turned = RecordDict({**opened.content, ASKED_BY: ConfigRecord({"signature": forged})})
    assert said(opened, turned) is Reason.NOT_THE_DATA_USER
    assert nothing_happened(opened)


@pytest.mark.parametrize(
    "turn",
    [
        lambda record: ConfigRecord({}),
        lambda record: ConfigRecord({**record, "more": 1}),
        lambda record: ConfigRecord({"signatures": record["signature"]}),
        lambda record: MetricRecord({"signature": 1.0}),
        lambda record: write_arrays({"signature": np.zeros(65)}),
    ],
)
def test_a_record_that_is_not_of_the_one_form_holds_no_signature(opened: Any, turn: Any) -> None:
    signed = opened.signed(opened.nodes[0], "train", opened.content)
    turned = RecordDict({**opened.content, ASKED_BY: turn(signed[ASKED_BY])})
    assert said(opened, turned) is Reason.NOT_THE_DATA_USER
    assert nothing_happened(opened)


@given(bit=st.integers(0, 8 * 65 - 1))
def test_every_bit_of_a_signature_counts(bit: int) -> None:
    content = deal_content(Claim(1, 1, PURPOSE, (DatasetId(bytes(32)),)), 1)  # type: ignore[arg-type]
    dataset = DatasetId(b"\1" * 32)
    account = Account.from_key(b"\5" * 32)
    hashed = asked_hash(content)
    honest = account.unsafe_sign_hash(request_digest("consortium", dataset, DEAL, hashed)).signature
    assert asker("consortium", dataset, DEAL, content, bytes(honest)) == account.address
    turned = (int.from_bytes(honest) ^ (1 << bit)).to_bytes(65)
    assert asker("consortium", dataset, DEAL, content, turned) != account.address


# --- who works for the data user ---


def test_a_delegate_of_the_data_user_asks_for_it_as_long_as_it_is_one(opened: Any) -> None:
    node, machine = opened.nodes[0], Account.from_key(b"\6" * 32)
    identities, signed = opened.by_researcher.identities, opened.signed(node, "train", opened.content, machine)
    assert said(opened, signed) is Reason.NOT_THE_DATA_USER
    identities.add_delegate(VERI_KEY, machine.address, 3600)
    assert said(opened, signed) is Reason.NOT_THE_DATA_USER, "it verifies, and works for nobody"
    identities.add_delegate(SIG_AUTH, machine.address, 3600)
    assert said(opened, signed) == "answered"
    identities.revoke_delegate(SIG_AUTH, machine.address)
    assert said(opened, signed) is Reason.NOT_THE_DATA_USER
    identities.add_delegate(SIG_AUTH, machine.address, 60)
    opened.registry.clock.advance(60)
    assert said(opened, signed) is Reason.NOT_THE_DATA_USER


def test_after_a_rotation_the_new_key_asks_and_what_the_old_one_signed_is_nobodys(opened: Any) -> None:
    node, successor = opened.nodes[0], Account.from_key(b"\6" * 32)
    before = opened.signed(node, "train", opened.content)
    assert said(opened, before) == "answered"
    opened.by_researcher.identities.rotate(successor)
    assert said(opened, before) is Reason.NOT_THE_DATA_USER
    assert said(opened, opened.signed(node, "train", opened.content, successor)) == "answered"


def test_a_data_user_that_is_a_wallet_trains_by_its_delegate_and_not_by_its_owners(own_chain: Any) -> None:
    _, scene = own_chain
    scene.bundle, scene.config = shipped_bundle("glm"), glm_config(FEATURES, "cvd_event")
    scene.permit = scene.issue()
    registry, researcher = scene.registry, scene.consortium.researcher
    people, machine = [Account.create() for _ in range(2)], Account.create()
    wallet = deploy_wallet(registry.chain, researcher, [each.address for each in people], 2)
    registry.as_(researcher).identities.change_owner(wallet)

    def trained(account: Any, rounds: int) -> Training:
        with closing(scene.grid()) as grid:
            training = Training(
                registry.as_(account, researcher.address),
                grid,
                scene.permit,
                config=scene.config,
                model=scene.model,
                combine=newton(),
                participants=scene.participants,
            )
            list(training.rounds(rounds))
        return training

    for account in (researcher, *people):
        with pytest.raises(RoundRefused) as refused:
            trained(account, 1)
        assert refused.value.reasons == (Reason.NOT_THE_DATA_USER,)
    domain = registry.identities.domain
    change = AddDelegate(
        identity=researcher.address, delegate_type=short_bytes(SIG_AUTH), delegate=machine.address, validity=3600
    )
    registry.as_(researcher).identities.submit(change.sign(people[0], domain).signed_by(people[1]))
    assert len(trained(machine, 2).results) == 2


# --- the chain ---


def test_without_a_chain_nobody_is_served(asked: Any) -> None:
    signed = {kind: asked.signed(asked.nodes[0], kind, content) for kind, content in asked.contents.items()}
    asked.registry.set_reachable(False)
    for message_type, content in signed.items():
        assert said(asked, content, message_type) is Reason.CHAIN_UNREACHABLE


def test_a_permit_that_is_not_there_has_no_data_user(asked: Any) -> None:
    for message_type, content in asked.contents.items():
        use = ConfigRecord({**content["use"], "permit": 999_999})
        signed = asked.signed(asked.nodes[0], message_type, RecordDict({**content, "use": use}))
        assert said(asked, signed, message_type) is Reason.PERMIT_MISSING


@pytest.mark.parametrize("use", [None, ConfigRecord({}), MetricRecord({}), ConfigRecord({"permit": 1})])
def test_a_signed_message_that_names_no_permit_is_malformed(asked: Any, use: Any) -> None:
    for message_type, content in asked.contents.items():
        turned = RecordDict({name: record for name, record in content.items() if name != "use"})
        if use is not None:
            turned["use"] = use
        signed = asked.signed(asked.nodes[0], message_type, turned)
        assert said(asked, signed, message_type) is Reason.REQUEST_MALFORMED


def test_a_registry_that_writes_as_nobody_asks_nobody(opened: Any) -> None:
    with closing(opened.grid()) as grid, pytest.raises(RegistryArgumentError, match="only reads"):
        Exchange(opened.registry, grid, opened.permit, opened.participants)
    with closing(opened.grid()) as grid, pytest.raises(RegistryArgumentError, match="signs transactions only"):

        class Address:
            address = STRANGER.address

        Exchange(opened.registry.as_(Address()), grid, opened.permit, opened.participants)


# --- what is signed ---


def asked_hash(content: RecordDict) -> bytes:
    """The content's hash as docs/deployment.md describes it, written out once more."""
    import hashlib

    def part(data: bytes) -> bytes:
        return len(data).to_bytes(8) + data

    encoded = b"".join(part(name.encode()) + part(record_hash(content[name])) for name in sorted(content))
    return hashlib.sha256(b"belmont/asked/1\0" + encoded).digest()


def test_a_message_is_signed_as_any_wallet_signs_typed_data(opened: Any) -> None:
    researcher, dataset = opened.consortium.researcher, opened.participants[0]
    signed = opened.signed(opened.nodes[0], "train", opened.content)
    by_wallet = researcher.sign_typed_data(
        {"name": "Belmont request to a hospital", "version": "1"},
        {
            "Request": [
                {"name": "consortium", "type": "string"},
                {"name": "dataset", "type": "bytes32"},
                {"name": "messageType", "type": "string"},
                {"name": "content", "type": "bytes32"},
            ]
        },
        {
            "consortium": opened.registry.identity,
            "dataset": bytes(dataset),
            "messageType": "train",
            "content": asked_hash(opened.content),
        },
    )
    assert signed[ASKED_BY]["signature"] == bytes(by_wallet.signature)


def test_what_is_signed_stays_the_same_between_releases() -> None:
    content = RecordDict(
        {
            "use": ConfigRecord({"permit": 3, "on": True, "parts": [b"a", b""], "name": "ä", "rate": -0.5}),
            "arrays": ArrayRecord({"w": Array("float64", (1, 2), "numpy.ndarray", b"bytes of an array")}),
            "metrics": MetricRecord({"loss": [0.25, 1.0]}),
        }
    )
    digest = request_digest("eip155:1337:0x00", DatasetId(b"\1" * 32), "train", asked_hash(content))
    assert digest.hex() == "4bf21ddff0d33c7bca81a6be5b2e49747deb24bd7960f3c7a27806c16a9f8201"


SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
    st.binary(max_size=4),
)
VALUES = SCALARS | st.one_of(st.lists(st.integers(-5, 5), max_size=3), st.lists(st.binary(max_size=3), max_size=3))
CONFIGS = st.dictionaries(st.text("ab", max_size=2), VALUES, max_size=3)


def typed(config: dict[str, Any]) -> Any:
    """A configuration as something that differs where its bytes in a message differ: 1, 1.0 and True, 0.0 and -0.0."""
    return {name: (type(value).__name__, repr(value)) for name, value in config.items()}


@given(CONFIGS, CONFIGS)
def test_two_records_have_one_hash_only_if_they_are_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    same = record_hash(ConfigRecord(one)) == record_hash(ConfigRecord(other))
    assert same is (typed(one) == typed(other))


@given(CONFIGS, st.randoms(use_true_random=False))
def test_neither_the_way_nor_the_order_of_keys_changes_a_hash(config: dict[str, Any], random: Any) -> None:
    names = list(config)
    random.shuffle(names)
    content = RecordDict({"config": ConfigRecord(config)})
    shuffled = ConfigRecord({name: config[name] for name in names})
    carried = unpack_records(pack_records(content))["config"]
    assert record_hash(content["config"]) == record_hash(shuffled) == record_hash(carried)


def test_kinds_names_and_order_of_arrays_are_part_of_the_hash() -> None:
    one, two = np.zeros(2), np.zeros(2, "float32")
    hashes = {
        record_hash(record)
        for record in (
            write_arrays({"a": one, "b": two}),
            write_arrays({"b": two, "a": one}),
            write_arrays({"b": one, "a": two}),
            write_arrays({"a": one}),
            write_arrays({}),
            ConfigRecord({}),
            MetricRecord({}),
            ConfigRecord({"a": 1.0}),
            MetricRecord({"a": 1.0}),
        )
    }
    assert len(hashes) == 9
    with pytest.raises(FederatedError, match="unknown kind"):
        record_hash({"a": 1})


def test_a_signed_content_shares_its_records_and_leaves_the_original_as_it_was(opened: Any) -> None:
    before = set(opened.content)
    signed = Signing(opened.by_researcher).signed("train", dict.fromkeys(opened.participants, opened.content))
    assert set(opened.content) == before and ASKED_BY not in before
    assert all(each["arrays"] is opened.content["arrays"] for each in signed.values())
    assert len({each[ASKED_BY]["signature"] for each in signed.values()}) == 4
    rest, signature = split(with_signature(opened.content, b"\1" * 65))
    assert set(rest) == before and signature == b"\1" * 65


# --- the attack, on nodes that believe whoever asks ---


class Believing:
    """What a node did before: whoever asks is taken for the data user."""

    def opened(self, message: Message) -> Message:
        return make_message(metadata=message.metadata, content=split(message.content)[0])


def believe_everybody(scene: Any) -> None:
    for node in scene.nodes:
        node._data_user_only = Believing()


def opened_by_a_stranger(scene: Any, claim: Claim) -> Any:
    """The sum of a round as somebody opens it who knows what was asked, with a key of its own."""
    with closing(scene.grid()) as grid:
        exchange = Exchange(scene.registry.as_(STRANGER), grid, scene.permit, scene.participants)
        rounds = SecureRounds(exchange, scene.config)
        packages = rounds.packages(claim)
        contents = {
            each: round_content(claim, scene.config, scene.model, packages[each]) for each in scene.participants
        }
        replies, _ = exchange.ask("train", 1, contents)
        return rounds.open(claim, contents, replies).update


def trained_once(scene: Any) -> Any:
    with closing(scene.grid()) as grid:
        return Training(
            scene.by_researcher,
            grid,
            scene.permit,
            config=scene.config,
            model=scene.model,
            combine=newton(),
            participants=scene.participants,
        ).round()


def test_a_stranger_opens_anothers_secure_sum_where_nodes_believe_whoever_asks_and_gets_nothing_here(
    scene: Any,
) -> None:
    scene.bundle = shipped_bundle("glm")
    scene.config = glm_config(FEATURES, "cvd_event", secure=True)
    scene.permit = scene.issue()
    result = trained_once(scene)
    with pytest.raises(RoundRefused) as refused:
        opened_by_a_stranger(scene, claim_of(scene))
    assert refused.value.reasons == (Reason.NOT_THE_DATA_USER,)
    believe_everybody(scene)
    stolen = opened_by_a_stranger(scene, claim_of(scene))
    np.testing.assert_array_equal(newton()(scene.model, [stolen])["coefficients"], result.model["coefficients"])


def test_a_stranger_reads_one_hospitals_update_where_nodes_believe_whoever_asks_and_nothing_here(scene: Any) -> None:
    scene.bundle, scene.config = shipped_bundle("glm"), glm_config(FEATURES, "cvd_event")
    scene.permit = scene.issue()
    trained_once(scene)
    content = round_content(claim_of(scene), scene.config, scene.model)
    for node in scene.nodes:
        node.deliver(7, scene.bundle)
    stolen = scene.signed(scene.nodes[0], "train", content, STRANGER)
    assert said(scene, stolen) is Reason.NOT_THE_DATA_USER
    believe_everybody(scene)
    assert set(handled(scene, stolen).content) == {"arrays", "metrics"}
