"""What a permit has used and has left."""

from hypothesis import given
from hypothesis import strategies as st
from tests.service.explain.records import DATASETS, IDS, MEMBERS, dataset, permit, terms

from belmont.registry.types import MicroRho
from belmont.service.explain import Names, budget
from belmont.service.words import of

EN, ZH = of("en"), of("zh-Hans")
KNOWN = Names.of(MEMBERS.values(), DATASETS.values())


def test_rounds_and_queries_are_counted() -> None:
    found = budget.of(permit(), {}, KNOWN)
    assert (found.rounds.used, found.rounds.left, found.queries.left) == (4, 8, 1)
    assert EN.say(found.rounds.said) == "4 of 12 rounds are used (33.3%)."
    assert ZH.say(found.rounds.said) == "训练轮次已使用 4 / 12（33.3%）。"
    assert EN.say(budget.of(permit(terms(queries=0)), {}, KNOWN).queries.said) == "No queries are permitted."


def test_without_a_privacy_budget_it_says_that_totals_are_exact() -> None:
    found = budget.of(permit(), {}, KNOWN)
    assert found.datasets == () and "totals are exact" in EN.say(found.meaning)


def test_each_dataset_has_spent_and_has_left_with_epsilon() -> None:
    about = permit(terms(rho_per_dataset=MicroRho(20_000)))
    found = budget.of(about, {IDS[0]: 10_000}, KNOWN, DATASETS)
    first = found.datasets[0]
    assert (first.spent, first.left, first.share) == (10_000, 10_000, 0.5) and round(first.epsilon, 3) == 0.622
    assert [EN.say(each) for each in (*first.said, first.exact)] == [
        "Diabetes 1 has spent 50% of its privacy budget under this permit; 50% of it can still be spent.",
        "What was spent so far stays within epsilon at most 0.622 at a delta of one in 1,000,000, the whole of it "
        "within epsilon at most 0.9 at a delta of one in 1,000,000.",
        "rho 0.01 of 0.02",
    ]
    assert "strong protection" in EN.say(found.meaning) and ZH.say(first.said[0])


def test_a_datasets_own_cap_limits_what_is_left() -> None:
    about = permit(terms(rho_per_dataset=MicroRho(20_000)))
    held = {IDS[0]: dataset(0, rho_cap=MicroRho(30_000), rho_spent=MicroRho(25_000))}
    first = budget.of(about, {IDS[0]: 0}, KNOWN, held).datasets[0]
    assert first.left == 5_000 and "lifetime cap limits it" in EN.say(first.said[-1])


@given(st.integers(0, 2**62), st.integers(1, 2**62), st.integers(0, 2**62), st.integers(0, 2**62))
def test_nothing_is_ever_less_than_nothing(spent: int, allowed: int, cap: int, used: int) -> None:
    about = permit(terms(rho_per_dataset=MicroRho(allowed)))
    held = {IDS[0]: dataset(0, rho_cap=MicroRho(cap), rho_spent=MicroRho(used))}
    first = budget.of(about, {IDS[0]: spent}, KNOWN, held).datasets[0]
    assert 0 <= first.left <= allowed and 0 <= first.share <= 1 and EN.say(first.said[0])
