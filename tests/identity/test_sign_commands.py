"""``belmont sign``: from options to a file, with no network."""

import io
import json
import os
import pty
import subprocess
import sys
import time

import pytest
from eth_account import Account
from eth_utils import keccak, to_checksum_address

from belmont.cli import main
from belmont.identity import messages
from belmont.identity import words as identity_words
from belmont.identity.approval_conditions import ApprovalConditions
from belmont.identity.keys import Identity
from belmont.identity.messages import reason_hash
from belmont.identity.sign_commands import BOUNDS, COMMANDS
from belmont.identity.signed_message import SignedMessage
from belmont.registry import limits
from belmont.registry.consents.scope import Category
from belmont.registry.duo.terms import Purpose

RELAY = to_checksum_address("0x" + "ab" * 20)
DATASET = "0x" + "11" * 32
OTHER = to_checksum_address("0x" + "cd" * 20)
OWN_OPTIONS = {
    "vote": ["--study", "3", "--refuse"],
    "recusal": ["--study", "3"],
    "agreement": ["--study", "3", "--conditions", DATASET],
    "accept": ["--study", "3", "--dataset", DATASET],
    "freeze": ["--permit", "3", "--for", "12h"],
    "lift": ["--permit", "3", "--freeze", "1"],
    "revoke": ["--permit", "3"],
    "withdraw": ["--permit", "3", "--dataset", DATASET],
    "support-member": ["--proposal", "3"],
    "support-rule": ["--proposal", "3"],
    "pause": ["--pause", "1"],
    "resume": ["--pause", "1"],
    "consent": ["--dataset", DATASET, "--purpose", "37", "--purpose", "32", "--categories", "7", "--days", "2",
                "--sequence", "1", "--recipient", OTHER, "--recipient", RELAY],
    "revoke-consent": ["--dataset", DATASET, "--sequence", "2"],
    "release": ["--permit", "3", "--model-hash", DATASET, "--evaluated-round", "2", "--card-hash", DATASET,
                "--evidence-hash", DATASET],
    "object": ["--permit", "3", "--model-hash", DATASET],
    "confirm": ["--permit", "3", "--model-hash", DATASET, "--objections", "1"],
    "withdraw-release": ["--permit", "3", "--model-hash", DATASET],
    "rotate": ["--new-owner", OTHER],
    "delegate": ["--delegate", OTHER, "--for", "365d"],
    "revoke-delegate": ["--delegate", OTHER],
    "call": ["--to", OTHER, "--data", "0x1234"],
}  # fmt: skip


@pytest.fixture
def key(tmp_path):
    Identity.create().save(tmp_path / "key.json")
    return tmp_path / "key.json"


def options(command, key, out):
    contract = messages.MESSAGES[COMMANDS[command]].CONTRACT.lower()
    return ["sign", command, *OWN_OPTIONS[command], f"--{contract}", RELAY, "--key", str(key), "--out", str(out)]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_kind_of_message_is_signed_and_shown(command, key, tmp_path, capsys):
    assert main(options(command, key, tmp_path / "out.json")) == 0
    signed = SignedMessage.load(tmp_path / "out.json")
    address = Identity.load(key).address
    assert type(signed.message).__name__ == COMMANDS[command] and signed.signers == (address,)
    assert (signed.domain.chain_id, signed.domain.contract) == (1337, RELAY)
    shown = capsys.readouterr().out
    assert signed.message.sentence() in shown and address in shown
    assert main(["sign", "show", str(tmp_path / "out.json")]) == 0
    assert capsys.readouterr().out in shown


def test_every_message_has_a_command():
    assert set(COMMANDS.values()) == set(messages.MESSAGES) - {"SetAttribute", "RevokeAttribute"}


def test_a_vote_says_what_the_options_say(key, tmp_path):
    (tmp_path / "why.txt").write_text("because\n")
    more = ["--reason-file", str(tmp_path / "why.txt"), "--valid-for", "2d", "--chain-id", "7", "--actor", OTHER]
    assert main([*options("vote", key, tmp_path / "out.json"), *more]) == 0
    signed = SignedMessage.load(tmp_path / "out.json")
    vote = signed.message
    assert (vote.actor, vote.study, vote.approve) == (OTHER, 3, False)
    assert vote.reason_hash == reason_hash("because") and signed.reason is None
    assert signed.domain.chain_id == 7
    assert 0 <= time.time() + 2 * 86_400 - vote.deadline < 60


def approval(key, out, *more):
    words = options("vote", key, out)
    words[words.index("--refuse")] = "--approve"
    return [*words, *more]


def test_a_vote_sets_the_conditions_of_a_file_one_on_each_line(key, tmp_path, capsys):
    (tmp_path / "conditions.txt").write_text("\ufeffReport every six months. \n\n每六个月报告一次。\r\n", "utf-8")
    assert main(approval(key, tmp_path / "out.json", "--condition-file", str(tmp_path / "conditions.txt"))) == 0
    signed = SignedMessage.load(tmp_path / "out.json")
    conditions = ApprovalConditions(("Report every six months.", "每六个月报告一次。"))
    assert signed.conditions == conditions and signed.message.conditions_hash == conditions.hash
    assert "condition 2" in capsys.readouterr().out
    (tmp_path / "conditions.json").write_bytes(conditions.canonical())
    assert main(approval(key, tmp_path / "same.json", "--condition-file", str(tmp_path / "conditions.json"))) == 0
    assert SignedMessage.load(tmp_path / "same.json").conditions == conditions


def test_a_vote_sets_conditions_by_their_hash_alone(key, tmp_path):
    assert main(approval(key, tmp_path / "out.json", "--conditions", DATASET)) == 0
    signed = SignedMessage.load(tmp_path / "out.json")
    assert signed.message.conditions_hash == b"\x11" * 32 and signed.conditions is None
    assert main(approval(key, tmp_path / "none.json")) == 0
    assert SignedMessage.load(tmp_path / "none.json").message.conditions_hash == bytes(32)


def test_a_vote_against_sets_no_conditions(key, tmp_path, capsys):
    (tmp_path / "conditions.txt").write_text("Report every six months.")
    for more in (["--conditions", DATASET], ["--condition-file", str(tmp_path / "conditions.txt")]):
        assert main([*options("vote", key, tmp_path / "out.json"), *more]) == 2
        assert "sets no conditions" in capsys.readouterr().err and not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(
    "content",
    [b"", b" \n", b"\xff", b"{", b"one\none", b"x" * 1001, b"\n".join(b"%d" % n for n in range(21)), b"x" * 100_000],
)
def test_a_file_of_no_conditions_is_refused(key, tmp_path, capsys, content):
    (tmp_path / "conditions.txt").write_bytes(content)
    words = approval(key, tmp_path / "out.json", "--condition-file", str(tmp_path / "conditions.txt"))
    assert main(words) == 2 and not (tmp_path / "out.json").exists()
    assert "condition" in capsys.readouterr().err


def test_a_consent_holds_its_recipients_in_order_and_its_purposes_as_bits(key, tmp_path):
    assert main(options("consent", key, tmp_path / "out.json")) == 0
    grant = SignedMessage.load(tmp_path / "out.json").message
    assert grant.recipients == tuple(sorted((OTHER, RELAY), key=lambda each: int(each, 16)))
    assert grant.purposes == 1 << 37 | 1 << 32
    assert grant.valid_until - grant.valid_from == 2 * 86_400


def test_a_rotation_is_signed_by_both_keys(key, tmp_path):
    Identity.create().save(tmp_path / "new.json")
    words = options("rotate", key, tmp_path / "out.json")
    words[2:4] = ["--new-key", str(tmp_path / "new.json")]
    assert main(words) == 0
    signed = SignedMessage.load(tmp_path / "out.json")
    assert signed.signers == (Identity.load(key).address, signed.message.new_owner)


def test_a_file_that_is_there_stays_as_it_is(key, tmp_path, capsys):
    (tmp_path / "out.json").write_text("mine")
    assert main(options("vote", key, tmp_path / "out.json")) == 2
    assert (tmp_path / "out.json").read_text() == "mine"
    assert "out.json exists: choose another name" in capsys.readouterr().err
    assert main(["sign", "show", str(tmp_path / "none.json")]) == 2
    assert "none.json: correct the path" in capsys.readouterr().err


def test_a_browser_wallet_signs_what_was_written_unsigned(tmp_path):
    person = Account.from_key(keccak(b"person"))
    words = options("vote", "nothing", tmp_path / "unsigned.json")
    words = [*words[:-4], *words[-2:], "--unsigned", "--actor", person.address, "--chain-id", "1337"]
    assert main(words) == 0
    typed = json.loads((tmp_path / "unsigned.json").read_text())["typed_data"]
    signature = person.sign_typed_data(full_message=typed).signature
    add = ["sign", "add", str(tmp_path / "unsigned.json"), "--signature", "0x" + signature.hex(), "--out"]
    assert main([*add, str(tmp_path / "signed.json")]) == 0
    assert SignedMessage.load(tmp_path / "signed.json").signers == (person.address,)


def test_a_second_person_adds_a_signature_and_is_asked_first(key, tmp_path, capsys, monkeypatch):
    main(options("vote", key, tmp_path / "one.json"))
    Identity.create().save(tmp_path / "second.json")
    add = ["sign", "add", str(tmp_path / "one.json"), "--key", str(tmp_path / "second.json"), "--out"]
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert main([*add, str(tmp_path / "two.json")]) == 2, "nobody is at the terminal"
    assert "nothing was signed" in capsys.readouterr().err
    assert main([*add, str(tmp_path / "two.json"), "--yes"]) == 0
    assert len(SignedMessage.load(tmp_path / "two.json").signers) == 2


def test_a_password_is_read_from_a_private_file(tmp_path, capsys):
    identity = Identity.create()
    identity.save(tmp_path / "key.json", "correct horse", scrypt_n=2**12)
    (tmp_path / "password").write_text("correct horse\n")
    words = [
        *options("vote", tmp_path / "key.json", tmp_path / "out.json"),
        "--password-file",
        str(tmp_path / "password"),
    ]
    (tmp_path / "password").chmod(0o644)
    assert main(words) == 2
    assert "chmod 600" in capsys.readouterr().err
    (tmp_path / "password").chmod(0o600)
    assert main(words) == 0
    assert SignedMessage.load(tmp_path / "out.json").signers == (identity.address,)
    (tmp_path / "password").write_text("wrong\n")
    assert main([*words[:-3], str(tmp_path / "again.json"), *words[-2:]]) == 2
    assert not (tmp_path / "again.json").exists()


def test_a_password_is_typed_at_a_terminal(tmp_path):
    Identity.create().save(tmp_path / "key.json", "correct horse", scrypt_n=2**12)
    words = options("vote", tmp_path / "key.json", tmp_path / "out.json")
    controller, terminal = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "belmont.cli", *words], stdin=terminal, stdout=terminal, stderr=terminal,
        start_new_session=True,
    ) as process:  # fmt: skip
        os.close(terminal)
        seen = b""
        while b"Password of" not in seen:
            seen += os.read(controller, 1024)
        os.write(controller, b"correct horse\n")
        assert process.wait(timeout=30) == 0
    os.close(controller)
    assert (tmp_path / "out.json").exists() and b"horse" not in seen


def test_without_a_terminal_nobody_is_asked(tmp_path, capsys, monkeypatch):
    Identity.create().save(tmp_path / "key.json", "correct horse", scrypt_n=2**12)
    monkeypatch.setattr(sys, "stdin", io.StringIO("correct horse\n"))
    assert main(options("vote", tmp_path / "key.json", tmp_path / "out.json")) == 2
    assert "--password-file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (["--unsigned"], "--unsigned"),
        (["--reason-file", "missing.txt"], "missing.txt"),
    ],
)
def test_what_does_not_fit_together_is_refused(key, tmp_path, capsys, change, word):
    assert main([*options("vote", key, tmp_path / "out.json"), *change]) == 2
    assert word in capsys.readouterr().err and not (tmp_path / "out.json").exists()


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff", b"x" * 4097])
def test_a_reason_that_is_none_is_refused(key, tmp_path, capsys, content):
    (tmp_path / "why.txt").write_bytes(content)
    words = [*options("vote", key, tmp_path / "out.json"), "--reason-file", str(tmp_path / "why.txt")]
    assert main(words) == 2 and not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"--study": "three"},
        {"--relay": "0x12"},
        {"--relay": RELAY[:-1] + RELAY[-1].swapcase()},
        {"--valid-for": "7"},
        {"--valid-for": "-7d"},
        {"--valid-for": "0d"},
    ],
)
def test_a_mistyped_option_is_refused_before_anything_is_read(key, tmp_path, change):
    words = [*options("vote", key, tmp_path / "out.json"), "--valid-for", "1d"]
    for name, value in change.items():
        words[words.index(name) + 1] = value
    with pytest.raises(SystemExit):
        main(words)


def test_a_number_that_no_message_holds_is_refused(key, tmp_path, capsys):
    words = options("vote", key, tmp_path / "out.json")
    words[words.index("3")] = str(2**64)
    assert main(words) == 2
    assert "study must be" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "option", "value", "why"),
    [
        ("consent", "--categories", "0", "sum of 1, 2, 4"),
        ("consent", "--categories", "256", "sum of 1, 2, 4"),
        ("consent", "--days", "0", "take 1 to 36500"),
        ("consent", "--days", "36501", "take 1 to 36500"),
        ("consent", "--sequence", "0", "is at least 1"),
        ("revoke-consent", "--sequence", "0", "is at least 1"),
        ("freeze", "--for", "8d", "7 days"),
    ],
)
def test_what_no_contract_takes_is_not_signed(key, tmp_path, capsys, command, option, value, why):
    words = options(command, key, tmp_path / "out.json")
    words[words.index(option) + 1] = value
    assert main(words) == 2 and not (tmp_path / "out.json").exists()
    assert why in capsys.readouterr().err


def test_the_widest_that_contracts_take_is_signed_with_their_bounds(key, tmp_path):
    assert BOUNDS["categories"][:2] == (1, limits.CATEGORIES_MASK)
    assert BOUNDS["duration"][:2] == (1, limits.FREEZE_MAX_SECONDS)
    words = options("freeze", key, tmp_path / "freeze.json")
    words[words.index("--for") + 1] = "7d"
    assert main(words) == 0
    words = options("consent", key, tmp_path / "consent.json")
    words[words.index("--days") + 1], words[words.index("--categories") + 1] = "36500", "255"
    assert main(words) == 0


def test_a_consent_is_shown_in_words_and_dates(key, tmp_path, capsys):
    words = [*options("consent", key, tmp_path / "out.json"), "--from", "1800000000"]
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "research (population, biomedical) with data (demographics, diagnoses, measurements)" in shown
    assert "from 2027-01-15 08:00:00 UTC until 2027-01-17 08:00:00 UTC" in shown
    assert f"{1 << 32 | 1 << 37} (population, biomedical)" in shown
    assert {number: Purpose(1 << number).label for number in limits.PURPOSES} == identity_words.PURPOSES
    assert list(identity_words.CATEGORIES) == [each.name.lower() for each in Category]
    assert identity_words.moment(2**64 - 1) == f"second {2**64 - 1}"
    assert identity_words.purposes(1 << 50) == "unknown (50)"


@pytest.mark.parametrize("size", [1, 64, 66, 130])
def test_a_signature_of_another_length_is_not_put_in(key, tmp_path, capsys, size):
    assert main(options("vote", key, tmp_path / "one.json")) == 0
    words = ["sign", "add", str(tmp_path / "one.json"), "--signature", "0x" + "11" * size, "--out"]
    assert main([*words, str(tmp_path / "two.json")]) == 2 and not (tmp_path / "two.json").exists()
    assert f"65 bytes; this has {size}" in capsys.readouterr().err


def test_signing_starts_fast_and_loads_no_client_of_a_chain(key, tmp_path):
    words = options("vote", key, tmp_path / "out.json")
    code = (
        f"import sys; from belmont.cli import main; assert main({words!r}) == 0; "
        "print('loaded', [m for m in sys.modules if m.split('.')[0] in ('web3', 'eth', 'vyper', 'socketserver')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded []"


@pytest.mark.parametrize("command", ["consent", "revoke-consent"])
def test_the_sequence_of_a_statement_is_the_time_now_where_none_is_named(key, tmp_path, command):
    words, before = options(command, key, tmp_path / "out.json"), int(time.time())
    at = words.index("--sequence")
    assert main(words[:at] + words[at + 2 :]) == 0
    assert before <= SignedMessage.load(tmp_path / "out.json").message.sequence <= time.time()
