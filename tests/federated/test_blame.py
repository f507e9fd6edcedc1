"""A refuted total: whoever lied is found and named, wherever the lie is, and nobody else ever is."""

from dataclasses import fields, replace

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from belmont.federated.errors import AnswerRejected, QueryError, TotalRefuted
from belmont.federated.node.queries import QueryServer
from belmont.federated.query.answer import SignedAnswer
from belmont.federated.query.bfv import ResearcherKey
from belmont.federated.query.blame import _is_usable, investigate
from belmont.federated.query.case import Case, Place
from belmont.federated.query.disclosure import masked_openings
from belmont.federated.query.masks import NO_SEEDS, MaskContext, PairSeeds, seeds_with_all
from belmont.federated.query.pair_proof import P, PairProof, check_pair, prove_knowledge, prove_pair
from belmont.federated.query.question import between, count, mean
from belmont.registry.types import Address
from belmont.zk.curve import GENERATOR

OTHER = PairSeeds(b"\1" * 32, b"\2" * 32)
"""Seeds that no pair of keys gives."""


@pytest.fixture(scope="module")
def key():
    return ResearcherKey()


@pytest.fixture
def heard(monkeypatch):
    """The signed answers of the last query, whatever became of it."""
    answers = []
    original = SignedAnswer.from_record.__func__

    def listening(cls, content, participants):
        answers.append(original(cls, content, participants))
        return answers[-1]

    monkeypatch.setattr(SignedAnswer, "from_record", classmethod(listening))
    return answers


def case_of(scene, permit, query, key, answers, n=1):
    return Case(
        scene.registry.identity,
        permit,
        n,
        query.canonical(),
        key.public_context,
        scene.participants,
        tuple(answers[-4:]),
    )


def disclosures(scene, permit, n=1, **changed):
    shown = {d: node.disclose(permit, n) for d, node in zip(scene.participants, scene.nodes, strict=True)}
    for name, change in changed.items():
        position = int(name.removeprefix("of_"))
        shown[scene.participants[position]] = change(shown[scene.participants[position]])
    return shown


def refuted(scene, key, layout, query=None, error=TotalRefuted):
    query = query or mean("hba1c")
    permit = scene.issue()
    with pytest.raises(error):
        scene.ask(permit, query, key, layout)
    return permit, query


def key_proofs(scene, case):
    """Every hospital proves that it knows its mask key."""
    return {d: node.prove_mask_key(case.context) for d, node in zip(scene.participants, scene.nodes, strict=True)}


def proofs(scene, case, disputes):
    """Each end of each pair proves what it shares with the other, which proved its key."""
    known = key_proofs(scene, case)
    made = {}
    for pair in disputes:
        for own, peer in (pair, pair[::-1]):
            node = scene.nodes[scene.participants.index(own)]
            other = scene.participants.index(peer)
            mask_key = scene.consortium.mask_keys[other].public_key().public_bytes_raw()
            made[own, peer] = node.prove_pair(case.context, other, mask_key, known[peer])
    return made


def places(verdict, scene):
    return {(scene.participants.index(each.dataset_id), each.place) for each in verdict.findings}


def lying_ciphertext(by):
    def composing(server, compose, context, masks, version, evidence, disclosure, openings):
        lie = replace(disclosure, totals=(disclosure.totals[0], disclosure.totals[1] + by))
        return compose(context, masks, version, evidence, lie, openings)

    return composing


def lying_opening(server, compose, context, masks, version, evidence, disclosure, openings):
    other = [replace(each, proof=each.proof + GENERATOR) for each in openings]
    return compose(context, masks, version, evidence, disclosure, other)


def lying_mask(server, compose, context, masks, version, evidence, disclosure, openings):
    """It masks its openings with seeds that it does not sign."""
    answer = compose(context, masks, version, evidence, disclosure, openings)
    position = masks.participants.index(server.dataset_id)
    seeds = [pair if pair == NO_SEEDS else OTHER for pair in disclosure.seeds]
    other = masked_openings([each.proof for each in openings], position, seeds)
    return replace(answer, openings=other).signed(server.account, masks, server.dataset_id)


def lying_signature(server, compose, context, masks, *parts):
    return compose(context, masks, *parts).signed(Account.create(), masks, server.dataset_id)


@pytest.mark.parametrize(
    ("composing", "place", "error"),
    [
        (lying_ciphertext(500), Place.CIPHERTEXT, TotalRefuted),
        (lying_opening, Place.OPENING, TotalRefuted),
        (lying_mask, Place.OPENING, TotalRefuted),
        (lying_signature, Place.SIGNATURE, AnswerRejected),
    ],
    ids=["ciphertext", "opening", "mask", "signature"],
)
def test_a_liar_is_found_and_nobody_else_is_named(scene, key, layout, heard, composing, place, error):
    scene.turn(2, composing)
    permit, query = refuted(scene, key, layout, error=error)
    case = case_of(scene, permit, query, key, heard)
    verdict = investigate(case, scene.registry, layout, disclosures(scene, permit))
    assert places(verdict, scene) == {(2, place)}
    assert verdict.liars == {scene.participants[2]} and verdict.disputes == () and verdict.total is None
    assert "hospital" in verdict._repr_html_() and str(place) in repr(verdict)


def test_the_error_brings_the_case_that_the_board_needs(scene, key, layout):
    scene.turn(0, lying_ciphertext(1))
    permit = scene.issue()
    with pytest.raises(TotalRefuted) as error:
        scene.ask(permit, mean("hba1c"), key, layout)
    case = Case.from_bytes(error.value.case.to_bytes())
    verdict = investigate(case, scene.registry, layout, disclosures(scene, permit))
    assert places(verdict, scene) == {(0, Place.CIPHERTEXT)}


def test_who_lied_in_the_ciphertext_under_a_filter_is_found(scene, key, layout, heard):
    scene.turn(1, lying_ciphertext(-3))
    permit, query = refuted(scene, key, layout, mean("hba1c", between("age", 43, 93)))
    case = case_of(scene, permit, query, key, heard)
    verdict = investigate(case, scene.registry, layout, disclosures(scene, permit))
    assert places(verdict, scene) == {(1, Place.CIPHERTEXT)}


def test_a_liar_who_discloses_its_lie_is_found_by_its_commitments(scene, key, layout, heard):
    """It shows the board the total it encrypted; the opening of that does not exist."""
    scene.turn(2, lying_ciphertext(500))
    permit, query = refuted(scene, key, layout)
    case = case_of(scene, permit, query, key, heard)

    def same_lie(disclosure):
        return replace(disclosure, totals=(disclosure.totals[0], disclosure.totals[1] + 500))

    verdict = investigate(case, scene.registry, layout, disclosures(scene, permit, of_2=same_lie))
    assert places(verdict, scene) == {(2, Place.TOTAL)}


def test_opening_honestly_what_was_not_encrypted_clears_nobody(scene, key, layout, heard):
    """With openings alone, every hospital would look honest: the attack of zk.md, "Totals"."""
    scene.turn(1, lying_ciphertext(500))
    permit, query = refuted(scene, key, layout)
    case = case_of(scene, permit, query, key, heard)
    shown = disclosures(scene, permit)
    from belmont.federated.query.checks import check_answer, recorded_uses
    from belmont.zk.totals import total_holds

    uses = recorded_uses(scene.registry, case)
    for position, dataset in enumerate(scene.participants):
        checked = check_answer(scene.registry, case, position, uses[dataset], layout)
        for opened, commitment, bound in zip(
            shown[dataset].opened(), checked.cells.commitments, checked.cells.bounds, strict=True
        ):
            assert total_holds([commitment], [opened.proof], opened.total, bound)
    assert investigate(case, scene.registry, layout, shown).liars == {scene.participants[1]}


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda disclosure: None, Place.DISCLOSURE),
        (lambda disclosure: replace(disclosure, openings=()), Place.DISCLOSURE),
        (lambda disclosure: replace(disclosure, openings=(b"\x9a" + bytes(47),) * 2), Place.DISCLOSURE),
        (lambda disclosure: replace(disclosure, totals=disclosure.totals[:1]), Place.DISCLOSURE),
        (lambda disclosure: replace(disclosure, encryption_seed=bytes(64)), Place.CIPHERTEXT),
        (lambda disclosure: replace(disclosure, encryption_seed=b""), Place.CIPHERTEXT),
        (lambda disclosure: replace(disclosure, seeds=(OTHER, *disclosure.seeds[1:])), Place.MASK),
        (lambda disclosure: replace(disclosure, seeds=()), Place.MASK),
        (lambda disclosure: replace(disclosure, seeds=(PairSeeds(b"", b""),) * 4), Place.MASK),
    ],
)
def test_a_hospital_that_answered_honestly_and_discloses_falsely_or_nothing_is_named(
    scene, key, layout, heard, change, place
):
    permit, query = scene.issue(), mean("hba1c")
    scene.ask(permit, query, key, layout)
    case = case_of(scene, permit, query, key, heard)
    verdict = investigate(case, scene.registry, layout, disclosures(scene, permit, of_2=change))
    assert place in {each.place for each in verdict.findings}
    assert verdict.liars == {scene.participants[2]}


def test_where_all_were_honest_nobody_is_named_and_the_board_knows_the_total(scene, key, layout, heard):
    """A researcher who claims another total than it decrypted finds no hospital to blame."""
    permit, query = scene.issue(), mean("hba1c")
    answer = scene.ask(permit, query, key, layout)
    case = replace(case_of(scene, permit, query, key, heard), claimed=(1, 2))
    verdict = investigate(case, scene.registry, layout, disclosures(scene, permit))
    assert verdict.findings == () and verdict.total == answer.cells
    assert "nobody" in repr(verdict)


def test_two_liars_whose_lies_offset_give_the_true_total_and_are_found_if_anybody_asks(scene, key, layout, heard):
    scene.turn(0, lying_ciphertext(500))
    scene.turn(3, lying_ciphertext(-500))
    permit, query = scene.issue(), mean("hba1c")
    answer = scene.ask(permit, query, key, layout)
    assert answer.verify() is answer.proof, "the total is the true one"
    case = case_of(scene, permit, query, key, heard)
    verdict = investigate(case, scene.registry, layout, disclosures(scene, permit))
    assert places(verdict, scene) == {(0, Place.CIPHERTEXT), (3, Place.CIPHERTEXT)}


def test_two_liars_at_once_are_both_found(scene, key, layout, heard):
    scene.turn(0, lying_ciphertext(500))
    scene.turn(3, lying_opening)
    permit, query = refuted(scene, key, layout)
    case = case_of(scene, permit, query, key, heard)
    verdict = investigate(case, scene.registry, layout, disclosures(scene, permit))
    assert places(verdict, scene) == {(0, Place.CIPHERTEXT), (3, Place.OPENING)}


class OtherSeeds(QueryServer):
    """Masks with, signs and discloses seeds for one pair that its key does not give: consistent in itself."""

    def _seeds(self, context):
        seeds = super()._seeds(context)
        place = next(i for i, pair in enumerate(seeds) if pair != NO_SEEDS)
        seeds[place] = OTHER
        return seeds


def with_other_seeds(node):
    given = node._queries
    node._queries = OtherSeeds(**{each.name: getattr(given, each.name) for each in fields(given)})


class TestAPairThatSignedDifferentSeeds:
    """Hospital 2 used other seeds with hospital 0 than their keys give. Both disclose what they signed."""

    @pytest.fixture
    def disputed(self, scene, key, layout, heard):
        with_other_seeds(scene.nodes[2])
        permit, query = refuted(scene, key, layout)
        case = case_of(scene, permit, query, key, heard)
        return scene, case, disclosures(scene, permit)

    def test_the_disclosures_alone_name_nobody(self, disputed, layout):
        scene, case, shown = disputed
        verdict = investigate(case, scene.registry, layout, shown)
        assert verdict.findings == ()
        assert verdict.disputes == ((scene.participants[0], scene.participants[2]),)

    def test_the_pairs_proofs_name_the_liar(self, disputed, layout):
        scene, case, shown = disputed
        disputes = investigate(case, scene.registry, layout, shown).disputes
        made = proofs(scene, case, disputes)
        verdict = investigate(case, scene.registry, layout, shown, made, key_proofs(scene, case))
        assert places(verdict, scene) == {(2, Place.MASK)}

    def test_who_proves_nothing_is_named(self, disputed, layout):
        scene, case, shown = disputed
        made = proofs(scene, case, investigate(case, scene.registry, layout, shown).disputes)
        del made[scene.participants[2], scene.participants[0]]
        known = key_proofs(scene, case)
        assert places(investigate(case, scene.registry, layout, shown, made, known), scene) == {(2, Place.MASK)}

    def test_who_does_not_prove_its_key_is_named_and_nobody_proves_a_secret_with_it(self, disputed, layout):
        scene, case, shown = disputed
        known, liar, other = key_proofs(scene, case), scene.participants[2], scene.participants[0]
        forged = prove_knowledge(X25519PrivateKey.generate(), case.context.key_info(2))
        mask_key = scene.consortium.mask_keys[2].public_key().public_bytes_raw()
        for without in (b"", known[other], forged, known[liar][:-1], bytes(64)):
            made = {each: proof for each, proof in known.items() if each != liar} | {liar: without}
            assert places(investigate(case, scene.registry, layout, shown, {}, made), scene) == {(2, Place.MASK)}
            with pytest.raises(QueryError):
                scene.nodes[0].prove_pair(case.context, 2, mask_key, without)

    def test_a_proof_with_another_key_or_for_another_query_is_none(self, disputed, layout):
        scene, case, shown = disputed
        disputes = investigate(case, scene.registry, layout, shown).disputes
        peer, known = scene.consortium.mask_keys[0].public_key().public_bytes_raw(), key_proofs(scene, case)
        elsewhere = replace(case.context, n=9)
        for forged in (
            prove_pair(X25519PrivateKey.generate(), peer, b""),
            scene.nodes[2].prove_pair(elsewhere, 0, peer, scene.nodes[0].prove_mask_key(elsewhere)),
        ):
            made = proofs(scene, case, disputes) | {(scene.participants[2], scene.participants[0]): forged}
            assert places(investigate(case, scene.registry, layout, shown, made, known), scene) == {(2, Place.MASK)}


TWIST = next(u.to_bytes(32, "little") for u in range(2, 99) if not _is_usable(u.to_bytes(32, "little")))
UNUSABLE = [TWIST, (P + 9).to_bytes(32, "little"), (P - 1).to_bytes(32, "little"), bytes(32), b"\1" + bytes(31)]


@pytest.mark.parametrize("wrong", UNUSABLE, ids=["twist", "not canonical", "p - 1", "zero", "small order"])
def test_a_key_that_no_proof_could_be_made_over_is_refused_and_blames_its_owner_only(scene, key, layout, heard, wrong):
    keys = [each.public_key().public_bytes_raw() for each in scene.consortium.mask_keys]
    context = MaskContext("c", 1, 1, bytes(32), scene.participants)
    with pytest.raises(QueryError, match="participant 2 on chain cannot be used"):
        seeds_with_all(context, 0, scene.consortium.mask_keys[0], [*keys[:2], wrong, *keys[3:]])
    with_other_seeds(scene.nodes[2])
    permit, query = refuted(scene, key, layout)
    case = case_of(scene, permit, query, key, heard)
    holder = Address(scene.consortium.hospitals[2].address)
    members = scene.registry._world.members
    members[holder] = replace(members[holder], mask_key=wrong)
    verdict = investigate(case, scene.registry, layout, disclosures(scene, permit), {})
    assert places(verdict, scene) == {(2, Place.MASK)}


def test_who_signs_another_hash_than_that_of_its_seeds_is_named_without_the_peer(scene, key, layout, heard):
    def composing(server, compose, context, masks, *parts):
        answer = compose(context, masks, *parts)
        other = replace(answer, seed_hashes=(b"\5" * 32, *answer.seed_hashes[1:]))
        return other.signed(server.account, masks, server.dataset_id)

    scene.turn(2, composing)
    permit, query = refuted(scene, key, layout)
    case = case_of(scene, permit, query, key, heard)
    verdict = investigate(case, scene.registry, layout, disclosures(scene, permit))
    assert places(verdict, scene) == {(2, Place.MASK)} and verdict.disputes == ()


class TestACaseThatIsNotWhatTheChainHas:
    """A researcher cannot have a hospital blamed for what it did not answer."""

    @pytest.fixture
    def honest(self, scene, key, layout, heard):
        permit, query = scene.issue(), count()
        scene.ask(permit, query, key, layout)
        return scene, case_of(scene, permit, query, key, heard), disclosures(scene, permit)

    @pytest.mark.parametrize(
        "change",
        [
            lambda case: replace(case, canonical_query=mean("hba1c").canonical()),
            lambda case: replace(case, n=2),
            lambda case: replace(case, consortium="another"),
            lambda case: replace(case, participants=case.participants[::-1], answers=case.answers[::-1]),
            lambda case: replace(case, answers=case.answers[::-1]),
            lambda case: replace(case, answers=case.answers[:3]),
            lambda case: replace(case, public_context=b"x"),
            lambda case: replace(case, answers=(replace(case.answers[0], ciphertext=b"x"), *case.answers[1:])),
        ],
    )
    def test_it_is_refused(self, honest, layout, change):
        scene, case, shown = honest
        assert investigate(case, scene.registry, layout, shown).findings == ()
        with pytest.raises(QueryError):
            investigate(change(case), scene.registry, layout, shown)

    @pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b'{"format":1,"answers":[{}]}'])
    def test_other_bytes_are_no_case(self, data):
        with pytest.raises(QueryError):
            Case.from_bytes(data)


class TestPairProof:
    """`prove_pair` and `check_pair` agree with X25519 itself."""

    @settings(max_examples=25, deadline=None)
    @given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
    def test_it_shows_the_shared_secret_of_both_ends(self, one, two):
        keys = [X25519PrivateKey.from_private_bytes(raw) for raw in (one, two)]
        public = [each.public_key().public_bytes_raw() for each in keys]
        secret = keys[0].exchange(keys[1].public_key())
        for own, peer in ((0, 1), (1, 0)):
            proof = PairProof.from_bytes(prove_pair(keys[own], public[peer], b"context").to_bytes())
            assert check_pair(proof, public[own], public[peer], b"context") == secret

    def test_any_change_is_refused(self):
        keys = [X25519PrivateKey.generate() for _ in range(3)]
        own, peer, third = (each.public_key().public_bytes_raw() for each in keys)
        proof = prove_pair(keys[0], peer, b"context")
        assert check_pair(proof, own, peer, b"context")
        other = prove_pair(keys[0], third, b"context")
        for bad, arguments in [
            (replace(proof, shared=other.shared), (own, peer, b"context")),
            (replace(proof, challenge=proof.challenge + 1), (own, peer, b"context")),
            (replace(proof, response=proof.response + 1), (own, peer, b"context")),
            (replace(proof, response=proof.response + 2**253), (own, peer, b"context")),
            (replace(proof, shared=bytes(32)), (own, peer, b"context")),
            (replace(proof, shared=(1).to_bytes(32, "little")), (own, peer, b"context")),
            (replace(proof, shared=b"\xff" * 32), (own, peer, b"context")),
            (proof, (own, peer, b"another")),
            (proof, (peer, own, b"context")),
            (proof, (own, third, b"context")),
            (proof, (bytes(32), peer, b"context")),
            (proof, (own, bytes(32), b"context")),
        ]:
            with pytest.raises(QueryError):
                check_pair(bad, *arguments)
        with pytest.raises(QueryError):
            PairProof.from_bytes(proof.to_bytes() + b"\0")

    def test_a_shared_point_with_a_part_of_small_order_is_refused(self):
        """Otherwise a prover could show eight secrets for one key and choose."""
        from belmont.federated.query import pair_proof as module

        key, peer = X25519PrivateKey.generate(), X25519PrivateKey.generate().public_key().public_bytes_raw()
        proof = prove_pair(key, peer, b"")
        minus_one = (0, module.P - 1, 1, 0)
        moved = module._compress(module._plus(module._decompress(proof.shared), minus_one))
        with pytest.raises(QueryError, match="subgroup"):
            check_pair(replace(proof, shared=moved), key.public_key().public_bytes_raw(), peer, b"")
