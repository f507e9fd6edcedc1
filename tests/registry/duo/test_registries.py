"""Data use in every registry: the simulated one and the one on a chain."""

from dataclasses import replace

import pytest

from belmont.registry.duo import Commerce, Conditions, Declaration, Term, Verdict, countries, match
from belmont.registry.errors import RegistryArgumentError, RegistryRefused
from belmont.registry.types import Abstention, MicroRho

YEAR = 365 * 24 * 3600


def register(world, name, conditions):
    fields = (int(conditions.terms), b"\x11" * 32, 1, 1, world.now() + 2 * YEAR, MicroRho(1), conditions)
    return world.registry.as_(world.holders[0]).register_dataset(name, *fields)


def test_an_application_is_matched_and_what_is_open_is_shown(any_world):
    conditions = Conditions(Term.GRU | Term.GS | Term.IRB | Term.NCU, countries=countries("DE"))
    id_ = register(any_world, "matched", conditions)
    dataset = any_world.registry.dataset(id_)
    assert dataset.conditions == conditions
    declared = Declaration(countries=countries("DE"), commerce=Commerce.NON_COMMERCIAL)
    terms = any_world.terms((id_,), min_hospitals=1, intended_use=declared)
    study = any_world.registry.study(any_world.registry.as_(any_world.data_user).propose(terms))
    assert study.terms == terms
    assert study.abstentions == (Abstention(id_, Term.IRB),)
    assert study in any_world.registry.studies()
    found = match(dataset.data_use, study.terms.use_of(study.data_user), study.proposed_at)
    assert (found.verdict, found.denied, found.abstained) == (Verdict.ABSTAIN, Term(0), Term.IRB)


def test_an_application_that_is_not_permitted_is_refused_with_what_to_do(any_world):
    id_ = register(any_world, "denied", Conditions(Term.GRU | Term.PUB))
    terms = any_world.terms((id_,), min_hospitals=1)
    before = len(any_world.registry.studies())
    with pytest.raises(RegistryRefused, match=r"DATA_USE_DENIED\. .*duo\.match says why"):
        any_world.registry.as_(any_world.data_user).propose(terms)
    assert len(any_world.registry.studies()) == before


def test_what_is_no_declaration_is_refused_before_anything_is_sent(any_world):
    terms = any_world.terms((b"\x11" * 32,), intended_use="research")
    with pytest.raises(RegistryArgumentError, match="Declaration"):
        any_world.registry.as_(any_world.data_user).propose(terms)


def test_conditions_are_of_the_terms_that_are_stated(any_world):
    registry = any_world.registry.as_(any_world.holders[0])
    fields = ("other terms", 1 << 4, b"\x11" * 32, 1, 1, any_world.now() + 2 * YEAR, MicroRho(1))
    for wrong in (Conditions(Term.GRU), "GRU"):
        with pytest.raises(RegistryArgumentError, match="just these duo_terms"):
            registry.register_dataset(*fields, wrong)


def test_a_dataset_without_conditions_of_its_own_permits_what_its_terms_permit(any_world):
    registry = any_world.registry.as_(any_world.holders[0])
    fields = (1 << 6, b"\x11" * 32, 1, 1, any_world.now() + 2 * YEAR, MicroRho(1))
    dataset = registry.dataset(registry.register_dataset("terms alone", *fields))
    assert dataset.data_use == Conditions(Term.HMB)
    assert replace(dataset, conditions=None).data_use == Conditions(Term.HMB)
