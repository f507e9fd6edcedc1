"""Proving a version: what is accepted, what is refused, and what is kept in between."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from belmont.registry.consents.statements import ConsentState
from belmont.registry.errors import RegistryArgumentError
from belmont.registry.hashes import part_mark
from belmont.registry.proofs import proof_struct, reached_by, start_struct
from belmont.registry.proving import prove_on_chain, start_at
from belmont.registry.types import DatasetId, PartStart, VersionStatus
from belmont.zk.layout import ColumnKind, Kind, Layout
from belmont.zk.statement import Statement
from belmont.zk.validity import parts_of

ROWS, TWO_CHUNKS = 100, 4_040
CONSENT = ConsentState().root


@pytest.fixture
def id_(consortium):
    return consortium.dataset(versions=0)


@pytest.fixture
def relay(consortium):
    """Anybody: here somebody who is no member."""
    return consortium.registry.as_(consortium.non_member)


def proofs(consortium, id_, number=1, rows=ROWS, step=9, **changes):
    """Where each part starts, and its proof."""
    registry, table, start, made = consortium.registry, consortium.shelf.table(rows), PartStart(), []
    owner = bytes.fromhex(registry.dataset(id_).holder[2:])
    domain = registry.proof_domain
    for first, chunks, of_part in parts_of(table, step):
        fields = {
            "chain_id": domain.chain_id,
            "contract": domain.contract,
            "owner": owner,
            "dataset": id_,
            "version": number,
            "layout": table.layout,
            "first": first,
            "chunks": chunks,
            "rows": of_part,
        }
        proof = consortium.shelf.prove(table, Statement(**{**fields, **changes}))
        made.append((start, proof))
        start = reached_by(proof, start)
    return made


def status(consortium, id_, number=1):
    return consortium.registry.version(id_, number).status


def test_a_proof_of_all_of_a_version_makes_it_proven(consortium, relay, id_):
    consortium.version(id_)
    assert status(consortium, id_) is VersionStatus.REGISTERED
    ((start, proof),) = proofs(consortium, id_)
    relay.prove_version(id_, 1, consortium.shelf.text_hash, proof, start)
    assert status(consortium, id_) is VersionStatus.PROVEN


def test_announces_the_part_and_the_version(consortium, relay, id_):
    consortium.version(id_)
    ((start, proof),) = proofs(consortium, id_)
    relay.prove_version(id_, 1, consortium.shelf.text_hash, proof, start)
    part = {"dataset": id_, "number": 1, "first": 0, "chunks": 1, "rows": ROWS, "reached": bytes(32)}
    assert consortium.events("PartAccepted", "VersionProven") == [
        ("PartAccepted", consortium.non_member.address, part),
        ("VersionProven", consortium.non_member.address, {"dataset": id_, "number": 1}),
    ]


def test_a_version_is_proven_in_parts(consortium, relay, id_):
    consortium.version(id_, rows=TWO_CHUNKS)
    (begin, first), (middle, second) = proofs(consortium, id_, rows=TWO_CHUNKS)
    assert not relay.is_reached(id_, 1, middle)
    relay.prove_version(id_, 1, consortium.shelf.text_hash, first, begin)
    assert status(consortium, id_) is VersionStatus.REGISTERED
    assert relay.is_reached(id_, 1, middle)
    assert consortium.events("PartAccepted")[-1][2]["reached"] == part_mark(id_, 1, middle)
    assert middle == start_at(consortium.shelf.table(TWO_CHUNKS), 1, 4_032)
    consortium.registry.as_(consortium.holder).prove_version(id_, 1, consortium.shelf.text_hash, second, middle)
    assert status(consortium, id_) is VersionStatus.PROVEN


def test_all_chunks_fit_one_part_where_they_are_few_enough(consortium, relay, id_):
    consortium.version(id_, rows=TWO_CHUNKS)
    ((start, proof),) = proofs(consortium, id_, rows=TWO_CHUNKS, step=256)
    assert proof.statement.chunks == 2
    relay.prove_version(id_, 1, consortium.shelf.text_hash, proof, start)
    assert status(consortium, id_) is VersionStatus.PROVEN


def test_proving_goes_on_where_it_stopped(consortium, relay, id_, monkeypatch):
    consortium.version(id_, rows=TWO_CHUNKS)
    (begin, first), _ = proofs(consortium, id_, rows=TWO_CHUNKS)
    relay.prove_version(id_, 1, consortium.shelf.text_hash, first, begin)
    monkeypatch.setattr("belmont.registry.proving.PART_COLUMNS", 9)
    table, told = consortium.shelf.table(TWO_CHUNKS), []
    sent = prove_on_chain(
        relay,
        id_,
        1,
        table,
        consortium.shelf.text_hash,
        lambda done, of: told.append((done, of)),
        consortium.shelf.prove,
    )
    assert [proof.statement.first for proof in sent] == [1]
    assert told == [(1, 2), (2, 2)]
    assert status(consortium, id_) is VersionStatus.PROVEN
    assert prove_on_chain(relay, id_, 1, table, consortium.shelf.text_hash) == []


def test_another_tables_version_is_not_even_tried(consortium, relay, id_):
    consortium.version(id_)
    with pytest.raises(RegistryArgumentError, match="was not registered with this table"):
        prove_on_chain(relay, id_, 1, consortium.shelf.table(10), consortium.shelf.text_hash)


def test_a_version_is_proven_once(consortium, relay, id_, refused):
    consortium.version(id_, proven=True)
    ((start, proof),) = proofs(consortium, id_)
    with refused("ALREADY_PROVEN"):
        relay.prove_version(id_, 1, consortium.shelf.text_hash, proof, start)


def test_a_version_that_does_not_exist_is_refused(consortium, relay, id_, refused):
    ((start, proof),) = proofs(consortium, id_)
    for dataset, number in ((id_, 1), (DatasetId(b"\7" * 32), 1), (id_, 0)):
        with refused("VERSION_UNKNOWN"):
            relay.prove_version(dataset, number, consortium.shelf.text_hash, proof, start)


@pytest.mark.parametrize(
    "change",
    [
        {"chain_id": 1},
        {"contract": b"\xc0" * 20},
        {"owner": b"\x0e" * 20},
        {"dataset": b"\xda" * 32},
        {"version": 2},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_proof_for_somewhere_else_is_refused(consortium, relay, id_, refused, change):
    """What a proof states is made from the registry's records, whatever the proof's maker had in mind."""
    consortium.version(id_)
    ((start, proof),) = proofs(consortium, id_, **change)
    with refused("PROOF_INVALID"):
        relay.prove_version(id_, 1, consortium.shelf.text_hash, proof, start)
    assert status(consortium, id_) is VersionStatus.REGISTERED


def test_one_hospitals_proof_does_not_prove_anothers_dataset(consortium, relay, refused):
    ours, theirs = consortium.dataset(versions=0), consortium.dataset(consortium.other_holder, versions=0)
    for each in (ours, theirs):
        consortium.version(each)
    ((start, proof),) = proofs(consortium, theirs)
    with refused("PROOF_INVALID"):
        relay.prove_version(ours, 1, consortium.shelf.text_hash, proof, start)


def test_a_forged_proof_is_refused_whoever_sends_it(consortium, id_, refused):
    consortium.version(id_)
    ((start, proof),) = proofs(consortium, id_)
    argument = replace(proof.argument, phi_next=proof.argument.phi_next ^ 1)
    everybody = (consortium.holder, consortium.other_holder, *consortium.board, consortium.auditor)
    for somebody in (*everybody, consortium.data_user, consortium.non_member):
        registry = consortium.registry.as_(somebody)
        with refused("PROOF_INVALID"):
            registry.prove_version(id_, 1, consortium.shelf.text_hash, replace(proof, argument=argument), start)
    assert status(consortium, id_) is VersionStatus.REGISTERED
    assert consortium.events("PartAccepted", "VersionProven") == []


def test_another_dictionary_is_refused(consortium, relay, id_, refused):
    consortium.version(id_)
    ((start, proof),) = proofs(consortium, id_)
    with refused("DICTIONARY_MISMATCH"):
        relay.prove_version(id_, 1, b"\1" * 32, proof, start)
    other = Layout((ColumnKind(Kind.RANGE, 5),))
    relay.register_tables(other)
    with refused("DICTIONARY_MISMATCH"):
        wider = replace(proof, statement=replace(proof.statement, layout=other))
        relay.prove_version(id_, 1, consortium.shelf.text_hash, wider, start)


def test_without_the_layouts_tables_nothing_is_proven(consortium, relay, refused):
    import hashlib

    layout, text = Layout((ColumnKind(Kind.RANGE, 77),)), b"\5" * 32
    shelf = SimpleNamespace(
        dictionary_hash=hashlib.sha256(layout.hash + text).digest(), table=consortium.shelf.table, text_hash=text
    )
    other = type(consortium)(**{**consortium.__dict__, "shelf": shelf, "made": 50})
    id_ = other.dataset(versions=0)
    other.version(id_)
    ((start, proof),) = proofs(consortium, consortium.dataset(versions=0))
    proof = replace(proof, statement=replace(proof.statement, layout=layout))
    with refused("TABLES_MISSING"):
        relay.prove_version(id_, 1, text, proof, start)


def test_other_commitments_than_the_registered_are_refused(consortium, relay, id_, refused):
    registry = consortium.registry.as_(consortium.holder)
    for root in (bytes(32), b"\1" * 32):
        registry.add_version(id_, b"cid", ROWS, root, CONSENT)
    for number in (1, 2):
        ((start, proof),) = proofs(consortium, id_, number)
        with refused("COMMITMENTS_MISMATCH"):
            relay.prove_version(id_, number, consortium.shelf.text_hash, proof, start)


def test_other_rows_than_the_registered_are_refused(consortium, relay, id_, refused):
    registry = consortium.registry.as_(consortium.holder)
    registry.add_version(id_, b"cid", ROWS + 1, consortium.shelf.table(ROWS).root, CONSENT)
    ((start, proof),) = proofs(consortium, id_)
    with refused("ROWS_MISMATCH"):
        relay.prove_version(id_, 1, consortium.shelf.text_hash, proof, start)
    lying = replace(proof, statement=replace(proof.statement, rows=ROWS + 1))
    with refused("PROOF_INVALID"):
        relay.prove_version(id_, 1, consortium.shelf.text_hash, lying, start)


def test_a_chunk_too_many_or_too_few_is_refused(consortium, relay, id_, refused):
    """A version of so many rows has just so many chunks: none is left out, none stands behind the last."""
    registry = consortium.registry.as_(consortium.holder)
    registry.add_version(id_, b"cid", 4_032, consortium.shelf.table(TWO_CHUNKS).root, CONSENT)
    ((start, proof),) = proofs(consortium, id_, rows=TWO_CHUNKS, step=256)
    with refused("CHUNKS_INVALID"):
        relay.prove_version(id_, 1, consortium.shelf.text_hash, proof, start)
    registry.add_version(id_, b"cid", TWO_CHUNKS, consortium.shelf.table(ROWS).root, CONSENT)
    ((start, proof),) = proofs(consortium, id_, 2)
    relay.prove_version(id_, 2, consortium.shelf.text_hash, proof, start)
    assert status(consortium, id_, 2) is VersionStatus.REGISTERED


def test_a_part_in_the_wrong_place_is_refused(consortium, relay, id_, refused):
    consortium.version(id_, rows=TWO_CHUNKS)
    text = consortium.shelf.text_hash
    (begin, first), (middle, second) = proofs(consortium, id_, rows=TWO_CHUNKS)
    with refused("PART_OUT_OF_PLACE"):
        relay.prove_version(id_, 1, text, second, middle)
    relay.prove_version(id_, 1, text, first, begin)
    relay.prove_version(id_, 1, text, first, begin)
    for wrong in (
        replace(middle, rows=middle.rows - 1),
        replace(middle, column_hashes=middle.column_hashes[::-1]),
        replace(middle, column_hashes=(b"\1" * 32, *middle.column_hashes[1:])),
        replace(middle, column_hashes=middle.column_hashes[:-1]),
        replace(begin, rows=1),
        replace(begin, column_hashes=middle.column_hashes),
    ):
        with refused("PART_OUT_OF_PLACE"):
            relay.prove_version(id_, 1, text, second, wrong)
    with refused("CHUNKS_INVALID"):
        relay.prove_version(id_, 1, text, second, replace(middle, chunks=2))
    with refused("PROOF_MALFORMED"):
        relay.prove_version(id_, 1, text, second, begin)
    with refused("PART_OUT_OF_PLACE"):
        # Linked to other pseudonyms than those of the part before.
        relay.prove_version(id_, 1, text, replace(second, previous=(second.columns[0],)), middle)
    assert status(consortium, id_) is VersionStatus.REGISTERED
    relay.prove_version(id_, 1, text, second, middle)
    assert status(consortium, id_) is VersionStatus.PROVEN


def test_a_part_does_not_continue_another_versions(consortium, relay, id_, refused):
    for _ in range(2):
        consortium.version(id_, rows=TWO_CHUNKS)
    (begin, first), (middle, _) = proofs(consortium, id_, rows=TWO_CHUNKS)
    relay.prove_version(id_, 1, consortium.shelf.text_hash, first, begin)
    _, (_, second) = proofs(consortium, id_, 2, rows=TWO_CHUNKS)
    with refused("PART_OUT_OF_PLACE"):
        relay.prove_version(id_, 2, consortium.shelf.text_hash, second, middle)


def test_a_stranger_cannot_stand_in_the_way_with_rows_of_their_own(consortium, relay, id_):
    """Anybody can prove some first chunk for a version in parts; the holder's own are accepted beside it."""
    import numpy as np

    from belmont.zk.commitment import commit_table

    consortium.version(id_, rows=TWO_CHUNKS)
    (begin, first), (middle, second) = proofs(consortium, id_, rows=TWO_CHUNKS)
    theirs = commit_table(
        first.statement.layout, [np.ones(4_032, int)], np.arange(5, 4_037, dtype=np.uint64), seed=b"\7" * 32
    )
    statement = replace(first.statement, rows=4_032)
    relay.prove_version(id_, 1, consortium.shelf.text_hash, consortium.shelf.prove(theirs, statement), begin)
    for start, proof in ((begin, first), (middle, second)):
        consortium.registry.as_(consortium.holder).prove_version(id_, 1, consortium.shelf.text_hash, proof, start)
    assert status(consortium, id_) is VersionStatus.PROVEN


def test_no_chunks_or_more_than_a_part_holds_are_refused(consortium, relay, id_, refused):
    consortium.version(id_)
    ((start, proof),) = proofs(consortium, id_)
    for chunks in (0, 2, 29, 2**255):
        fields = (id_, 1, proof.statement.layout.hash, consortium.shelf.text_hash, start_struct(start))
        with refused("CHUNKS_INVALID"):
            consortium.call(consortium.non_member, "Proofs", "prove", *fields, chunks, ROWS, proof_struct(proof))
    with pytest.raises(RegistryArgumentError, match="256 column chunks"):
        long = replace(proof, columns=proof.columns * 29)
        relay.prove_version(id_, 1, consortium.shelf.text_hash, long, start)


def test_nobody_but_the_contract_proofs_makes_a_version_proven(consortium, id_, refused):
    consortium.version(id_)
    everybody = (consortium.holder, consortium.data_user, *consortium.board, consortium.auditor, consortium.non_member)
    for somebody in everybody:
        with refused("NOT_PROOFS_CONTRACT"):
            consortium.call(somebody, "Datasets", "markProven", id_, 1)
    assert status(consortium, id_) is VersionStatus.REGISTERED
