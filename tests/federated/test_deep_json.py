"""No reader of a stranger's JSON ends the node's process, whose recursion limit its libraries raise."""

import subprocess
import sys

import pytest

READ = """
import belmont.federated.node.node
import sys
assert sys.getrecursionlimit() >= 100_000, "the libraries do not raise it any more: this test shows nothing"
{imported}
try:
    {read}
except Exception as error:
    print(type(error).__name__)
"""
DEEP = 'b"[" * 65_000'


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
        ("from belmont.identity.signed_message import SignedMessage", f"SignedMessage.from_json({DEEP})"),
        ("from belmont.lab.destruction_report import SignedReport", f"SignedReport.from_bytes({DEEP})"),
    ],
)
def test_deep_text_is_refused(imported: str, read: str) -> None:
    code = READ.format(imported=imported, read=read)
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-500:]
