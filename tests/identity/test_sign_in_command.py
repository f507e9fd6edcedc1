"""``belmont sign sign-in``: the text of a service, signed from a key file and nothing else of that form."""

from collections.abc import Callable
from pathlib import Path

import pytest

from belmont.cli import main
from belmont.identity.keys import Identity
from belmont.identity.sign_in_message import SignInMessage, resources_of, written
from belmont.identity.signed_message import joined, recover

NOW = 1_790_000_000


def message(identity: Identity, **changes: object) -> SignInMessage:
    fields: dict[str, object] = {
        "domain": "belmont.example",
        "address": identity.address,
        "uri": "https://belmont.example/sign-in",
        "chain_id": identity.chain_id,
        "nonce": "a" * 32,
        "issued_at": written(NOW),
        "expiration_time": written(4_000_000_000),
    }
    return SignInMessage(**(fields | changes))  # type: ignore[arg-type]


@pytest.fixture
def identity(tmp_path: Path) -> Identity:
    made = Identity.create()
    made.save(tmp_path / "me.json")
    return made


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., int]:
    def run(text: str, *more: str, out: str = "signature.txt") -> int:
        (tmp_path / "text.txt").write_bytes(text.encode())
        files = ["--message", str(tmp_path / "text.txt"), "--key", str(tmp_path / "me.json")]
        return main(["sign", "sign-in", *files, "--out", str(tmp_path / out), "--yes", *more])

    return run


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_text_is_signed_as_the_service_wrote_it(
    identity: Identity, run: Callable[..., int], tmp_path: Path, ending: str
) -> None:
    asked = message(identity)
    text = asked.text.replace("\n", "\r\n") if ending == "\r\n" else asked.text
    assert run(text + ending) == 0
    signature = (tmp_path / "signature.txt").read_text()
    assert recover(asked.digest, bytes.fromhex(signature.strip()[2:])) == identity.address


def test_whom_one_signs_in_as_is_shown(
    identity: Identity, run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    other = Identity.create().address
    assert run(message(identity, resources=resources_of(identity.address, other, identity.chain_id)).text) == 0
    assert f"signs in at belmont.example as {other}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + "\n\n",
        lambda text: text.replace("Version: 1", "Version: 2"),
        lambda text: "I owe you everything",
        lambda text: text.replace("belmont.example wants", "bélmont.example wants"),
        lambda text: "",
    ],
)
def test_what_is_no_sign_in_is_not_signed(
    identity: Identity, run: Callable[..., int], tmp_path: Path, change: Callable[[str], str]
) -> None:
    assert run(change(message(identity).text)) == 2
    assert not (tmp_path / "signature.txt").exists()


def test_a_text_that_is_over_is_not_signed(identity: Identity, run: Callable[..., int], tmp_path: Path) -> None:
    assert run(message(identity, expiration_time=written(NOW - 100_000_000)).text) == 2
    assert not (tmp_path / "signature.txt").exists()


def test_the_text_of_another_key_or_chain_is_not_signed(identity: Identity, run: Callable[..., int]) -> None:
    assert run(message(Identity.create()).text) == 2
    assert run(message(identity, chain_id=1).text) == 2


def test_nothing_is_overwritten(identity: Identity, run: Callable[..., int], tmp_path: Path) -> None:
    (tmp_path / "signature.txt").write_text("mine")
    assert run(message(identity).text) == 2
    assert (tmp_path / "signature.txt").read_text() == "mine"


def test_the_people_of_a_wallet_sign_one_after_another(
    identity: Identity, run: Callable[..., int], tmp_path: Path
) -> None:
    wallet, second = Identity.create().address, Identity.create()
    asked = message(identity, address=wallet)
    assert run(asked.text) == 2, "only where one says that it is a wallet's"
    assert run(asked.text, "--wallet", out="first.txt") == 0
    second.save(tmp_path / "second.json")
    files = ["--message", str(tmp_path / "text.txt"), "--key", str(tmp_path / "second.json"), "--wallet", "--yes"]
    others = ["--with", str(tmp_path / "first.txt"), "--out", str(tmp_path / "both.txt")]
    assert main(["sign", "sign-in", *files, *others]) == 0
    both = bytes.fromhex((tmp_path / "both.txt").read_text().strip()[2:])
    signatures = [
        bytes(each.account.unsafe_sign_hash(asked.digest).signature)  # type: ignore[arg-type]
        for each in (identity, second)
    ]
    assert both == joined(asked.digest, signatures)
