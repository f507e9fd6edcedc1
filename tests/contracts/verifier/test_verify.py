"""The vectors that every verifier has to judge alike, judged on chain.

The statement is what the verifier expects (V1). On chain the contract Proofs makes it from the registry's records, and
has computed the layout's tables itself; here a vector's layout goes through Proofs, and its statement straight to the
contract Verifier.
"""

import hashlib
import json
from pathlib import Path

import pytest

from belmont.registry.contract_set import contract
from belmont.registry.errors import RegistryRefused
from belmont.registry.proofs import boundaries
from belmont.zk.errors import LayoutError
from belmont.zk.field import B, N
from belmont.zk.layout import Layout
from belmont.zk.srs import CEREMONY_DIGEST

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "validity.json").read_text())
WIDTHS_OF_FORGED_LAYOUTS = (5, 9)


@pytest.fixture(scope="module")
def registered(founded):
    """The tables of a layout, by its bytes; each registered once."""
    back, known = founded.evm.mark(), {}

    def tables(data):
        if data not in known:
            known[data] = register(founded, data)
        return known[data]

    yield tables
    back()


def register(consortium, data):
    try:
        rows = boundaries(Layout.from_bytes(data))
    except LayoutError:
        # What no layout is: with the points that a real one would need.
        real = b"\x01\0\x02" + b"".join(b"\x02" + width.to_bytes(2, "big") for width in WIDTHS_OF_FORGED_LAYOUTS)
        rows = boundaries(Layout.from_bytes(real))
    try:
        consortium.call(consortium.non_member, "Proofs", "registerTables", data, rows)
    except RegistryRefused as refusal:
        if refusal.reason != "TABLES_EXIST":
            return refusal.reason
    (answer,) = consortium.evm.calls(
        [(consortium.registry.addresses["Proofs"], encode("Proofs", "tables", hashlib.sha256(data).digest()))]
    )
    found = contract("Proofs").interface.decode_answer("tables", answer)
    return tuple(found[name] for name in ("columns", "lookups", "plan", "values", "classes"))


def encode(name, function, *args):
    return contract(name).interface.encode_call(function, *args)


def statement_struct(of):
    layout_hash = hashlib.sha256(bytes.fromhex(of["layout"])).digest()
    addresses = ("0x" + of["contract"], "0x" + of["owner"])
    numbers = (of["version"], of["first"], of["chunks"], of["rows"])
    head = (CEREMONY_DIGEST, N, B, of["chain_id"])
    return (*head, *addresses, bytes.fromhex(of["dataset"]), layout_hash, *numbers)


def proof_struct(vector):
    """The lists of a vector as bytes; the order is that of docs/protocol.md."""
    proof = vector["proof"]
    parts = (
        vector["columns"],
        vector["previous"],
        [*proof["m"], proof["u"]],
        [*proof["h"], *proof["g"], proof["phi"]],
        proof["q"],
        [
            *proof["columns_at_zeta"],
            *proof["tables_at_zeta"],
            proof["phi_next"],
            proof["u_next"],
            *proof["s_before"],
            *proof["s_linked"],
        ],
        proof["openings"],
    )
    return tuple(bytes.fromhex("".join(part)) for part in parts)


def judge(consortium, registered, vector):
    """The reason of a refusal, or None."""
    tables = registered(bytes.fromhex(vector["statement"]["layout"]))
    if isinstance(tables, str):
        return tables
    data = encode("Verifier", "verify", statement_struct(vector["statement"]), tables, proof_struct(vector))
    try:
        consortium.evm.calls([(consortium.registry.addresses["Verifier"], data)])
    except RegistryRefused as refusal:
        return refusal.reason
    return None


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"].replace(" ", "-"))
def test_judges_as_the_other_verifiers_do(founded, registered, vector):
    reason = judge(founded, registered, vector)
    assert (reason is None) is vector["accept"], f"{reason}: {vector['why']}"


def altered(part, words_per_entry):
    """``part`` with its entries changed one by one, in their last byte."""
    size = 32 * words_per_entry
    for end in range(size, len(part) + 1, size):
        yield part[: end - 1] + bytes([part[end - 1] ^ 1]) + part[end:]


def test_every_field_of_a_proof_counts(founded, registered):
    """Each point, number and word of the statement is altered once, and refused."""
    vector = next(each for each in VECTORS if each["name"] == "honest second chunk")
    tables = registered(bytes.fromhex(vector["statement"]["layout"]))
    statement, proof = statement_struct(vector["statement"]), proof_struct(vector)
    address = founded.registry.addresses["Verifier"]
    founded.evm.calls([(address, encode("Verifier", "verify", statement, tables, proof))])
    tried = 0
    for place, part in enumerate(proof):
        for other in altered(part, 1 if place == 5 else 4):
            changed = (*proof[:place], other, *proof[place + 1 :])
            with pytest.raises(RegistryRefused, match=r"POINT_INVALID|PROOF_INVALID"):
                founded.evm.calls([(address, encode("Verifier", "verify", statement, tables, changed))])
            tried += 1
    assert tried == sum(len(part) // (32 if place == 5 else 128) for place, part in enumerate(proof)) > 40


WORDS = {
    0: b"\0" * 32,
    1: N + 1,
    2: B + 1,
    3: 1,
    4: "0x" + "11" * 20,
    5: "0x" + "11" * 20,
    6: b"\1" * 32,
    7: b"\1" * 32,
    8: 2,
    9: 2,
    10: 2,
    11: 6,
}


@pytest.mark.parametrize("place", WORDS)
def test_every_word_of_the_statement_counts(founded, registered, place):
    vector = next(each for each in VECTORS if each["name"] == "honest second chunk")
    tables, proof = registered(bytes.fromhex(vector["statement"]["layout"])), proof_struct(vector)
    statement = list(statement_struct(vector["statement"]))
    assert statement[place] != WORDS[place]
    statement[place] = WORDS[place]
    with pytest.raises(RegistryRefused, match=r"PROOF_INVALID|PROOF_MALFORMED"):
        founded.evm.calls(
            [(founded.registry.addresses["Verifier"], encode("Verifier", "verify", statement, tables, proof))]
        )


def test_a_number_of_chunks_that_no_proof_has_is_refused(founded, registered):
    vector = next(each for each in VECTORS if each["name"] == "honest")
    tables, proof = registered(bytes.fromhex(vector["statement"]["layout"])), proof_struct(vector)
    for chunks in (0, 22, 29, 2**200):
        statement = statement_struct({**vector["statement"], "chunks": chunks})
        data = encode("Verifier", "verify", statement, tables, proof)
        with pytest.raises(RegistryRefused, match=r"CHUNKS_INVALID|Revert"):
            founded.evm.calls([(founded.registry.addresses["Verifier"], data)])


def test_without_the_precompiles_nothing_is_accepted(founded, registered, monkeypatch):
    """A chain before Prague answers a call to them with success and nothing."""
    vector = next(each for each in VECTORS if each["name"] == "honest")
    tables, proof = registered(bytes.fromhex(vector["statement"]["layout"])), proof_struct(vector)
    data = encode("Verifier", "verify", statement_struct(vector["statement"]), tables, proof)
    computation = founded.evm.state.computation_class
    older = {address: run for address, run in computation._precompiles.items() if address[-1] < 0x0A}
    monkeypatch.setattr(computation, "_precompiles", older)
    with pytest.raises(RegistryRefused, match="PRECOMPILE_MISSING"):
        founded.evm.calls([(founded.registry.addresses["Verifier"], data)])
