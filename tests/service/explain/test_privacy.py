"""Privacy budgets in words that a lay member can read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from belmont.service.explain import privacy
from belmont.service.words import Words, of

EN, ZH = of("en"), of("zh-Hans")


def test_a_guarantee_is_an_epsilon_at_a_delta_that_is_said() -> None:
    assert EN.say(privacy.guarantee(20_000)) == "epsilon at most 0.9 at a delta of one in 1,000,000"
    assert ZH.say(privacy.guarantee(20_000)) == "epsilon 不超过 0.9（delta 为 1,000,000 分之一）"
    for rho in (20_000, 500_000, 50_000_000):
        assert "1,000,000" in EN.say(privacy.meaning(rho)) and "delta" in EN.say(privacy.meaning(rho))
        assert "1,000,000" in ZH.say(privacy.meaning(rho)) and "delta" in ZH.say(privacy.meaning(rho))


@given(st.integers(1, 2**40))
def test_a_bound_is_never_rounded_down(rho: int) -> None:
    said = privacy.guarantee(rho).parameters["epsilon"]
    assert isinstance(said, float | int) and privacy.epsilon(rho) <= said <= privacy.epsilon(rho) * 1.011 + 1
    assert float(EN.number(said).replace(",", "")) == said


def test_no_budget_is_never_an_epsilon_of_nothing() -> None:
    for said in (privacy.guarantee(0), privacy.amount(0), privacy.Spending(0, 0).said):
        assert (EN.say(said), ZH.say(said)) == ("no privacy budget", "无隐私预算")
    assert "totals are exact" in EN.say(privacy.meaning(0))


def test_rho_is_exact_to_the_last_millionth() -> None:
    assert (
        EN.say(privacy.exact(20_001)) == "rho 0.020001" and EN.say(privacy.exact(2**62)) == "rho 4611686018427.387904"
    )
    assert EN.say(privacy.Spending(1_000_000, 10_000_000).exact) == "rho 1 of 10"
    assert privacy.amount(20_000) != privacy.amount(20_001)


@pytest.mark.parametrize(
    ("spent", "allowed", "said"),
    [(0, 9, "0%"), (1, 2, "50%"), (9, 10, "90%"), (99_999, 100_000, "99.9%"), (7, 7, "100%"), (9, 7, "100%"),
     (3, 1_000_000, "less than 0.1%")],
)  # fmt: skip
def test_a_share_is_never_said_to_be_more_than_it_is(spent: int, allowed: int, said: str) -> None:
    assert EN.say(privacy.share(spent, allowed)) == said
    assert EN.say(privacy.Spending(spent, allowed).said) == f"{said} is spent"


@pytest.mark.parametrize("words", [EN, ZH])
@given(spent=st.integers(0, 2**63), allowed=st.integers(0, 2**63))
def test_every_budget_has_its_words(words: Words, spent: int, allowed: int) -> None:
    found = privacy.Spending(spent, allowed)
    assert all(words.say(each) for each in (found.said, found.guarantee, found.meaning, found.exact))
