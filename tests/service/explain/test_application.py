"""A lay member reads what would happen to whose data, and what does not protect it."""

from dataclasses import replace
from typing import Any

import pytest
from tests.service.explain.records import (
    DATASETS,
    DICTIONARY,
    IDS,
    MEMBERS,
    MODEL,
    NOW,
    USER,
    VERSIONS,
    dataset,
    member,
    study,
    terms,
    version,
)  # fmt: skip

from belmont.federated.hashes import config_hash
from belmont.lab import HistGradientBoostingClassifier, LinearRegression, LogisticRegression, MLPClassifier
from belmont.lab.models import CoxRegression
from belmont.registry.duo import Commerce, Commitment, Declaration, Organisation, countries
from belmont.registry.types import (
    AnswerMode,
    Computation,
    DatasetStatus,
    MemberStatus,
    MicroRho,
    PermitId,
    Role,
    StudyTerms,
    VersionStatus,
)  # fmt: skip
from belmont.service.explain import application
from belmont.service.explain.errors import OtherDocument
from belmont.service.words import of

EN, ZH = of("en"), of("zh-Hans")
NOISY = LogisticRegression.default().with_noise(epsilon=5, rounds=12)
TRAINING = {"queries": 0, "computations": Computation.TRAINING}


def summary(of_terms: StudyTerms | None = None, config: Any = None, **changed: Any) -> application.Summary:
    arguments = {"versions": VERSIONS, "dictionary": DICTIONARY} | changed
    datasets, members = arguments.pop("datasets", DATASETS), arguments.pop("members", MEMBERS)
    about = arguments.pop("study", None) or study(of_terms)
    return application.summary(about, datasets, members, config, NOW, **arguments)


def said(found: application.Summary, key: str) -> str:
    both = [" ".join(words.say(each) for each in found.section(key).points) for words in (EN, ZH)]
    assert "{" not in "".join(both)
    return both[0]


def test_the_lead_says_who_asks_for_what_of_how_many() -> None:
    assert EN.say(summary().lead) == (
        "Dr Chen asks for training of a model and encrypted queries on the records of 3,003 patients at 3 hospitals, "
        "for research on a category of diseases, within 30 days."
    )
    assert ZH.say(summary().lead).startswith("Dr Chen申请对 3 家医院 3,003 名患者的病历数据进行模型训练和加密查询")


def test_a_hospital_without_a_version_leaves_the_number_open() -> None:
    found = summary(versions={})
    assert "patients" not in EN.say(found.lead)
    assert "No version is registered yet." in said(found, "whose")


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (MODEL, "A logistic regression is trained"),
        (LinearRegression(features=("age",), outcome="hba1c"), "A linear regression is trained"),
        (MLPClassifier(features=("age",), outcome="cvd_event"), "A neural network is trained"),
        (HistGradientBoostingClassifier(features=("age",), outcome="cvd_event"), "Boosted decision trees of 3 levels"),
    ],
    ids=["logistic", "linear", "network", "trees"],
)
def test_the_model_is_named_by_the_codes_hash_and_its_columns_by_the_dictionary(model: Any, expected: str) -> None:
    found = said(summary(terms(model), model.config), "computed")
    assert expected in found and "Age at baseline" in found


def test_other_code_is_the_applicants_own_and_somebody_has_to_read_it() -> None:
    own = terms(code_hash=b"\5" * 32)
    assert "code of the applicant's own" in said(summary(own, MODEL.config), "computed")
    assert "copies single records" in said(summary(own, MODEL.config), "lacks")
    assert "copies single records" not in said(summary(terms(), MODEL.config), "lacks")


def test_without_the_configuration_nothing_is_guessed() -> None:
    found = summary()
    assert "The configuration is not here" in said(found, "computed")
    assert "is in the configuration" in said(found, "leaves")
    assert "not handed over" in said(found, "lacks")
    assert "only the sum" not in said(found, "leaves")


def test_another_configuration_is_refused() -> None:
    with pytest.raises(OtherDocument, match="hash"):
        summary(terms(), NOISY.config)
    with pytest.raises(OtherDocument, match="no configuration"):
        summary(terms(), {"a": object()})


def test_secure_sums_hide_hospitals_and_how_many_may_not_collude() -> None:
    found = summary(terms(), MODEL.config)
    numbers = 4 + 4 * 4 + 1 + 1  # gradient, Hessian, loss, rows
    assert f"{numbers} numbers leave every hospital, masked: only the sum over at least 3" in said(found, "leaves")
    assert "If 2 hospitals or more work together" in said(found, "lacks")


def test_visible_updates_are_said_to_be_visible() -> None:
    model = LogisticRegression(features=("age",), outcome="cvd_event", secure=False)
    found = summary(terms(model), model.config)
    assert "can read the numbers of each single hospital" in said(found, "leaves")
    assert "Single hospitals are not hidden" in said(found, "lacks")


def test_bounds_are_said_in_the_updates_units() -> None:
    model = LogisticRegression(features=("age",), outcome="cvd_event", largest=50.0)
    found = summary(terms(model), model.config)
    assert "none of its numbers is larger than 50." in said(found, "leaves")
    assert "within the bound" in said(found, "lacks") and "of any size" not in said(found, "lacks")


def test_an_evaluation_says_who_is_kept_apart_and_what_is_shown() -> None:
    model = LogisticRegression(
        features=("age",), outcome="cvd_event", holdout=0.2, groups=("sex",), report_hospitals=True
    )
    found = summary(terms(model), model.config)
    assert "20% of each hospital's patients" in said(found, "computed") and "Sex as recorded" in said(found, "computed")
    assert "own results of the evaluation are shown" in said(found, "lacks")


def test_an_evaluation_of_survival_says_at_which_times_it_counts() -> None:
    model = CoxRegression(
        features=("age",), outcome="cvd_event", duration="hba1c", holdout=0.2, evaluation_cuts=(90, 182.5)
    )
    found = said(summary(terms(model), model.config), "computed")
    assert "by these times, and who was followed longer: 90, 182.5, as “" in found
    assert "is measured. Each hospital answers 3 such evaluations" in found
    wrong = dict(model.config) | {"evaluation-cuts": "180,90"}
    assert "Nodes refuse this configuration" in said(
        summary(terms(model, config_hash=config_hash(wrong)), wrong), "computed"
    )
    without = LogisticRegression(features=("age",), outcome="cvd_event", holdout=0.2)
    assert "by these times" not in said(summary(terms(without), without.config), "computed")


def test_of_several_classes_it_is_said_by_its_name_which_one_is_told_apart() -> None:
    model = MLPClassifier(("age",), "smoking", hidden=(2,), classes=(0.0, 1.0, 2.0), holdout=0.2, evaluated_class=2.0)
    found = said(summary(terms(model), model.config), "computed")
    assert "patients whose “Smoking status” is “current” from all others" in found
    forged = dict(model.config) | {"evaluated-class": "2"}
    refused = said(summary(terms(model, config_hash=config_hash(forged)), forged), "computed")
    assert "Nodes refuse this configuration" in refused and "from all others" not in refused


@pytest.mark.parametrize(("evaluations", "count"), [(None, "3 such evaluations"), (1, "1 such evaluation ")])
def test_an_evaluation_says_how_many_there_are(evaluations: int | None, count: str) -> None:
    model = LogisticRegression(features=("age",), outcome="cvd_event", holdout=0.2, evaluations=evaluations)
    assert f"Each hospital answers {count}" in said(summary(terms(model), model.config), "computed") + " "
    noisy = model.with_noise(epsilon=20, rounds=3)
    bounded = "such evaluation" in said(summary(terms(noisy), noisy.config), "computed")
    assert bounded is (evaluations is not None), "with noise the budget is the bound"


def test_a_number_of_evaluations_that_nodes_do_not_read_is_said_to_be_refused() -> None:
    from belmont.federated.hashes import config_hash

    config = {**MODEL.config, "evaluations": 0}
    assert "Nodes refuse this configuration" in said(
        summary(terms(config_hash=config_hash(config)), config), "computed"
    )


def test_exact_answers_are_not_protected_from_differences() -> None:
    assert "subtracted from each other" in said(summary(terms(), MODEL.config), "lacks")
    assert "The results of rounds are exact" in said(summary(terms(), MODEL.config), "lacks")


def test_noise_is_explained_with_what_epsilon_means() -> None:
    rho = MicroRho(12 * NOISY.rho_per_round)
    found = summary(terms(NOISY, rho_per_dataset=rho, answer_mode=AnswerMode.PRIVATE, **TRAINING), NOISY.config)
    assert "adds random noise" in said(found, "leaves")
    assert "epsilon at most 5.35 at a delta of one in 1,000,000 (rho 0.520476)" in said(found, "protects")
    assert "at most 209 times as likely" in said(found, "protects")
    lacks = said(found, "lacks")
    assert "exact" not in lacks and "noise is not proved" in lacks


def test_a_large_epsilon_is_called_what_it_is() -> None:
    found = summary(terms(NOISY, rho_per_dataset=MicroRho(50_000_000), **TRAINING), NOISY.config)
    assert "hardly limits" in said(found, "protects")
    assert "rounds without noise" in said(found, "lacks")


def test_questions_under_a_permit_of_noise_are_said_to_be_refused() -> None:
    found = summary(terms(NOISY, answer_mode=AnswerMode.PRIVATE, rho_per_dataset=MicroRho(5)), NOISY.config)
    assert "Nodes answer no query" in said(found, "leaves")
    assert "subtracted" not in said(found, "lacks")


def test_a_configuration_that_nodes_refuse_is_said_to_be_refused() -> None:
    from belmont.federated.hashes import config_hash

    config = {"features": "age", "outcome": "cvd_event", "family": "binomial", "belmont-unheard-of": 1}
    found = summary(terms(config_hash=config_hash(config)), config)
    assert "Nodes refuse this configuration" in said(found, "leaves")


def test_only_questions_are_said_without_a_word_on_training() -> None:
    found = summary(terms(rounds=0, computations=Computation.QUERY))
    assert "round of training" not in said(found, "duration") and "is trained" not in said(found, "computed")
    assert "made-up numbers" not in said(found, "lacks")


def test_what_stops_a_dataset_is_said_beside_it() -> None:
    datasets = {
        IDS[0]: dataset(0, status=DatasetStatus.FROZEN),
        IDS[1]: dataset(1, retention_until=NOW - 1),
        IDS[2]: dataset(2, status=DatasetStatus.DESTROYED),
    }
    versions = {IDS[0]: (version(0, status=VersionStatus.REGISTERED),)}
    found = said(summary(datasets=datasets, versions=versions), "whose")
    for part in ("is frozen by its holder", "is not proven yet", "retention of Diabetes 2 ended", "was destroyed"):
        assert part in found
    assert "nothing is known of it here" in said(summary(datasets={}), "whose")


def test_what_is_declared_is_said_and_silence_too() -> None:
    use = Declaration(
        organisation=Organisation.NOT_FOR_PROFIT, commerce=Commerce.NON_COMMERCIAL, countries=countries("DE", "CN"),
        commitments=Commitment.PUBLISHES, clinical_care=True, publishes_not_before=NOW,
    )  # fmt: skip
    expected = (
        "Declared: not-for-profit organisation, non-commercial use, analysis in China and Germany, a promise to "
        "publish the results, nothing published before 2 February 2026 and results go into the care of patients."
    )
    assert expected in said(summary(terms(intended_use=use)), "who")
    assert "Nothing is declared" in said(summary(), "who")


def test_an_amendment_and_an_applicant_who_left_are_said() -> None:
    left = dict(MEMBERS) | {USER: member(USER, "Dr Chen", Role.DATA_USER, MemberStatus.REMOVED)}
    found = said(summary(members=left, study=study(amends=PermitId(1))), "who")
    assert "take the place of permit 1" in found and "no active member" in found


def test_labels_are_those_of_the_dictionary_that_every_dataset_names() -> None:
    other = dict(DATASETS) | {IDS[0]: dataset(0, dictionary_hash=b"\0" * 32)}
    found = said(summary(terms(), MODEL.config, datasets=other), "computed")
    assert "Age at baseline" not in found and "Columns that are read: age, hba1c, smoking and cvd_event." in found


def test_a_strangers_text_is_a_parameter() -> None:
    evil = "{user} <script>"
    members = dict(MEMBERS) | {USER: replace(MEMBERS[USER], name=evil)}
    assert EN.say(summary(members=members).lead).startswith(evil)
