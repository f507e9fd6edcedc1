"""A consortium on a served chain gives two contracts other code; a board member sees from headers what changed."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from belmont.chain.client import ChainClient
from belmont.chain.compiler import compile_contract, contracts_directory
from belmont.chain.process import ChainProcess
from belmont.cli import main
from belmont.light.bundle import Bundle, SwitchClaim
from belmont.light.errors import LightError, ProofRefused
from belmont.light.fetch import fetch, take_checkpoint
from belmont.light.sources import Source
from belmont.light.verify import Fingerprint, ProvenSwitch, verify
from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.contract_set import contract, creation_code, wired_to
from belmont.registry.errors import CodeUnknown
from belmont.registry.founding import found
from belmont.registry.rpc_chain import RpcChain
from belmont.registry.types import Address, AnswerMode, Computation, MemberProfile, MicroRho, Role, StudyTerms

WEEK, YEAR = 7 * 24 * 3600, 365 * 24 * 3600
HASH = b"\x11" * 32
LATER = """
import sys, time, types
import belmont.chain.engine, belmont.chain.server
ahead = {"time": lambda: time.time() + int(sys.argv[1])}
belmont.chain.engine.time = types.SimpleNamespace(**(vars(time) | ahead))
sys.exit(belmont.chain.server.main([*sys.argv[2:], "--end-with-parent"]))
"""
"""Serves a chain whose clock is ahead: nobody waits a week for a test."""


@dataclass
class Switched:
    """A chain on which Permits and then Rules got other code."""

    url: str
    registry: ChainRegistry
    codes: dict[str, Address]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("switched")


@pytest.fixture(scope="module")
def people() -> list[Any]:
    return [Account.from_key(hashlib.sha256(b"switch %d" % place).digest()) for place in range(5)]


@pytest.fixture(scope="module")
def carried(directory: Path, people: list[Any]) -> tuple[ChainRegistry, dict[str, Address], list[Any]]:
    """A consortium with a permit, and two proposals for other code that its members voted for."""
    roles = [Role.DATA_HOLDER, Role.DATA_HOLDER, Role.DATA_USER, Role.ETHICS_BOARD, Role.ETHICS_BOARD]
    profiles = [
        MemberProfile(Address(each.address), f"Member {place}", f"did:ethr:0x539:{each.address}", role)
        for place, (each, role) in enumerate(zip(people, roles, strict=True))
    ]
    with ChainProcess.start(directory / "chain") as process:
        registry = found(process.url, "Consortium", profiles)
        issue_permit(registry, people, registry.head().timestamp)
        codes = deploy_later(RpcChain(ChainClient(process.url)), registry, people[0], directory)
        proposals = []
        for name, code in codes.items():
            proposals.append(registry.as_(people[0]).rules.propose_code(registry.addresses[name], code))
            for member in people[1:3]:
                registry.as_(member).rules.support(proposals[-1])
    return registry, codes, proposals


def issue_permit(registry: ChainRegistry, people: list[Any], now: int) -> None:
    ids = [
        registry.as_(holder).register_dataset("records", 1 << 4, HASH, 1, 1, now + 2 * YEAR, MicroRho(100))
        for holder in people[:2]
    ]
    terms = StudyTerms(
        title="A study",
        protocol_hash=HASH,
        purpose=1 << 37,
        code_hash=HASH,
        config_hash=HASH,
        datasets=tuple(ids),
        computations=Computation.TRAINING,
        rounds=2,
        queries=0,
        rho_per_dataset=MicroRho(50),
        min_hospitals=2,
        min_cohort=10,
        answer_mode=AnswerMode.EXACT,
        duration_seconds=YEAR,
    )
    study = registry.as_(people[2]).propose(terms)
    for member in people[3:]:
        registry.as_(member).vote(study, True)
    for holder, id_ in zip(people[:2], ids, strict=True):
        registry.as_(holder).accept(study, id_)
    registry.as_(people[2]).issue(study)


def deploy_later(chain: RpcChain, registry: ChainRegistry, account: Any, directory: Path) -> dict[str, Address]:
    """Permits with one more view function, and the code of Rules once more."""
    sources = directory / "contracts"
    shutil.copytree(contracts_directory(), sources)
    text = "\n\n@external\n@view\ndef isLater() -> bool:\n    return True\n"
    (sources / "Permits.vy").write_text((sources / "Permits.vy").read_text() + text)
    later = compile_contract("Permits", sources).bytecode
    later += contract("Permits").interface.encode_constructor(*wired_to("Permits", registry.addresses))
    found = {}
    for name, code in (("Permits", later), ("Rules", creation_code("Rules", registry.addresses))):
        _, address = chain.send(account, None, code)
        assert address is not None
        found[name] = address
    return found


@pytest.fixture(scope="module")
def chain(
    directory: Path, people: list[Any], carried: tuple[ChainRegistry, dict[str, Address], list[Any]]
) -> Iterator[Switched]:
    registry, codes, proposals = carried
    command = [sys.executable, "-c", LATER, str(WEEK + 60), str(directory / "chain"), "0"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        registry = ChainRegistry(RpcChain(ChainClient(url)), registry.addresses)
        for proposal in proposals:
            registry.as_(people[4]).rules.enact(proposal)
        yield Switched(url, registry, codes)
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.fixture(scope="module")
def bundle(chain: Switched) -> Bundle:
    addresses = {name: bytes.fromhex(address[2:]) for name, address in chain.registry.addresses.items()}
    source = Source(chain.url)
    return fetch(source, take_checkpoint([source], addresses), switches=["Permits", "Rules"])


def judged(bundle: Bundle) -> list[ProvenSwitch]:
    found = verify(bundle, Fingerprint(bundle.checkpoint.fingerprint)).findings
    return [each for each in found if isinstance(each, ProvenSwitch)]


def test_both_switches_are_proven_from_headers_alone(chain: Switched, bundle: Bundle) -> None:
    found = judged(Bundle.from_bytes(bundle.to_bytes()))
    assert [(each.contract, each.fields["code_after"]) for each in found] == list(chain.codes.items())
    assert "Permits got other code in block" in found[0].words()


def test_a_switch_in_another_block_is_refused(bundle: Bundle) -> None:
    for step in (-1, 1):
        moved = tuple(replace(claim, block=claim.block + step) for claim in bundle.claims)
        with pytest.raises(ProofRefused):
            judged(replace(bundle, claims=moved))


def test_the_switch_of_another_contract_is_refused(bundle: Bundle) -> None:
    names = {"Permits": "Rules", "Rules": "Permits"}
    for claim in bundle.claims:
        assert isinstance(claim, SwitchClaim)
        with pytest.raises(ProofRefused):
            judged(replace(bundle, claims=(replace(claim, contract=names[claim.contract]),)))


def test_what_never_got_other_code_has_no_such_proof(chain: Switched, bundle: Bundle) -> None:
    with pytest.raises(LightError, match="same code since it was created"):
        fetch(Source(chain.url), bundle.checkpoint, switches=["Members"])


def test_the_new_code_answers_and_the_old_records_are_there(chain: Switched) -> None:
    (permit,) = chain.registry.permits()
    assert permit.issued_at > 0
    (answer,) = RpcChain(ChainClient(chain.url)).calls(
        [(chain.registry.addresses["Permits"], bytes.fromhex(selector("isLater()")))]
    )
    assert int.from_bytes(answer, "big") == 1


def selector(signature: str) -> str:
    from eth_utils.crypto import keccak

    return str(keccak(text=signature)[:4].hex())


def test_this_release_does_not_connect_to_it_any_more(chain: Switched) -> None:
    with pytest.raises(CodeUnknown, match="install the release"):
        ChainRegistry.connect(chain.url)


def test_a_board_member_verifies_it_at_the_command_line(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "switch.bundle"
    file.write_bytes(bundle.to_bytes())
    assert main(["light", "verify", str(file), "--checkpoint", "0x" + bundle.checkpoint.fingerprint.hex()]) == 0
    shown = capsys.readouterr().out
    assert "VERIFIED  2 claims" in shown and "Rules got other code" in shown and "code hash after" in shown
