"""Rounds whose sum is secure: real nodes, either registry; only the total over the hospitals can be read."""

import itertools
import json
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from flwr.app import ConfigRecord, Message, RecordDict

from belmont.federated.errors import APP_FAILED, DealerRefuted, RoundRefused, SecAggError, VectorRejected
from belmont.federated.hashes import config_hash
from belmont.federated.models.bundles import shipped_bundle
from belmont.federated.models.glm import glm_config, newton
from belmont.federated.models.training import Training
from belmont.federated.node.requests import DEAL, UNMASK, Claim, after_content, deal_content, round_content
from belmont.federated.secagg.settings import SECURE_SUM_KEY, SecureSum, read_secure_sum
from belmont.registry.reasons import Reason
from belmont.registry.types import UseKind

PURPOSE = 1 << 37
FEATURES = ("age", "hba1c", "systolic")


@pytest.fixture
def secure(scene: Any) -> Any:
    """A scene whose approved configuration asks for a secure sum, with a permit."""
    return made_secure(scene)


def made_secure(scene: Any, **terms: Any) -> Any:
    scene.bundle = shipped_bundle("glm")
    scene.config = glm_config(FEATURES, "cvd_event", secure=True)
    scene.permit = scene.issue(**terms)
    return scene


def training(scene: Any, grid: Any, **changes: Any) -> Training:
    arguments = {
        "config": scene.config,
        "model": scene.model,
        "combine": newton(),
        "participants": scene.participants,
        "node_ids": grid.node_ids,
        "timeout_seconds": 30,
    }
    return Training(scene.by_researcher, grid, scene.permit, **arguments | changes)


def plain_model(scene: Any, hospitals: Any = range(4), rounds: int = 3) -> Any:
    """What the same rounds give in the clear."""
    config = glm_config(FEATURES, "cvd_event")
    nodes = [scene.new_node(i) for i in hospitals]
    participants = tuple(scene.participants[i] for i in hospitals)
    permit = scene.consortium.issue(scene.terms(config_hash=config_hash(config)))
    with closing(scene.grid(nodes=nodes)) as grid:
        trained = Training(
            scene.by_researcher,
            grid,
            permit,
            config=config,
            model=scene.model,
            combine=newton(),
            participants=participants,
        )
        list(trained.rounds(rounds))
    return trained.model["coefficients"]


def claim_of(scene: Any, n: int = 1) -> Claim:
    return Claim(scene.permit, n, PURPOSE, scene.participants)


def ask(scene: Any, i: int, message_type: str, content: RecordDict, n: int = 1) -> Message:
    with closing(scene.grid()) as grid:
        node = scene.nodes[i]
        signed = scene.signed(node, message_type, content)
        (reply,) = grid.send_and_receive([grid.create_message(signed, message_type, node.node_id, str(n))])
    return reply


def packages_of(scene: Any, n: int = 1) -> list[list[bytes]]:
    """By hospital, the packages that are for it."""
    dealt = []
    for i in range(4):
        reply = ask(scene, i, DEAL, deal_content(claim_of(scene, n), 1))
        dealt.append(list(reply.content["packages"]["packages"]))
    return [[dealt[j][i - (i > j)] for j in range(4) if j != i] for i in range(4)]


def answer(scene: Any, i: int, packages: Any, n: int = 1, **changes: Any) -> Message:
    content = round_content(claim_of(scene, n), changes.get("config", scene.config), scene.model, packages)
    return ask(scene, i, "train", content, n)


def unmask(scene: Any, i: int, packages: Any) -> Message:
    return ask(scene, i, UNMASK, after_content(claim_of(scene), scene.config, packages[i]))


@pytest.mark.parametrize("kind", ["simulated", "on_chain"])
def test_the_model_of_secure_rounds_is_that_of_plain_ones(kind: str, request: Any, tmp_path: Any) -> None:
    scene = request.getfixturevalue("scene" if kind == "simulated" else "on_chain_study")
    made_secure(scene)
    with closing(scene.grid()) as grid:
        trained = training(scene, grid)
        results = list(trained.rounds(3))
    assert results[-1].rows == sum(table.rows for table in scene.consortium.tables)
    np.testing.assert_allclose(trained.model["coefficients"], plain_model(scene), atol=1e-7)


def test_what_leaves_a_hospital_says_nothing_of_its_rows(secure: Any) -> None:
    packages = packages_of(secure)
    secure.open_round(secure.permit)
    replies = [answer(secure, i, packages[i]).content for i in range(4)]
    for reply in replies:
        assert set(reply) == {"masked"} and set(reply["masked"]) == {"transcript", "layout", "values", "proof"}
    values = [np.frombuffer(reply["masked"]["values"], "<u8") for reply in replies]
    assert len({each.tobytes() for each in values}) == 4
    for each in values:  # uniform words: the high bits of small sums would be all alike
        assert len(set((each >> np.uint64(56)).tolist())) > len(each) // 2


def test_a_round_goes_on_without_a_hospital_that_was_away_and_is_the_sum_of_the_others(secure: Any) -> None:
    with closing(secure.grid()) as grid:
        trained = training(secure, grid)
        trained.round()
    with closing(secure.grid(nodes=secure.nodes[:3])) as grid:
        here = dict(zip(secure.participants, (node.node_id for node in secure.nodes), strict=True))
        del here[secure.participants[3]]
        again = training(secure, grid, model=trained.model, node_ids=here)
        again._secure._dealt = trained._secure._dealt
        result = again.round()
    assert [hospital.status for hospital in result.hospitals] == ["answered"] * 3 + ["silent"]
    assert result.rows == sum(table.rows for table in secure.consortium.tables[:3])
    assert secure.registry.round_state(secure.permit, 2).closed


def test_a_round_of_fewer_than_the_permits_minimum_ends_with_a_reason_and_no_sum(secure: Any) -> None:
    with closing(secure.grid()) as grid:
        trained = training(secure, grid)
        trained.round()
    with closing(secure.grid(nodes=secure.nodes[:2])) as grid:
        here = {d: n.node_id for d, n in zip(secure.participants[:2], secure.nodes[:2], strict=True)}
        again = training(secure, grid, model=trained.model, node_ids=here)
        again._secure._dealt = trained._secure._dealt
        with pytest.raises(RoundRefused, match="not answered by every hospital"):
            again.round()
    assert not secure.registry.round_state(secure.permit, 2).closed
    packages = packages_of(secure, 2)
    content = after_content(claim_of(secure, 2), secure.config, packages[0])
    assert refusal(ask(secure, 0, UNMASK, content, 2)) is Reason.ROUND_NOT_FINAL


def refusal(reply: Message) -> Reason:
    assert reply.has_error(), "the node answered"
    return Reason(json.loads(reply.error.reason)["reason"])


def test_no_share_leaves_before_every_vector_is_recorded_or_the_round_is_closed(secure: Any) -> None:
    packages = packages_of(secure)
    secure.open_round(secure.permit)
    content = [after_content(claim_of(secure), secure.config, packages[i]) for i in range(4)]
    for i in range(3):
        assert refusal(ask(secure, i, UNMASK, content[i])) is Reason.ROUND_NOT_FINAL
        assert answer(secure, i, packages[i]).has_content()
        assert refusal(ask(secure, i, UNMASK, content[i])) is Reason.ROUND_NOT_FINAL
    secure.by_researcher.close_round(secure.permit, 1)
    for i in range(3):
        assert ask(secure, i, UNMASK, content[i]).has_content()


def test_a_vector_that_comes_after_the_round_was_closed_is_not_recorded_and_cannot_be_unmasked(secure: Any) -> None:
    packages = packages_of(secure)
    secure.open_round(secure.permit)
    for i in range(3):
        assert answer(secure, i, packages[i]).has_content()
    secure.by_researcher.close_round(secure.permit, 1)
    assert refusal(answer(secure, 3, packages[3])) is Reason.ROUND_CLOSED
    assert refusal(unmask(secure, 3, packages)) is Reason.ROUND_NOT_FINAL
    shares = unmask(secure, 0, packages).content["shares"]["shares"]
    kinds = [shares[33 * position] for position in range(4)]
    assert kinds == [1, 1, 1, 2], "of whoever is not in the sum, never the seed of its own mask"


def test_a_recorded_vector_that_was_lost_on_its_way_is_given_again_after_the_round_was_closed(
    secure: Any,
) -> None:
    packages = packages_of(secure)
    secure.open_round(secure.permit)
    first = [answer(secure, i, packages[i]) for i in range(3)]
    secure.by_researcher.close_round(secure.permit, 1)
    again = answer(secure, 2, packages[2])
    assert again.content["masked"] == first[2].content["masked"]


def test_the_same_request_for_shares_gets_the_same_and_others_nothing(secure: Any) -> None:
    packages = packages_of(secure)
    secure.open_round(secure.permit)
    for i in range(4):
        answer(secure, i, packages[i])
    content = after_content(claim_of(secure), secure.config, packages[0])
    first, second = (ask(secure, 0, UNMASK, content).content["shares"]["shares"] for _ in range(2))
    assert first == second
    others = replace(claim_of(secure), participants=tuple(reversed(secure.participants)))
    assert refusal(ask(secure, 0, UNMASK, after_content(others, secure.config, packages[0]))) is not None


def test_a_coordinator_that_invents_who_recorded_has_no_say(secure: Any) -> None:
    """It claims a smaller round, so that the sum of "all" participants would be that of three."""
    packages = packages_of(secure)
    secure.open_round(secure.permit)
    for i in range(4):
        answer(secure, i, packages[i])
    three = replace(claim_of(secure), participants=secure.participants[:3])
    dealt = [ask(secure, j, DEAL, deal_content(three, 1)).content["packages"]["packages"][0] for j in (1, 2)]
    assert refusal(ask(secure, 0, UNMASK, after_content(three, secure.config, dealt))) is Reason.PARTICIPANTS_MISMATCH


def test_after_a_revocation_the_sum_stays_closed(secure: Any) -> None:
    packages = packages_of(secure)
    secure.open_round(secure.permit)
    for i in range(4):
        assert answer(secure, i, packages[i]).has_content()
    for member in secure.consortium.board:
        secure.registry.as_(member).vote_revoke(secure.permit)
    for i in range(4):
        content = after_content(claim_of(secure), secure.config, packages[i])
        assert refusal(ask(secure, i, UNMASK, content)) is Reason.PERMIT_REVOKED


def test_after_a_patient_took_consent_back_the_sum_stays_closed(secure: Any) -> None:
    packages = packages_of(secure)
    secure.open_round(secure.permit)
    for i in range(4):
        answer(secure, i, packages[i])
    secure.consortium.publish_unknown_batch(0)
    assert refusal(unmask(secure, 0, packages)) is Reason.CONSENT_STALE


def test_a_study_that_was_approved_with_secure_sums_gets_no_plain_round(secure: Any) -> None:
    secure.open_round(secure.permit)
    assert refusal(answer(secure, 0, None)) is Reason.REQUEST_MALFORMED
    plain = {key: value for key, value in secure.config.items() if key != SECURE_SUM_KEY}
    assert refusal(answer(secure, 0, None, config=plain)) is Reason.CONFIG_MISMATCH
    assert secure.registry.uses(secure.permit) == []


def test_packages_that_were_changed_swapped_or_of_another_round_are_refused(secure: Any) -> None:
    packages, others = packages_of(secure), packages_of(secure, 2)
    secure.open_round(secure.permit)
    first = packages[0]
    changed = [first[0][:-1] + bytes([first[0][-1] ^ 1]), *first[1:]]
    for wrong in (changed, [first[1], first[0], first[2]], others[0], packages[1], first[:2], [*first, first[0]], []):
        assert refusal(answer(secure, 0, wrong)) is Reason.REQUEST_MALFORMED
    assert answer(secure, 0, first).has_content(), "nothing was consumed"


@pytest.mark.parametrize(("first", "count"), [(1, 0), (1, 13), (13, 1), (0, 1), (1, 101)])
def test_packages_are_dealt_for_rounds_of_the_permit_only(secure: Any, first: int, count: int) -> None:
    reply = ask(secure, 0, DEAL, deal_content(claim_of(secure, first), count))
    assert first == 0 or refusal(reply) is Reason.ROUNDS_EXHAUSTED


def test_packages_are_the_same_after_a_restart(secure: Any) -> None:
    before = packages_of(secure)
    for i in range(4):
        secure.nodes[i].close()
        secure.nodes[i] = secure.new_node(i)
    assert packages_of(secure) == before


def test_a_node_that_is_killed_between_vector_and_shares_releases_them_afterwards(secure: Any) -> None:
    packages = packages_of(secure)
    secure.open_round(secure.permit)
    for i in range(4):
        answer(secure, i, packages[i])
    secure.nodes[0].close()
    secure.nodes[0] = secure.new_node(0)
    assert unmask(secure, 0, packages).has_content()


ODD_APP = """
import numpy as np
from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
app = ClientApp()
@app.train()
def train(message, context):
    arrays = {arrays}
    return Message(RecordDict({{"arrays": ArrayRecord(arrays), "metrics": MetricRecord({metrics})}}), reply_to=message)
"""
GOOD_ARRAYS = '{"gradient": Array(np.zeros(4)), "hessian": Array(np.zeros((4, 4)))}'
GOOD_METRICS = '{"num-examples": 7, "loss": 0.5}'


@pytest.mark.parametrize(
    ("arrays", "metrics"),
    [
        ('{"gradient": Array(np.zeros(4))}', GOOD_METRICS),
        ('{"gradient": Array(np.zeros(5)), "hessian": Array(np.zeros((4, 4)))}', GOOD_METRICS),
        ('{"hessian": Array(np.zeros((4, 4))), "gradient": Array(np.zeros(4))}', GOOD_METRICS),
        (GOOD_ARRAYS.replace("np.zeros(4)", "np.full(4, 1e300)"), GOOD_METRICS),
        (GOOD_ARRAYS, '{"num-examples": 7, "loss": 0.5, "patient-4711": 1.0}'),
        (GOOD_ARRAYS, '{"num-examples": 7}'),
        (GOOD_ARRAYS, '{"num-examples": 7.5, "loss": 0.5}'),
        (GOOD_ARRAYS, '{"num-examples": -7, "loss": 0.5}'),
    ],
)
def test_an_answer_of_another_form_than_the_board_read_stays_at_home(
    scene: Any, app_builder: Any, arrays: str, metrics: str
) -> None:
    made_secure(scene)
    scene.bundle = app_builder(ODD_APP.format(arrays=arrays, metrics=metrics))
    scene.permit = scene.issue()
    packages = packages_of(scene)
    scene.open_round(scene.permit)
    reply = answer(scene, 0, packages[0])
    assert reply.has_error() and reply.error.code == APP_FAILED and "4711" not in reply.error.reason
    assert scene.registry.uses(scene.permit) == []


def opened_by_researcher(scene: Any, change: Any) -> Any:
    """A round in which somebody on the way changes what hospitals answered."""
    with closing(scene.grid()) as grid:
        trained = training(scene, grid)
        asked = trained._exchange.ask

        def on_the_way(message_type: str, *arguments: Any) -> Any:
            replies, outcomes = asked(message_type, *arguments)
            return change(message_type, replies), outcomes

        trained._exchange.ask = on_the_way  # type: ignore[method-assign]
        return trained.round()


def test_a_vector_that_was_changed_on_its_way_is_found_and_its_hospital_named(secure: Any) -> None:
    def change(message_type: str, replies: Any) -> Any:
        if message_type == "train":
            record = dict(replies[secure.participants[1]].content["masked"])
            values = bytearray(record["values"])
            values[0] ^= 1
            replies[secure.participants[1]].content["masked"] = ConfigRecord(record | {"values": bytes(values)})
        return replies

    with pytest.raises(VectorRejected) as found:
        opened_by_researcher(secure, change)
    assert found.value.dataset_id == secure.participants[1]


def test_one_wrong_share_of_four_is_found_and_the_total_is_right_all_the_same(secure: Any) -> None:
    def change(message_type: str, replies: Any) -> Any:
        if message_type == UNMASK:
            record = bytearray(replies[secure.participants[2]].content["shares"]["shares"])
            record[5] ^= 1
            replies[secure.participants[2]].content["shares"] = ConfigRecord({"shares": bytes(record)})
        return replies

    result = opened_by_researcher(secure, change)
    assert result.rows == sum(table.rows for table in secure.consortium.tables)


def test_no_two_of_the_vectors_add_up_to_anything_without_shares(secure: Any) -> None:
    """The coordinator's attack on one hospital: every sum and difference of what it carried is noise."""
    packages = packages_of(secure)
    secure.open_round(secure.permit)
    values = [np.frombuffer(answer(secure, i, packages[i]).content["masked"]["values"], "<u8") for i in range(4)]
    for signs in itertools.product((-1, 0, 1), repeat=4):
        if any(signs):
            total = sum(
                (np.uint64(sign % 2**64) * each for sign, each in zip(signs, values, strict=True)), np.uint64(0)
            )
            assert np.abs(total.view(np.int64)).max() > 2**50


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"arrays": []}{',
        '{"arrays": [["g", [0]]]}',
        '{"arrays": [["g", [-1]]]}',
        '{"arrays": [["g", [1.5]]]}',
        '{"arrays": [["g", [1]], ["g", [2]]]}',
        '{"arrays": [["", [1]]]}',
        '{"arrays": [["g", [1]]], "clip": 3}',
        '{"arrays": [["g", [1]]], "sums": ["num-examples"]}',
        '{"arrays": [["g", [1]]], "weighted": 1}',
        '{"arrays": [["g", [1]]], "fraction_bits": 99}',
        '{"arrays": [["g", [1]]], "fraction_bits": true}',
        "[" * 20_000,
    ],
)
def test_a_configuration_that_does_not_say_what_is_summed_is_refused(text: str) -> None:
    with pytest.raises(Exception, match=SECURE_SUM_KEY):
        read_secure_sum({SECURE_SUM_KEY: text})


def test_a_configuration_reads_back_as_it_was_written() -> None:
    secure = SecureSum((("w", (3, 2)),), ("loss", "auc"), weighted=True, fraction_bits=20)
    assert read_secure_sum({SECURE_SUM_KEY: secure.to_text()}) == secure
    assert read_secure_sum({"other": 1}) is None


def test_weighted_sums_are_means_over_all_rows() -> None:
    secure = SecureSum((("w", (2,)),), ("loss",), weighted=True)
    answers = [
        ({"w": np.array([1.0, 2.0])}, {"num-examples": 10, "loss": 1.0}),
        ({"w": np.array([4.0, 8.0])}, {"num-examples": 30, "loss": 2.0}),
    ]
    total = sum(secure.encode(arrays, metrics, 2) for arrays, metrics in answers)
    arrays, metrics = secure.decode(total)
    np.testing.assert_allclose(arrays["w"], [3.25, 6.5])
    assert metrics == {"num-examples": 40.0, "loss": pytest.approx(1.75)}


def test_errors_of_opening_are_ours() -> None:
    assert issubclass(DealerRefuted, SecAggError) and UseKind.ROUND is not UseKind.QUERY
