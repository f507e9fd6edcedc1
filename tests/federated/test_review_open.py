"""Attacks that still work, with what is proposed against each; strict, so that a fix has to take the mark away."""

from contextlib import closing
from typing import Any

import pytest
from tests.federated.privacy.scenes import STEPS, made_private
from tests.federated.privacy.scenes import training as private_training
from tests.federated.test_review_disputes import divided, multiplied

from belmont.federated.bounded.settings import UpdateBounds
from belmont.federated.errors import RoundRefused
from belmont.federated.models.logistic import logistic_config
from belmont.federated.query.masks import MaskContext


@pytest.mark.xfail(strict=True, reason="a query's pair is proved without its peer's proof of its key")
def test_a_mask_key_on_chain_that_is_a_multiple_of_anothers_gives_no_secret_of_two_others(scene: Any) -> None:
    """Hospital 3 puts a multiple of hospital 0's static key on chain, and lies in a query, so that hospital 1 proves
    their pair's secret to the board. That gives the static secret of hospitals 0 and 1: masks of all their queries, and
    every package that they sealed for each other, past and to come.

    Proposal: `HospitalNode.prove_pair` takes the peer's `prove_knowledge` for the dispute, or the chain asks for one
    (a proof of possession) with a mask key.
    """
    keys = [each.public_key().public_bytes_raw() for each in scene.consortium.mask_keys]
    twisted = multiplied(keys[0])
    scene.registry.as_(scene.consortium.hospitals[3]).replace_keys(twisted, bytes(32))
    context = MaskContext(scene.registry.identity, 1, 1, bytes(32), scene.participants)
    proof = scene.nodes[1].prove_pair(context, 3, twisted)
    ours = scene.consortium.mask_keys[1].exchange(scene.consortium.mask_keys[0].public_key())
    assert divided(proof) != ours


@pytest.mark.xfail(strict=True, reason="bounds that the noise passes by chance are served, and what they tell is free")
def test_a_round_whose_noise_passes_its_bound_is_charged_or_refused_before_anything_is_computed(scene: Any) -> None:
    """Whether the noisy vector is within the bound depends on data, is told (the round fails), and costs nothing.

    A board that bounds tightly, as docs/bounded_updates.md warns of, gives code that is harmless by itself one bit a
    round and hospital without a charge. Proposal: a node refuses bounds beside noise unless they are beyond the sum of
    what clipping lets through (norm, times registered rows by row) and twelve sigma, with squares likewise; all of it
    is public, so the refusal tells nothing.
    """
    made_private(scene)
    sigma = 2.0 * (10**6 / (2 * STEPS.noise.rho_per_round)) ** 0.5
    bounds, _ = UpdateBounds.of(0.7 * sigma, fraction_bits=STEPS.noise.fraction_bits)
    scene.config = logistic_config(("age", "hba1c", "systolic"), "cvd_event", private=STEPS, bounds=bounds)
    scene.permit = scene.issue(rho_per_dataset=10**8)
    with closing(scene.grid()) as grid, pytest.raises(RoundRefused) as caught:
        for _ in range(3):
            private_training(scene, grid).round()
    failed = [each for each in caught.value.hospitals if "study's code failed" in each.detail]
    spent = [scene.registry.rho_spent(scene.permit, each.dataset_id) for each in failed]
    assert all(spent), "a bit of the noisy vectors was told for nothing"
