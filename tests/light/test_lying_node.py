"""A node that changes one answer on the way: found out while fetching, before a bundle is handed out."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from belmont.chain.transport import JsonRpcTransport
from belmont.light.errors import LightError, NotThere, ProofRefused, SourceUnreachable
from belmont.light.fetch import Wanted, fetch, take_checkpoint
from belmont.light.sources import Source

Lie = Callable[[Any], Any]


class LyingNode:
    """Relays to an honest node; what it answers to ``method`` is changed by ``lie``."""

    def __init__(self, url: str, method: str, lie: Lie) -> None:
        honest = JsonRpcTransport(url, 10)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                answers = honest.exchange(json.dumps(request).encode())
                single = isinstance(request, dict)
                pairs = [(request, answers)] if single else list(zip(request, answers, strict=True))
                for asked, answer in pairs:
                    if asked["method"] == method and "result" in answer:
                        answer["result"] = lie(answer["result"])
                body = json.dumps(answers).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Nothing on the terminal."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def lying(chain: Any) -> Iterator[Callable[[str, Lie], Source]]:
    nodes: list[LyingNode] = []

    def start(method: str, lie: Lie) -> Source:
        nodes.append(LyingNode(chain.url, method, lie))
        return Source(nodes[-1].url)

    yield start
    for node in nodes:
        node.stop()


def flipped(text: str) -> str:
    """With the last bit changed."""
    return text[:-1] + f"{int(text[-1], 16) ^ 1:x}"


def with_other_log(receipts: Any) -> Any:
    for receipt in receipts:
        for log in receipt["logs"]:
            log["data"] = flipped(log["data"])
    return receipts


def with_last(name: str, change: Lie) -> Lie:
    def lie(entries: Any) -> Any:
        entries[-1][name] = change(entries[-1][name])
        return entries

    return lie


LIES: dict[str, tuple[str, Lie, type[LightError]]] = {
    "headers with a bit changed": ("debug_getRawHeader", flipped, LightError),
    "headers that are none": ("debug_getRawHeader", lambda _: "0x00", ProofRefused),
    "headers that are not there": ("debug_getRawHeader", lambda _: None, SourceUnreachable),
    "blocks with a bit changed": ("debug_getRawBlock", flipped, SourceUnreachable),
    "blocks without transactions": ("debug_getRawBlock", lambda _: "0xc4c0c0c0c0", SourceUnreachable),
    "receipts with another log": ("eth_getBlockReceipts", with_other_log, SourceUnreachable),
    "receipts of a reverted transaction": ("eth_getBlockReceipts", with_last("status", flipped), SourceUnreachable),
    "no receipts": ("eth_getBlockReceipts", lambda _: [], SourceUnreachable),
    "no events": ("eth_getLogs", lambda _: [], NotThere),
    "events of a transaction that is not there": (
        "eth_getLogs",
        with_last("transactionIndex", lambda _: "0x7"),
        SourceUnreachable,
    ),
    "events at another place": ("eth_getLogs", with_last("logIndex", lambda _: "0x7"), ProofRefused),
    "events that cannot be read": ("eth_getLogs", with_last("data", lambda _: "0x01"), SourceUnreachable),
    "proofs without their last node": (
        "eth_getProof",
        lambda answer: answer | {"accountProof": answer["accountProof"][:-1]},
        ProofRefused,
    ),
    "proofs of a slot with a bit changed": (
        "eth_getProof",
        lambda answer: (
            answer
            | {
                "storageProof": [
                    each | {"proof": [flipped(node) for node in each["proof"]]} for each in answer["storageProof"]
                ]
            }
        ),
        ProofRefused,
    ),
    "no proofs": ("eth_getProof", lambda _: {}, SourceUnreachable),
}


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_found_out_while_fetching(chain: Any, lying: Any, name: str) -> None:
    chain.vote(88)
    checkpoint = chain.checkpoint()
    asked = [Wanted("Ledger", "VoteCast", {"study": 88})], [("Ledger", "count")]
    assert fetch(chain.source, checkpoint, *asked, chain.release)
    method, lie, error = LIES[name]
    with pytest.raises(error):
        fetch(lying(method, lie), checkpoint, *asked, chain.release)


def test_a_hidden_event_is_not_found_out(chain: Any, lying: Any) -> None:
    """What docs/light_client.md says: a bundle never shows that there is nothing else."""
    for _ in range(2):
        chain.vote(89)
    asked = [Wanted("Ledger", "VoteCast", {"study": 89})]
    hiding = fetch(lying("eth_getLogs", lambda logs: logs[:-1]), chain.checkpoint(), asked, (), chain.release)
    assert (len(hiding.claims), len(chain.votes(89).claims)) == (1, 2)


@pytest.mark.parametrize(
    ("method", "lie"),
    [
        ("eth_getCode", flipped),
        ("eth_chainId", lambda _: "nothing"),
        ("eth_blockNumber", lambda number: hex(int(number, 16) + 1000)),
        ("debug_getRawHeader", lambda _: "0x00"),
    ],
)
def test_a_lie_is_found_out_while_a_checkpoint_is_taken(chain: Any, lying: Any, method: str, lie: Lie) -> None:
    with pytest.raises((SourceUnreachable, ProofRefused)):
        take_checkpoint([lying(method, lie)], chain.addresses)


def test_a_node_that_gives_an_older_block_for_the_newest_one_is_found_out(chain: Any, lying: Any) -> None:
    older = "0x" + chain.source.header(1).encoded.hex()
    with pytest.raises(SourceUnreachable, match="gave block 1 where"):
        take_checkpoint([lying("debug_getRawHeader", lambda _: older)], chain.addresses)
