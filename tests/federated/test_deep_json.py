"""No reader of a stranger's JSON ends the node's process, whose recursion limit its libraries raise."""

import subprocess
import sys

import pytest

READ = """
import belmont.federated.node.node
import sys, threading
assert sys.getrecursionlimit() >= 100_000, "the libraries do not raise it any more: this test shows nothing"
{imported}
def read():
    try:
        {read}
    except Exception as error:
        print(type(error).__name__)
threading.stack_size(1024 * 1024)
thread = threading.Thread(target=read)
thread.start()
thread.join()
"""
DEEP = 'b"[" * 65_000'
HIDDEN = "'[\"]\",' * 65_000"
"""Each bracket that opens is followed by a text with one that closes."""


@pytest.mark.parametrize(
    ("imported", "read"),
    [
        ("from belmont.federated.query.question import Query", f"Query.from_canonical({DEEP})"),
        ("from belmont.federated.bounded.record import RoundRecord", f"RoundRecord.from_bytes({DEEP})"),
        (
            "from belmont.federated.secagg.settings import read_secure_sum, SECURE_SUM_KEY",
            'read_secure_sum({SECURE_SUM_KEY: "[" * 19_000})',
        ),
        ("from belmont.federated.errors import Refusal", 'print(Refusal.from_json("[" * 65_000))'),
        ("from belmont.federated.profile.document import SignedProfile", f"SignedProfile.from_bytes({DEEP})"),
        ("from belmont.federated.errors import Refusal", f"print(Refusal.from_json({HIDDEN}))"),
        (
            "from belmont.federated.deployed.http import read_json; import httpx",
            f"read_json(httpx.Response(400, content={DEEP}), 'asking')",
        ),
        (
            "from belmont.federated.deployed.http import explained; import httpx",
            f"explained(httpx.Response(400, content={DEEP}, request=httpx.Request('GET', 'https://here'))"
            ".raise_for_status, 'asking')",
        ),
        ("from belmont.light.reading import read_json", f"read_json(({HIDDEN}).encode(), 10**6)"),
        (
            "from belmont.chain.transport import JsonRpcTransport",
            "there = JsonRpcTransport('http://127.0.0.1:1', 1.0); "
            f"there._post = lambda *_: {DEEP}; there.request('eth_blockNumber')",
        ),
        ("from belmont.chain.audit.replay import _same_document", f"_same_document(0, 0, 'log', {HIDDEN}, {{}})"),
        ("from belmont.identity.signed_message import SignedMessage", f"SignedMessage.from_json({DEEP})"),
        ("from belmont.lab.destruction_report import SignedReport", f"SignedReport.from_bytes({DEEP})"),
    ],
)
def test_deep_text_is_refused(imported: str, read: str) -> None:
    code = READ.format(imported=imported, read=read)
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-500:]
