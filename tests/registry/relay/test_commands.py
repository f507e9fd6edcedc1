"""From ``belmont key`` and ``belmont sign`` to ``belmont relay``, on the embedded chain in a process of its own."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from eth_account import Account
from eth_utils import keccak

from belmont.cli import main
from belmont.identity.keys import Identity
from belmont.identity.messages import MemberSupport
from belmont.registry.types import Address


@pytest.fixture
def url(chain_process):
    return chain_process.url


@pytest.fixture
def domain(on_chain):
    return on_chain.registry.relay.domain


@pytest.fixture
def proposal(on_chain):
    """A removal that is never carried here: one member supports it, and one by message."""
    removed = Address(on_chain.data_user.address)
    return on_chain.registry.as_(on_chain.holders[0]).propose_removal(removed)


@pytest.fixture
def key_file(on_chain, tmp_path):
    """A board member's key file."""
    identity = Identity(on_chain.board[0], X25519PrivateKey.generate(), 1337)
    identity.save(tmp_path / "board.json")
    return tmp_path / "board.json"


def sign(proposal, domain, key_file, out, *more):
    words = ["sign", "support-member", "--proposal", str(proposal), "--relay", domain.contract]
    assert main([*words, "--key", str(key_file), "--out", str(out), *more]) == 0


def test_the_addresses_to_sign_for_are_printed_once(url, on_chain, capsys):
    assert main(["relay", "--addresses", "--url", url]) == 0
    lines = dict(line.split() for line in capsys.readouterr().out.splitlines())
    registry = on_chain.registry
    assert lines == {
        "--chain-id": "1337",
        "--relay": registry.relay.domain.contract,
        "--identities": registry.identities.domain.contract,
    }


def test_a_signed_message_is_relayed_by_anybody_once(url, on_chain, domain, proposal, key_file, tmp_path, capsys):
    sign(proposal, domain, key_file, tmp_path / "support.json")
    assert main(["relay", str(tmp_path / "support.json"), "--url", url]) == 0
    assert on_chain.board[0].address in on_chain.registry.proposal(proposal).supporters
    assert main(["relay", str(tmp_path / "support.json"), "--url", url]) == 1
    shown = capsys.readouterr().out
    assert f"taken. Support proposal {proposal} on members." in shown and "NONCE_USED" in shown


def test_several_are_relayed_and_each_is_answered(url, domain, proposal, key_file, tmp_path, capsys):
    sign(proposal, domain, key_file, tmp_path / "good.json")
    sign(proposal, domain, key_file, tmp_path / "elsewhere.json", "--chain-id", "1")
    (tmp_path / "none.json").write_text("{}")
    names = ("elsewhere", "none", "missing", "good")
    assert main(["relay", *(str(tmp_path / f"{name}.json") for name in names), "--url", url]) == 1
    answers = capsys.readouterr().out.splitlines()[-4:]
    assert ["not taken" in answer for answer in answers] == [True, True, True, False]


def test_nothing_to_relay_is_said(url, capsys):
    assert main(["relay", "--url", url]) == 2
    assert "--addresses" in capsys.readouterr().err


def test_a_key_is_made_rotated_and_resolved(url, on_chain, tmp_path, capsys):
    """A newcomer's identity: no member, as rotating needs no membership."""
    for name in ("old", "new"):
        assert main(["key", "new", str(tmp_path / f"{name}.json"), "--plain"]) == 0
    old, new = (Identity.load(tmp_path / f"{name}.json") for name in ("old", "new"))
    assert old.did in capsys.readouterr().out
    names = {name: str(tmp_path / f"{name}.json") for name in ("old", "new", "third")}
    rotate = ["key", "rotate", "--url", url, "--key", names["old"], "--new-key"]
    assert main([*rotate, names["new"]]) == 0
    machine = Account.from_key(keccak(b"machine")).address
    delegate = ["key", "delegate", "--key", str(tmp_path / "new.json"), "--actor", old.address, "--delegate", machine]
    assert main([*delegate, "--for", "1d", "--url", url]) == 0
    assert on_chain.registry.identities.works_for(Address(old.address), Address(machine))
    capsys.readouterr()
    assert main(["key", "resolve", old.did, "--url", url]) == 0
    methods = json.loads(capsys.readouterr().out)["didDocument"]["verificationMethod"]
    assert [each["blockchainAccountId"] for each in methods] == [f"eip155:1337:{who}" for who in (new.address, machine)]
    assert main(["key", "new", names["third"], "--plain"]) == 0
    assert main([*rotate, names["third"]]) == 2, "the old key can do nothing any more"
    assert "Refused: SIGNATURE_INVALID" in capsys.readouterr().err


def test_a_rotation_is_signed_with_no_network_and_relayed(url, on_chain, tmp_path):
    old, new = Identity.create(), Identity.create()
    for name, each in (("old", old), ("new", new)):
        each.save(tmp_path / f"{name}.json")
    words = ["sign", "rotate", "--key", str(tmp_path / "old.json"), "--new-key", str(tmp_path / "new.json")]
    contract = on_chain.registry.identities.domain.contract
    assert main([*words, "--identities", contract, "--out", str(tmp_path / "change.json")]) == 0
    assert main(["relay", str(tmp_path / "change.json"), "--url", url]) == 0
    assert on_chain.registry.identities.owner(Address(old.address)) == new.address


def test_an_institution_signs_by_two_of_three_people(url, on_chain, domain, proposal, tmp_path, capsys):
    """A wallet is deployed and called; its people sign one file after the other."""
    people = [Identity.create() for _ in range(3)]
    for number, person in enumerate(people):
        person.save(tmp_path / f"{number}.json")
    owners = [word for person in people for word in ("--owner", person.address)]
    assert main(["key", "wallet", *owners, "--threshold", "2", "--url", url]) == 0
    wallet = capsys.readouterr().out.split()[1]
    sign(proposal, domain, tmp_path / "0.json", tmp_path / "one.json", "--actor", wallet)
    add = ["sign", "add", str(tmp_path / "one.json"), "--key", str(tmp_path / "2.json"), "--yes", "--out"]
    assert main([*add, str(tmp_path / "two.json")]) == 0
    assert main(["relay", str(tmp_path / "one.json"), "--url", url]) == 1
    assert "SIGNATURE_INVALID" in capsys.readouterr().out
    assert main(["relay", str(tmp_path / "two.json"), "--url", url]) == 1
    assert "NOT_MEMBER" in capsys.readouterr().out, "the signature counts; the wallet is no member"


def test_what_a_notebook_signs_is_what_the_command_signs(on_chain, domain, proposal):
    member = on_chain.board[1]
    signed = MemberSupport(actor=member.address, proposal=proposal).sign(member, domain)
    on_chain.registry.as_(on_chain.non_member).relay.submit(signed)
    assert member.address in on_chain.registry.proposal(proposal).supporters
    assert on_chain.registry.relay.is_used(Address(member.address), signed.message.nonce)
