"""What left each hospital, as numbers and in words."""

from dataclasses import replace
from typing import Any

from tests.service.explain.records import (
    DATASETS,
    DICTIONARY,
    IDS,
    MEMBERS,
    MODEL,
    NOW,
    VERSIONS,
    permit,
    terms,
    use,
)  # fmt: skip

from belmont.federated.query.question import between, count, histogram, mean
from belmont.lab import LogisticRegression
from belmont.registry.types import MicroRho, OpenedUse, PermitId, PublishedTotal, UseKind
from belmont.service.explain import Names, leaving
from belmont.service.words import of

EN, ZH = of("en"), of("zh-Hans")
KNOWN = Names.of(MEMBERS.values(), DATASETS.values())
ROUND = OpenedUse(PermitId(3), UseKind.ROUND, 1, b"\6" * 32, b"\1" * 32, NOW)
QUERY = replace(ROUND, kind=UseKind.QUERY)
ALL = [use(k) for k in range(3)]


def of_round(uses: Any = ALL, **changed: Any) -> leaving.Left:
    arguments = {"config": MODEL.config, "versions": VERSIONS} | changed
    about = arguments.pop("permit", permit())
    return leaving.of_round(about, arguments.pop("opened", ROUND), uses, KNOWN, **arguments)


def everything(left: leaving.Left) -> str:
    for words in (EN, ZH):
        parts = [left.title, left.opened, left.summary, *left.totals, *(s for d in left.departures for s in d.said)]
        text = " ".join(words.say(each) for each in parts)
        assert "{" not in text
        if words is EN:
            english = text
    return english


def test_each_hospital_has_what_it_recorded_in_numbers() -> None:
    left = of_round()
    first = left.departures[0]
    assert (first.version, first.rows, first.numbers, first.is_masked, first.rho) == (1, 1000, 22, True, 0)
    assert first.result_hash == b"\1" * 32 and (first.at, first.block) == (NOW, 10) and first.epsilon == 0
    assert left.absent == ()
    assert "22 numbers left, masked; what left has the hash 0x0101010101010101…0101." in everything(left)
    assert EN.say(left.summary) == "3 hospitals recorded masked numbers; only their sum can be read."


def test_fewer_than_a_sum_needs_can_be_read_by_nobody_and_the_absent_are_named() -> None:
    left = of_round(ALL[:2])
    assert "a sum needs 3, so nothing can be read so far" in everything(left)
    assert [EN.say(each) for each in left.absent] == ["Diabetes 3"]
    assert EN.say(of_round([]).summary) == "Nothing has left any hospital so far."


def test_records_of_other_rounds_and_permits_and_kinds_do_not_count() -> None:
    others = [use(0, n=2), use(1, kind=UseKind.QUERY), use(2, permit_id=PermitId(4))]
    assert of_round(others).departures == ()


def test_visible_updates_are_said_to_have_left_as_they_were() -> None:
    model = LogisticRegression(features=("age",), outcome="cvd_event", secure=False)
    left = of_round(permit=permit(terms(model)), config=model.config)
    assert left.departures[0].is_masked is False and left.departures[0].numbers is None
    assert "own update left readable" in everything(left)
    assert "so far" in everything(left) and "is closed" in everything(of_round(
        permit=permit(terms(model)), config=model.config, opened=replace(ROUND, closed=True)))  # fmt: skip


def test_without_the_configuration_it_is_not_known() -> None:
    left = of_round(config=None)
    assert left.departures[0].is_masked is None and left.departures[0].numbers is None
    assert "which is not here" in everything(left)


def test_a_round_that_may_be_an_evaluation_has_no_number_of_numbers() -> None:
    model = LogisticRegression(features=("age",), outcome="cvd_event", holdout=0.2)
    left = of_round(permit=permit(terms(model)), config=model.config)
    assert left.departures[0].numbers is None and left.departures[0].is_masked is True
    assert "Masked numbers left" in everything(left)


def test_noise_costs_budget_and_says_its_epsilon() -> None:
    left = of_round([use(0, rho=MicroRho(10_000))])
    assert round(left.departures[0].epsilon, 3) == 0.622
    said = "Its cost in the dataset's privacy budget: epsilon at most 0.622 at a delta of one in 1,000,000."
    assert said in everything(left)


def test_a_version_that_is_not_known_has_no_rows() -> None:
    assert of_round(versions={}).departures[0].rows is None


def of_query(uses: Any = None, **changed: Any) -> leaving.Left:
    mine = [use(k, UseKind.QUERY) for k in range(3)] if uses is None else uses
    arguments = {"dictionary": DICTIONARY, "versions": VERSIONS} | changed
    return leaving.of_query(permit(), QUERY, mine, KNOWN, **arguments)


def test_a_question_is_said_by_the_dictionary_and_counted() -> None:
    asked = mean("hba1c", between("age", 43, 53))
    left = of_query(question=asked.canonical())
    assert EN.say(left.title) == (
        "Query 1: the mean of Glycated haemoglobin, IFCC (mmol/mol), of patients with Age at baseline from 60 to 70"
    )
    assert "Age at baseline为60 至 70的患者的" in ZH.say(left.title)
    assert left.departures[0].numbers == 2 and left.departures[0].is_masked is True
    assert EN.say(left.summary) == "3 hospitals answered; only the total over all can be read."


def test_columns_are_called_as_the_dictionary_calls_them_in_the_readers_language() -> None:
    columns = tuple(
        replace(each, labels=(("zh-Hans", "糖化血红蛋白"),)) if each.name == "hba1c" else each
        for each in DICTIONARY.columns
    )
    left = of_query(question=mean("hba1c").canonical(), dictionary=replace(DICTIONARY, columns=columns))
    assert "the mean of Glycated haemoglobin, IFCC (mmol/mol)" in EN.say(left.title)
    assert "糖化血红蛋白 (mmol/mol)" in ZH.say(left.title) and "Glycated" not in ZH.say(left.title)


def test_a_question_that_nobody_handed_over_stays_a_hash() -> None:
    left = of_query()
    assert EN.say(left.title) == "Query 1" and left.departures[0].numbers is None
    assert "the query's hash is 0x0606060606060606…" in EN.say(left.opened)
    assert EN.say(of_query(question=b"no question").title) == "Query 1"


def test_a_distribution_counts_only_with_its_dictionary() -> None:
    asked = histogram("smoking").canonical()
    assert of_query(question=asked).departures[0].numbers == 8
    assert of_query(question=asked, dictionary=None).departures[0].numbers is None


def test_an_answer_that_lacks_a_hospital_can_be_read_by_nobody() -> None:
    left = of_query([use(0, UseKind.QUERY)])
    assert "1 of 3 hospitals recorded an answer; all are needed" in everything(left)
    assert EN.say(of_query([]).summary) == "Nothing has left any hospital so far."


def total(column: int, question: bytes) -> PublishedTotal:
    return PublishedTotal(PermitId(3), 1, column, 120, 3003, question, MODEL_USER, 20, NOW)


MODEL_USER = permit().data_user


def test_published_totals_are_said_with_what_they_answer() -> None:
    left = of_query(totals=[total(0, count().canonical())])
    assert EN.say(left.totals[0]) == "Checked by the contract (the number of patients): 120 patients."
    assert EN.say(left.title) == "Query 1: the number of patients"
    ages = of_query(totals=[total(1, mean("age").canonical())])
    assert "the codes of Age at baseline add up to 120, over 3,003 patients" in everything(ages)
    seen = of_query(totals=[total(2, mean("sex").canonical())])
    assert "120 patients with a value of Sex as recorded" in everything(seen)
    unknown = of_query(totals=[total(1, mean("age").canonical())], dictionary=None)
    assert "the committed column 1 adds up to 120" in everything(unknown)
    assert of_query(totals=[replace(total(0, b""), n=2)]).totals == ()
    assert IDS
