"""The conditions of datasets, held against the intended use when a study is proposed."""

import pytest
from hypothesis import HealthCheck, given, settings
from tests.contracts.conftest import GAS
from tests.registry.duo import cases

from belmont.registry.duo import Commerce, Conditions, Declaration, Purpose, Term, countries, diseases, match
from belmont.registry.duo.intended_use import SILENT
from belmont.registry.errors import RegistryArgumentError, RegistryRefused
from belmont.registry.types import Abstention, Address, MicroRho, PermitId

YEAR = 365 * 24 * 3600
DISEASE = diseases("MONDO:0007254")
DECLARED = [
    "diseases",
    "countries",
    "institution",
    "organisation",
    "commerce",
    "commitments",
    "clinical_care",
    "publishes_not_before",
    "ethics_approval",
]


def register(consortium, conditions, holder=None, registry=None):
    consortium.made += 1
    registry = (registry or consortium.registry).as_(holder or consortium.holder)
    name, until = f"conditional dataset {consortium.made}", consortium.evm.now + YEAR
    fields = (int(conditions.terms), b"\x11" * 32, 1, 1, until, MicroRho(1))
    return registry.register_dataset(name, *fields, conditions)


def propose(consortium, ids, declaration=SILENT, purpose=Purpose.BIOMEDICAL, registry=None, **changes):
    fields = {"intended_use": declaration, "purpose": int(purpose), "min_hospitals": 1, **changes}
    return (registry or consortium.registry).as_(consortium.data_user).propose(consortium.terms(tuple(ids), **fields))


def test_conditions_are_kept_with_their_parameters(consortium):
    conditions = Conditions(Term.DS | Term.GS | Term.TS, diseases=DISEASE, countries=countries("DE"), months=12)
    id_ = register(consortium, conditions)
    dataset = consortium.registry.dataset(id_)
    assert dataset.conditions == dataset.data_use == conditions
    assert dataset.duo_terms == int(conditions.terms)


def test_terms_alone_are_conditions(consortium):
    assert consortium.registry.dataset(consortium.dataset()).data_use == Conditions(Term.NRES)


def test_conditions_of_other_terms_than_stated_are_refused_before_anything_is_sent(consortium):
    with pytest.raises(RegistryArgumentError, match="just these duo_terms"):
        consortium.registry.as_(consortium.holder).register_dataset(
            "other", 1 << 4, b"\x11" * 32, 1, 1, consortium.evm.now + YEAR, MicroRho(1), Conditions(Term.HMB)
        )


def test_what_is_declared_is_kept_with_the_study(consortium):
    declaration = Declaration(diseases=DISEASE, commerce=Commerce.NON_COMMERCIAL, ethics_approval=b"\x33" * 32)
    study = consortium.registry.study(propose(consortium, [consortium.dataset()], declaration))
    assert study.terms.intended_use == declaration
    assert study.abstentions == ()


def test_a_permit_keeps_what_was_declared(consortium):
    declaration = Declaration(diseases=DISEASE)
    permit = consortium.permit(intended_use=declaration)
    assert consortium.registry.permit(permit).terms.intended_use == declaration


def test_a_use_that_one_dataset_does_not_permit_is_refused_and_leaves_no_study(consortium, refused):
    permits = register(consortium, Conditions(Term.GRU))
    denies = register(consortium, Conditions(Term.GRU | Term.NCU), consortium.other_holder)
    for ids in ([permits, denies], [denies, permits], [denies]):
        with refused("DATA_USE_DENIED"):
            propose(consortium, ids, Declaration(commerce=Commerce.COMMERCIAL))
    assert consortium.registry.studies() == []
    assert consortium.events("StudyProposed", "DataUseLeftOpen") == []
    assert propose(consortium, [permits, denies], Declaration(commerce=Commerce.NON_COMMERCIAL))


def test_silence_is_refused_where_a_declaration_is_asked_for(consortium, refused):
    id_ = register(consortium, Conditions(Term.DS, diseases=DISEASE))
    with refused("DATA_USE_DENIED"):
        propose(consortium, [id_])
    assert propose(consortium, [id_], Declaration(diseases=DISEASE))


def test_what_is_left_open_is_recorded_for_each_dataset_and_announced(consortium):
    permits = register(consortium, Conditions(Term.GRU))
    abstains = register(consortium, Conditions(Term.HMB | Term.IRB), consortium.other_holder)
    number = propose(consortium, [permits, abstains])
    assert consortium.registry.study(number).abstentions == (Abstention(abstains, Term.IRB),)
    details = {"study": number, "dataset": abstains, "abstained": 1 << 21}
    assert consortium.events("DataUseLeftOpen") == [("DataUseLeftOpen", consortium.data_user.address, details)]


def test_what_a_term_denies_is_refused_beside_what_another_leaves_open(consortium, refused):
    id_ = register(consortium, Conditions(Term.HMB | Term.IRB | Term.NCU))
    with refused("DATA_USE_DENIED"):
        propose(consortium, [id_], Declaration(commerce=Commerce.COMMERCIAL))
    assert propose(consortium, [id_], Declaration(commerce=Commerce.NON_COMMERCIAL))


def test_only_the_board_and_the_holder_settle_what_is_left_open(consortium, refused):
    id_ = register(consortium, Conditions(Term.HMB | Term.IRB))
    number = propose(consortium, [id_])
    with refused("STUDY_NOT_APPROVED"):
        consortium.registry.as_(consortium.non_member).issue(number)
    consortium.approve(number)
    with refused("NOT_ACCEPTED"):
        consortium.registry.as_(consortium.non_member).issue(number)
    consortium.accept(number)
    assert consortium.registry.as_(consortium.non_member).issue(number) == number


def test_an_amendment_is_matched_like_any_other_application(consortium, refused):
    id_ = register(consortium, Conditions(Term.GRU | Term.NMDS))
    number = propose(consortium, [id_])
    consortium.approve(number)
    consortium.accept(number)
    permit = consortium.registry.as_(consortium.non_member).issue(number)
    terms = consortium.terms((id_,), min_hospitals=1, purpose=int(Purpose.METHOD_DEVELOPMENT))
    with refused("DATA_USE_DENIED"):
        consortium.registry.as_(consortium.data_user).propose_amendment(PermitId(permit), terms)


def test_the_account_of_the_data_user_is_the_chains_own_and_the_protocol_the_studys(consortium, refused):
    user = frozenset({Address(consortium.data_user.address)})
    permits = register(consortium, Conditions(Term.GRU | Term.US, users=user))
    assert propose(consortium, [permits])
    denies = register(consortium, Conditions(Term.GRU | Term.US, users=frozenset({cases.USERS["first"]})))
    with refused("DATA_USE_DENIED"):
        propose(consortium, [denies])
    one = register(consortium, Conditions(Term.GRU | Term.PS, projects=frozenset({b"\x77" * 32})))
    assert propose(consortium, [one], protocol_hash=b"\x77" * 32)
    with refused("DATA_USE_DENIED"):
        propose(consortium, [one], protocol_hash=b"\x78" * 32)


def test_long_conditions_cost_little_enough_for_sixteen_datasets_in_one_application(consortium):
    most = cases.longest()[0]
    lists = Conditions(Term.DS | Term.GS | Term.IRB, diseases=most.diseases, countries=most.countries)
    declared = Declaration(diseases=frozenset(range(25, 33)), countries=most.countries)
    costs = []
    for conditions in (Conditions(Term.GRU), lists):
        propose(consortium, [register(consortium, conditions)], declared)
        costs.append(consortium.evm.gas_used)
    assert 16 * (costs[1] - costs[0]) < GAS // 8


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=cases.conditions(), second=cases.conditions(), use=cases.uses)
def test_contracts_reference_model_and_matcher_agree(consortium, both, first, second, use):
    back = consortium.evm.mark()
    registry = both(consortium)
    ids = [
        register(consortium, first, consortium.holder, registry),
        register(consortium, second, consortium.other_holder, registry),
    ]
    declared = Declaration(**{name: getattr(use, name) for name in DECLARED})
    duration = min(max(use.duration_seconds, 1), YEAR)
    terms = consortium.terms(
        tuple(ids), purpose=int(use.purposes), intended_use=declared, duration_seconds=duration, min_hospitals=1
    )
    by = Address(consortium.data_user.address)
    expected = [match(each, terms.use_of(by), consortium.evm.now) for each in (first, second)]
    try:
        number = registry.as_(consortium.data_user).propose(terms)
    except RegistryRefused as refusal:
        assert refusal.reason == "DATA_USE_DENIED"
        assert any(each.denied for each in expected)
    else:
        study = registry.study(number)
        assert study == registry.model.study(number)
        assert study.abstentions == tuple(
            Abstention(id_, each.abstained) for id_, each in zip(ids, expected, strict=True) if each.abstained
        )
        assert not any(each.denied for each in expected)
    assert [each.conditions for each in registry.model.datasets()] == [first, second]
    back()
