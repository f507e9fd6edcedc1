"""The light client on a whole consortium: votes, permits and datasets behind proxies, from file to file."""

import json
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from belmont.cli import main
from belmont.identity.keys import Identity
from belmont.lab import light
from belmont.lab.errors import LabError
from belmont.light.bundle import Bundle
from belmont.light.checkpoint import Checkpoint
from belmont.registry.consents.scope import Scope
from belmont.registry.consents.statements import account_key
from belmont.registry.consents.tree import ConsentTree
from belmont.registry.hashes import conditions_of, dataset_id
from belmont.registry.types import Address, Ballot, DatasetId, MicroRho, PermitId, UseKind

YEAR = 365 * 24 * 3600
HASH = b"\x11" * 32
MEASUREMENTS = 4
ROWS = 100
KNOWN = b"\x33" * 32


@pytest.fixture(scope="module")
def permit(on_chain: Any) -> PermitId:
    """A permit with one recorded use in a round that was closed, that a holder froze then."""
    shelf, until, ids = on_chain.shelf, on_chain.now() + 2 * YEAR, []
    for holder in on_chain.holders:
        registry = on_chain.registry.as_(holder)
        fields = (1 << 4, shelf.dictionary_hash, 1, MEASUREMENTS, until, MicroRho(100))
        ids.append(registry.register_dataset("light", *fields))
        root = shelf.table(ROWS).root
        number = registry.add_version(ids[-1], b"cid", ROWS, root, registry.consents.root(ids[-1]))
        shelf.prove_version(registry, ids[-1], number, ROWS)
    permit: PermitId = on_chain.permit(tuple(ids), min_hospitals=1)
    on_chain.registry.as_(on_chain.data_user).open_round(permit, 1, HASH, tuple(ids))
    holder = on_chain.registry.as_(on_chain.holders[0])
    holder.record_use(permit, UseKind.ROUND, 1, ids[0], HASH, MicroRho(7), 1, holder.consents.root(ids[0]))
    on_chain.registry.as_(on_chain.data_user).close_round(permit, 1)
    holder.freeze_permit(permit, 3600, "something is odd")
    return permit


@pytest.fixture
def members(on_chain: Any) -> str:
    return str(on_chain.registry.addresses["Members"])


@pytest.fixture
def checkpoint(permit: PermitId, chain_process: Any, members: str, tmp_path: Path, capsys: Any) -> Path:
    """One on which two connections agree."""
    path = tmp_path / "today.checkpoint"
    urls = ["--url", chain_process.url] * 2
    assert main(["light", "checkpoint", *urls, "--members", members, "--out", str(path)]) == 0
    assert Checkpoint.from_bytes(path.read_bytes()).fingerprint.hex() in capsys.readouterr().out
    return path


def fetched(url: str, checkpoint: Path, *asked: str) -> Path:
    out = checkpoint.parent / f"{len(list(checkpoint.parent.iterdir()))}.bundle"
    assert main(["light", "fetch", "--url", url, "--checkpoint", str(checkpoint), "--out", str(out), *asked]) == 0
    return out


def verified(capsys: Any, bundle: Path, *trusted: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    status = main(["light", "verify", str(bundle), "--json", *trusted])
    return status, json.loads(capsys.readouterr().out)


def test_votes_are_fetched_and_verified_offline(
    on_chain: Any, permit: PermitId, chain_process: Any, checkpoint: Path, capsys: Any
) -> None:
    bundle = fetched(chain_process.url, checkpoint, "--vote", str(permit))
    status, answer = verified(capsys, bundle, "--checkpoint", str(checkpoint))
    assert (status, answer["verified"]) == (0, True)
    assert [claim["fields"]["actor"] for claim in answer["claims"]] == [each.address for each in on_chain.board]
    assert {claim["fields"]["approve"] for claim in answer["claims"]} == {"True"}
    own = fetched(chain_process.url, checkpoint, "--vote", str(permit), "--actor", on_chain.board[1].address)
    assert len(Bundle.from_bytes(own.read_bytes()).claims) == 1


def test_an_approval_under_conditions_is_proved_and_no_condition_is_missing(
    on_chain: Any, chain_process: Any, members: str, tmp_path: Path, capsys: Any
) -> None:
    study = on_chain.registry.as_(on_chain.data_user).propose(on_chain.terms(on_chain.datasets()))
    other = on_chain.registry.as_(on_chain.data_user).propose(on_chain.terms(on_chain.datasets()))
    on_chain.registry.as_(on_chain.board[0]).recuse(other, "I am a co-author")
    for member, byte in zip(on_chain.board, (0x33, 0x44), strict=True):
        on_chain.registry.as_(member).vote(study, True, "", bytes([byte]) * 32)
    conditions = on_chain.registry.study(study).conditions
    on_chain.registry.as_(on_chain.data_user).agree(study, conditions)
    path = tmp_path / "approval.checkpoint"
    take = ["light", "checkpoint", "--url", chain_process.url, "--members", members, "--out", str(path)]
    assert main(take) == 0
    bundle = fetched(chain_process.url, path, "--approval", str(study))
    status, answer = verified(capsys, bundle, "--checkpoint", str(path))
    *events, record, kept = [each["fields"] for each in answer["claims"]]
    votes = [each for each in events if "approve" in each]
    ballots = [Ballot(each["actor"], True, bytes.fromhex(each["conditions_hash"][2:])) for each in votes]
    assert status == 0 and conditions_of(study, ballots) == conditions
    assert kept["running"] == kept["agreed"] == "0x" + conditions.hex() and kept["count"] == "2"
    assert record["status"] == "2" and len(events) == 5
    bundle = fetched(chain_process.url, path, "--approval", str(other))
    status, answer = verified(capsys, bundle, "--checkpoint", str(path))
    _, recused, refused, record, kept = [each["fields"] for each in answer["claims"]]
    assert (status, recused["actor"], refused["recused"]) == (0, on_chain.board[0].address, "1")
    assert (record["status"], kept["count"]) == ("3", "0")


def test_a_use_is_proved_with_what_it_cost(
    on_chain: Any, permit: PermitId, chain_process: Any, checkpoint: Path, capsys: Any
) -> None:
    asked = ["--event", "UseRecorded", "--permit", str(permit), "--storage", f"Permits._permits[{permit}].revoked"]
    bundle = fetched(chain_process.url, checkpoint, *asked)
    status, answer = verified(capsys, bundle, "--checkpoint", str(checkpoint))
    use, revoked = answer["claims"]
    assert status == 0 and revoked["fields"] == {"value": "False"}
    expected = on_chain.registry.uses(permit)[0]
    fields = use["fields"]
    assert (fields["actor"], fields["rho"], fields["dataset"]) == (
        expected.holder,
        "7",
        "0x" + expected.dataset_id.hex(),
    )
    assert (use["block"], use["timestamp"]) == (expected.block, expected.timestamp)


def test_who_is_in_the_sum_of_a_closed_round_is_proved(
    on_chain: Any, permit: PermitId, chain_process: Any, checkpoint: Path, capsys: Any
) -> None:
    bundle = fetched(chain_process.url, checkpoint, "--event", "RoundClosed", "--permit", str(permit))
    status, answer = verified(capsys, bundle, "--checkpoint", str(checkpoint))
    (closed,) = answer["claims"]
    (delivered,) = on_chain.registry.round_state(permit, 1).recorded
    assert status == 0 and closed["fields"]["actor"] == on_chain.data_user.address
    assert (closed["fields"]["n"], "0x" + delivered.hex() in str(closed["fields"]["recorded"])) == ("1", True)


def test_the_permit_and_its_freeze_are_proved_in_words(
    on_chain: Any, permit: PermitId, chain_process: Any, checkpoint: Path, capsys: Any
) -> None:
    asked = ["--event", "PermitFrozen", "--permit", str(permit), "--storage", f"Permits._permits[{permit}]"]
    bundle = fetched(chain_process.url, checkpoint, *asked)
    fingerprint = "0x" + Checkpoint.from_bytes(checkpoint.read_bytes()).fingerprint.hex()
    assert main(["light", "verify", str(bundle), "--checkpoint", fingerprint]) == 0
    said = capsys.readouterr().out
    assert "Permits logged PermitFrozen" in said and on_chain.holders[0].address in said
    assert f"Permits kept this as _permits[{permit}]" in said and "frozenUntil" in said
    assert "Not shown: that there is nothing else" in said
    card = light.verified(bundle, checkpoint=fingerprint)
    assert "verified" in card._repr_html_() and "PermitFrozen" in repr(card)
    assert card.findings[1].value["revoked"] is False


def test_another_checkpoint_and_a_changed_file_are_refused(
    permit: PermitId, chain_process: Any, checkpoint: Path, capsys: Any
) -> None:
    bundle = fetched(chain_process.url, checkpoint, "--vote", str(permit))
    status, answer = verified(capsys, bundle, "--checkpoint", "0x" + "11" * 32)
    assert (status, answer["verified"]) == (1, False)
    text = bundle.read_text()
    bundle.write_text(text.replace('"log":0', '"log":1', 1))
    status, answer = verified(capsys, bundle, "--checkpoint", str(checkpoint))
    assert (status, answer["verified"]) == (1, False) and "V3" in answer["why"]
    refused = light.verified(bundle, checkpoint="11" * 32)
    assert "refused" in refused._repr_html_()
    with pytest.raises(LabError):
        _ = refused.findings
    bundle.write_text("no bundle")
    assert verified(capsys, bundle, "--checkpoint", str(checkpoint))[0] == 1
    for wrong in (["--checkpoint", "0x12"], ["--signer", "nobody"]):
        assert main(["light", "verify", str(bundle), *wrong]) == 2
    assert main(["light", "verify", str(bundle) + ".absent", "--checkpoint", str(checkpoint)]) == 2
    with pytest.raises(SystemExit):
        main(["light", "verify", str(bundle)])


def test_how_the_release_of_a_model_stands_is_proved(
    on_chain: Any, permit: PermitId, chain_process: Any, members: str, tmp_path: Path, capsys: Any
) -> None:
    """What was announced, who objected, and what the contract kept; a model that was not announced is not there."""
    registry = on_chain.registry
    ids = tuple(registry.permit(permit).covered)
    other = on_chain.permit(ids, min_hospitals=1)
    registry.as_(on_chain.data_user).open_round(other, 1, HASH, ids)
    holder = registry.as_(on_chain.holders[0])
    holder.record_use(other, UseKind.ROUND, 1, ids[0], HASH, MicroRho(1), 1, holder.consents.root(ids[0]))
    registry.as_(on_chain.data_user).releases.release(other, HASH, 1, KNOWN, HASH)
    registry.as_(on_chain.board[0]).releases.object(other, HASH, "too early")
    path = tmp_path / "now.checkpoint"
    connected = ["--url", chain_process.url, "--members", members]
    assert main(["light", "checkpoint", *connected, "--out", str(path)]) == 0
    bundle = fetched(chain_process.url, path, "--release", str(other), "0x" + HASH.hex())
    status, answer = verified(capsys, bundle, "--checkpoint", str(path))
    announced, objected, kept, of_permit = answer["claims"]
    assert status == 0 and "ModelReleased" in announced["what"] and "ReleaseObjected" in objected["what"]
    assert announced["fields"]["card_hash"] == kept["fields"]["cardHash"] == "0x" + KNOWN.hex()
    assert objected["fields"]["actor"] == on_chain.board[0].address
    assert (kept["fields"]["releasedAt"], kept["fields"]["withdrawnAt"]) == ("0", "0")
    assert of_permit["fields"]["revoked"] == "False"
    text = bundle.read_text()
    bundle.write_text(text.replace('"log":0', '"log":1', 1))
    assert verified(capsys, bundle, "--checkpoint", str(path))[0] == 1


@pytest.fixture(scope="module")
def patient(on_chain: Any, permit: PermitId) -> tuple[Any, DatasetId, ConsentTree]:
    """A patient with a key of its own, who granted and revoked; and one whom only the hospital knows."""
    holder, account = on_chain.holders[0], Account.create()
    dataset = dataset_id(Address(holder.address), "light")
    scope = Scope(1 << 37, MEASUREMENTS, on_chain.now(), on_chain.now() + YEAR)
    tree = ConsentTree([(account_key(account.address), scope.hash), (KNOWN, scope.hash)])
    on_chain.registry.as_(holder).consents.publish_batch(dataset, tree.batch)
    own = on_chain.registry.as_(account).consents
    own.enrol(dataset, account.address, tree.membership(account_key(account.address)))
    own.grant(dataset, scope, 1)
    own.revoke(dataset, 2)
    return account, dataset, tree


def test_a_patient_sees_that_the_own_revocation_counts(
    patient: Any, chain_process: Any, checkpoint: Path, capsys: Any
) -> None:
    account, dataset, _ = patient
    asked = ["--consent", "0x" + dataset.hex(), "--actor", account.address]
    bundle = fetched(chain_process.url, checkpoint, *asked)
    status, answer = verified(capsys, bundle, "--checkpoint", str(checkpoint))
    granted, revoked, _, statement = answer["claims"]
    assert status == 0 and "ConsentGranted" in granted["what"] and "ConsentRevoked" in revoked["what"]
    assert revoked["fields"]["actor"] == account.address
    assert (statement["fields"]["sequence"], statement["fields"]["scopeHash"]) == ("2", "0x" + "00" * 32)


def test_a_patient_sees_what_the_hospital_attests(
    patient: Any, chain_process: Any, checkpoint: Path, tmp_path: Path, capsys: Any
) -> None:
    _, dataset, tree = patient
    bundle = fetched(chain_process.url, checkpoint, "--consent", "0x" + dataset.hex())
    trusted = ["--checkpoint", str(checkpoint)]
    path = tmp_path / "my.path"
    path.write_bytes(tree.membership(KNOWN).to_bytes())
    status, answer = verified(capsys, bundle, *trusted, "--attested", str(path))
    assert status == 0 and f"0x{KNOWN.hex()} consents" in answer["attestation"]
    assert main(["light", "verify", str(bundle), *trusted, "--attested", str(path)]) == 0
    assert "consents to the scope" in capsys.readouterr().out
    absent, other = b"\x44" * 32, ConsentTree([(KNOWN, HASH)])
    path.write_bytes(other.membership(KNOWN).to_bytes())
    assert verified(capsys, bundle, *trusted, "--attested", str(path))[0] == 1
    path.write_bytes(b"no path")
    assert verified(capsys, bundle, *trusted, "--attested", str(path))[0] == 1
    path.write_bytes(tree.absence(absent).to_bytes())
    status, answer = verified(capsys, bundle, *trusted, "--absent", str(path), "--key", "0x" + absent.hex())
    assert status == 0 and "has no consent" in answer["attestation"]
    assert verified(capsys, bundle, *trusted, "--absent", str(path), "--key", "0x" + KNOWN.hex())[0] == 1
    capsys.readouterr()
    assert main(["light", "verify", str(bundle), *trusted, "--absent", str(path)]) == 2
    assert "give --key" in capsys.readouterr().err


def test_members_sign_what_their_own_node_confirms(
    on_chain: Any, permit: PermitId, chain_process: Any, checkpoint: Path, tmp_path: Path, capsys: Any
) -> None:
    identities = [Identity.create(), Identity.create()]
    sign = ["light", "sign", str(checkpoint), "--url", chain_process.url, "--identity"]
    for place, identity in enumerate(identities):
        identity.save(tmp_path / f"{place}.json")
        assert main([*sign, str(tmp_path / f"{place}.json")]) == 0
    bundle = fetched(chain_process.url, checkpoint, "--vote", str(permit))
    signers = [word for each in identities for word in ("--signer", each.address)]
    assert verified(capsys, bundle, *signers)[0] == 0
    other = ["--signer", on_chain.board[0].address]
    assert verified(capsys, bundle, *other)[0] == 1
    assert verified(capsys, bundle, *signers, *other)[0] == 1
    assert verified(capsys, bundle, *signers, *other, "--at-least", "2")[0] == 0
    document = json.loads(checkpoint.read_bytes())
    document["contracts"]["Uses"]["implementation_code_hash"] = "0x" + "11" * 32
    checkpoint.write_text(json.dumps(document))
    assert main([*sign, str(tmp_path / "0.json")]) == 2
    assert "not the trusted one" in capsys.readouterr().err


def test_headers_are_followed_to_newer_checkpoints(
    permit: PermitId, on_chain: Any, chain_process: Any, checkpoint: Path, members: str, tmp_path: Path, capsys: Any
) -> None:
    headers, newer = tmp_path / "consortium.headers", tmp_path / "newer.checkpoint"
    follow = ["light", "follow", str(headers), "--url", chain_process.url, "--checkpoint"]
    assert main([*follow, str(checkpoint)]) == 0
    on_chain.wait(1)
    assert main(["light", "checkpoint", "--url", chain_process.url, "--members", members, "--out", str(newer)]) == 0
    assert main([*follow, str(newer)]) == 0
    assert "one history" in capsys.readouterr().out
    assert main([*follow, str(newer)]) == 0
    assert "nothing new" in capsys.readouterr().out
    assert main([*follow, str(checkpoint)]) == 2


def test_what_is_not_there_is_said(permit: PermitId, chain_process: Any, checkpoint: Path, capsys: Any) -> None:
    out = f"{checkpoint}.bundle"
    fetch = ["light", "fetch", "--url", chain_process.url, "--checkpoint", str(checkpoint), "--out", out]
    for asked, said in {
        (): "give --event, --vote",
        ("--vote", "4000"): "no VoteCast with study 4000",
        ("--event", "Rumour"): "0 contracts have an event",
        ("--event", "Uses.UseRecorded", "--permit", "4000"): "no UseRecorded",
        ("--consent", "0x11"): "64 hexadecimal digits",
        ("--storage", "Permits._permits"): "name one",
        ("--storage", "Wallet.x"): "names no contract",
        ("--release", "4000", "0x" + "11" * 32): "no ModelReleased",
        ("--release", "one", "0x" + "11" * 32): "is no permit",
        ("--release", "1", "0x11"): "64 hexadecimal digits",
    }.items():
        assert main([*fetch, *asked]) == 2
        assert said in capsys.readouterr().err


def test_a_file_that_is_there_is_not_overwritten_and_one_that_is_not_is_named(
    chain_process: Any, checkpoint: Path, tmp_path: Path, capsys: Any
) -> None:
    before = checkpoint.read_bytes()
    fetch = ["light", "fetch", "--url", chain_process.url, "--checkpoint", str(checkpoint), "--vote", "1", "--out"]
    assert main([*fetch, str(checkpoint)]) == 2
    assert "exists: choose another name" in capsys.readouterr().err and checkpoint.read_bytes() == before
    assert main(["light", "verify", str(tmp_path / "none"), "--checkpoint", str(checkpoint)]) == 2
    assert "none: correct the path" in capsys.readouterr().err
