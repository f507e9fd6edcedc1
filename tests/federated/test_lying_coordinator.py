"""A coordinator delivers messages and is trusted for nothing else. Here it lies; the nodes are real."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, Metadata, MetricRecord, RecordDict
from flwr.app.message.message import make_message

from belmont.federated.errors import APP_FAILED
from belmont.federated.grid.records import pack_records, write_arrays
from belmont.federated.node.requests import Claim, round_content
from belmont.registry.reasons import Reason

PURPOSE = 1 << 37


def message_to(scene, content, message_type="train", message_id="m1", dst=None):
    """A message to the first hospital's node, signed by the researcher: here the coordinator has what it carried."""
    node = scene.nodes[0]
    content = scene.signed(node, message_type, content)
    metadata = Metadata(7, message_id, 1, dst or node.node_id, "", "1", 1_750_000_000.0, 3_600.0, message_type)
    return make_message(metadata=metadata, content=content)


@pytest.fixture
def opened(scene):
    """A permit with round 1 open, the bundle delivered, and the honest content of its message."""
    permit = scene.issue()
    scene.open_round(permit)
    scene.nodes[0].deliver(7, scene.bundle)
    scene.content = round_content(Claim(permit, 1, PURPOSE, scene.participants), scene.config, scene.model)
    scene.permit = permit
    return scene


def nothing_left(scene):
    return scene.traces() == [] and scene.registry.uses() == []


def test_an_invented_round_gets_nothing(opened, refused):
    assert refused(opened.send_round(opened.permit, n=2)).reason is Reason.ROUND_NOT_OPEN
    assert refused(opened.send_round(opened.permit, n=0)).reason is Reason.ROUND_NOT_OPEN
    assert nothing_left(opened)


def served_again(scene, message_id="m2"):
    node = scene.nodes[0]
    return node.handle(message_to(scene, scene.content, message_id=message_id))


def test_a_replayed_message_gets_the_same_bytes_again_and_nothing_is_computed_or_charged(opened):
    node = opened.nodes[0]
    first = node.handle(message_to(opened, opened.content))
    for message_id in ("m", "m2"):
        assert pack_records(served_again(opened, message_id).content) == pack_records(first.content)
    assert opened.traces() == ["imported", "trained"]
    assert len(opened.registry.uses()) == 1


def test_a_replay_after_the_next_round_was_answered_gets_nothing(opened, refused):
    assert served_again(opened, "m").has_content()
    opened.open_round(opened.permit, n=2)
    second = round_content(Claim(opened.permit, 2, PURPOSE, opened.participants), opened.config, opened.model)
    node = opened.nodes[0]
    assert node.handle(message_to(opened, second, message_id="m2")).has_content()
    assert refused(served_again(opened, "m3")).reason is Reason.ALREADY_SERVED


def test_a_replay_after_a_revocation_gets_nothing(opened, refused):
    assert served_again(opened, "m").has_content()
    for member in opened.consortium.board:
        opened.registry.as_(member).vote_revoke(opened.permit)
    assert refused(served_again(opened)).reason is Reason.PERMIT_REVOKED


def test_a_replay_after_a_patient_took_consent_back_gets_nothing(opened, refused):
    assert served_again(opened, "m").has_content()
    opened.consortium.publish_unknown_batch(0)
    assert refused(served_again(opened)).reason is Reason.CONSENT_STALE


def test_a_replay_where_the_chain_has_another_result_gets_nothing(opened, refused, tmp_path):
    node = opened.nodes[0]
    assert served_again(opened, "m").has_content()
    with node.ledger._transaction():
        node.ledger._db.execute("UPDATE uses SET result_hash=?", (b"\7" * 32,))
    assert refused(served_again(opened)).reason is Reason.ALREADY_SERVED


def test_a_used_message_id_under_another_round_gets_nothing(opened, refused):
    node = opened.nodes[0]
    assert node.handle(message_to(opened, opened.content)).has_content()
    opened.open_round(opened.permit, n=2)
    second = round_content(Claim(opened.permit, 2, PURPOSE, opened.participants), opened.config, opened.model)
    assert refused(node.handle(message_to(opened, second))).reason is Reason.ALREADY_SERVED
    assert node.handle(message_to(opened, second, message_id="m2")).has_content()


def test_of_many_copies_at_once_exactly_one_is_computed(opened, refused):
    node = opened.nodes[0]
    with ThreadPoolExecutor(8) as pool:
        replies = list(
            pool.map(lambda i: node.handle(message_to(opened, opened.content, message_id=f"m{i}")), range(16))
        )
    assert len({pack_records(reply.content) for reply in replies if reply.has_content()}) == 1
    assert {refused(reply).reason for reply in replies if reply.has_error()} <= {Reason.ALREADY_SERVED}
    assert opened.traces() == ["imported", "trained"]
    assert len(opened.registry.uses()) == 1


def test_a_swapped_model_gets_nothing(opened, refused, changed_model):
    assert refused(opened.send_round(opened.permit, model=changed_model)).reason is Reason.MODEL_MISMATCH
    renamed = {"coefficient": opened.model["coefficients"]}
    assert refused(opened.send_round(opened.permit, model=renamed)).reason is Reason.MODEL_MISMATCH
    lower = {"coefficients": opened.model["coefficients"].astype(np.float32)}
    assert refused(opened.send_round(opened.permit, model=lower)).reason is Reason.MODEL_MISMATCH
    assert nothing_left(opened)


def test_swapped_participants_get_nothing(opened, refused):
    for participants in (
        opened.participants[:3],
        opened.participants[::-1],
        (*opened.participants[:3], opened.participants[0]),
        opened.participants[1:],
    ):
        reply = opened.send_round(opened.permit, participants=participants)
        assert refused(reply).reason is Reason.PARTICIPANTS_MISMATCH
    assert nothing_left(opened)


def test_a_model_hidden_beside_the_approved_one_never_reaches_the_code(opened, refused):
    content = opened.content
    content["more"] = write_arrays({"x": np.ones(3)})
    node = opened.nodes[0]
    assert refused(node.handle(message_to(opened, content))).reason is Reason.REQUEST_MALFORMED
    assert nothing_left(opened)


def test_the_code_sees_only_what_the_permit_binds(scene, app_builder):
    """Metadata that a coordinator may write freely is written anew by the node."""
    scene.bundle = app_builder(
        "import json\nfrom pathlib import Path\n"
        "from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict\nfrom flwr.clientapp import ClientApp\n"
        "app = ClientApp()\n@app.train()\ndef train(message, context):\n"
        "    m = message.metadata\n"
        "    seen = [m.group_id, m.message_id, m.src_node_id, m.run_id, sorted(message.content), context.run_config]\n"
        f"    Path({str(scene.trace)!r}).write_text(json.dumps(seen))\n"
        "    content = RecordDict({'arrays': message.content['arrays'],"
        " 'metrics': MetricRecord({'num-examples': 1})})\n"
        "    return Message(content, reply_to=message)\n"
    )
    permit = scene.issue()
    scene.open_round(permit)
    node = scene.nodes[0]
    node.deliver(7, scene.bundle)
    content = round_content(Claim(permit, 1, PURPOSE, scene.participants), scene.config, scene.model)
    metadata = Metadata(7, "covert id", 99, node.node_id, "reply", "covert group", 5.0, 3_600.0, "train")
    signed = scene.signed(node, "train", content)
    assert node.handle(make_message(metadata=metadata, content=signed)).has_content()
    import json

    seen = json.loads(scene.trace.read_text())
    assert seen == ["1", "round-1", 0, permit, ["arrays", "config"], scene.config]


@pytest.mark.parametrize("message_type", ["evaluate.other", "train.other", "query.other"])
def test_other_kinds_of_message_get_nothing(opened, refused, message_type):
    node = opened.nodes[0]
    reply = node.handle(message_to(opened, opened.content, message_type))
    assert refused(reply).reason is Reason.COMPUTATION_NOT_PERMITTED
    assert nothing_left(opened)


def test_a_message_for_another_node_or_without_an_id_gets_nothing(opened, refused):
    node = opened.nodes[0]
    for message in (
        message_to(opened, opened.content, dst=node.node_id + 2),
        message_to(opened, opened.content, message_id=""),
        message_to(opened, opened.content, message_id="x" * 1_000),
    ):
        assert refused(node.handle(message)).reason is Reason.REQUEST_MALFORMED
    assert nothing_left(opened)


def raw(dtype="<f8", shape=(4,), data=None, stype="numpy.ndarray", claimed=None):
    """An array whose header says what we like."""
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    body = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + (bytes(32) if data is None else data)
    return Array(claimed or "float64", tuple(shape), stype, body)


@pytest.mark.parametrize(
    "array",
    [
        raw(dtype="|O"),
        raw(dtype=">f8"),
        raw(dtype="<i8"),
        raw(dtype="<c16"),
        raw(shape=(10**12,)),
        raw(shape=(-4,)),
        raw(shape=(1,) * 20),
        raw(data=bytes(31)),
        raw(data=bytes(33)),
        raw(data=np.array([np.nan] * 4).tobytes()),
        raw(data=np.array([np.inf] * 4).tobytes()),
        raw(stype="pickle"),
        raw(claimed="float32"),
        Array("float64", (4,), "numpy.ndarray", b""),
        Array("float64", (4,), "numpy.ndarray", b"\x80\x04K\x01."),
        Array("float64", (4,), "numpy.ndarray", b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65_535),
        Array("float64", (4,), "numpy.ndarray", b"\x93NUMPY\x01\x00\x0b\x00{'shape': ("),
    ],
)
def test_malformed_arrays_are_refused_and_never_unpickled(opened, refused, array):
    content = opened.content
    content["arrays"] = ArrayRecord({"coefficients": array})
    node = opened.nodes[0]
    assert refused(node.handle(message_to(opened, content))).reason is Reason.REQUEST_MALFORMED
    assert nothing_left(opened)


@pytest.mark.parametrize(
    "use",
    [
        {},
        {"permit": 1},
        {"permit": "1"},
        {"permit": True},
        {"permit": -1},
        {"permit": 2**64},
        {"n": 1.0},
        {"n": 2**32},
        {"purpose": b"x"},
        {"participants": []},
        {"participants": [b"short"]},
        {"participants": ["text"]},
        {"participants": [bytes(32)] * 1_001},
        {"extra": 1},
    ],
)
def test_malformed_claims_are_refused(opened, refused, use):
    fields = {"permit": opened.permit, "n": 1, "purpose": PURPOSE, "participants": list(opened.participants)}
    content = opened.content
    content["use"] = ConfigRecord(use if use in ({}, {"permit": 1}) else fields | use)
    node = opened.nodes[0]
    reason = refused(node.handle(message_to(opened, content))).reason
    expected = Reason.TOO_FEW_HOSPITALS if use == {"participants": []} else Reason.REQUEST_MALFORMED
    assert reason is expected
    assert nothing_left(opened)


def test_records_of_another_type_or_size_are_refused(opened, refused):
    node = opened.nodes[0]
    huge = ArrayRecord({f"a{i}": Array(np.zeros(1)) for i in range(1_001)})
    for name, record in (
        ("arrays", ConfigRecord({})),
        ("arrays", huge),
        ("config", MetricRecord({})),
        ("config", ConfigRecord({"features": ["a", "b"]})),
        ("config", ConfigRecord({"features": b"age"})),
        ("config", ConfigRecord({f"key{i}": 1 for i in range(300)})),
        ("config", ConfigRecord({"features": "x" * 70_000})),
        ("config", ConfigRecord({"rate": float("inf")})),
        ("use", MetricRecord({})),
    ):
        content = RecordDict(dict(opened.content.items()))
        content[name] = record
        assert refused(node.handle(message_to(opened, content))).reason is Reason.REQUEST_MALFORMED
    assert nothing_left(opened)


def test_an_error_message_sent_to_a_node_gets_nothing(opened, refused):
    from flwr.app import Error

    node = opened.nodes[0]
    message = make_message(metadata=message_to(opened, opened.content).metadata, error=Error(1, "x"))
    assert refused(node.handle(message)).reason is Reason.REQUEST_MALFORMED


FAILING = """
import builtins
from flwr.clientapp import ClientApp
from belmont.federated.errors import APP_FAILED, Refusal
from belmont.registry.reasons import Reason
app = ClientApp()
@app.train()
def train(message, context):
    raise {raised}
"""


@pytest.mark.parametrize(
    "raised",
    [
        "ValueError('patient 4711 has HbA1c 12.3')",
        "type('patient_4711_', (Exception,), {})()",
        "type('patient_4711_', (BaseException,), {'__module__': 'builtins'})()",
        "type('patient_4711_', (KeyError,), {})('4711')",
        "Refusal(Reason.PERMIT_FROZEN, 'patient 4711', 'patient 4711')",
        "KeyboardInterrupt('4711')",
        "SystemExit('4711')",
        "GeneratorExit('4711')",
    ],
)
def test_nothing_that_the_code_chose_leaves_in_an_error_or_stands_in_the_log(scene, app_builder, caplog, raised):
    """A study that puts records into its exception's text or class name gets one fixed sentence."""
    scene.bundle = app_builder(FAILING.format(raised=raised))
    permit = scene.issue()
    scene.open_round(permit)
    reply = scene.send_round(permit)
    assert reply.error.code == APP_FAILED
    assert reply.error.reason == "the study's code failed; the hospital's log says where"
    (line,) = [record.getMessage() for record in caplog.records if record.name.startswith("belmont")]
    assert "4711" not in line and "client_app.py:9" in line
    assert scene.registry.uses(permit) == []
    assert len(scene.nodes[0].ledger.entries()) == 1, "the round is consumed"


@pytest.mark.parametrize(
    "answer",
    [
        "None",
        "Message(RecordDict({'arrays': ArrayRecord({})}), reply_to=message)",
        "Message(RecordDict({'arrays': message.content['arrays'], 'metrics': MetricRecord({'loss': float('nan')})}),"
        " reply_to=message)",
        "Message(RecordDict({'arrays': message.content['arrays'], 'metrics': MetricRecord({}),"
        " 'more': ConfigRecord({'record': 'patient 4711'})}), reply_to=message)",
        "Message(RecordDict({'arrays': ArrayRecord({'a': Array(np.arange(3))}), 'metrics': MetricRecord({})}),"
        " reply_to=message)",
        "1 / 0",
        "exit(3)",
        "Message(RecordDict({'arrays': ArrayRecord({'patient 4711 \\ud800': Array(np.zeros(3))}),"
        " 'metrics': MetricRecord({})}), reply_to=message)",
    ],
)
def test_code_that_answers_what_a_node_may_not_release_releases_nothing(scene, app_builder, answer):
    scene.bundle = app_builder(
        "import numpy as np\nfrom flwr.app import *\nfrom flwr.clientapp import ClientApp\napp = ClientApp()\n"
        f"@app.train()\ndef train(message, context):\n    return {answer}\n"
    )
    permit = scene.issue()
    scene.open_round(permit)
    reply = scene.send_round(permit)
    assert isinstance(reply, Message) and reply.has_error() and not reply.has_content()
    assert reply.error.reason == "the study's code failed; the hospital's log says where"
    assert scene.registry.uses(permit) == []
