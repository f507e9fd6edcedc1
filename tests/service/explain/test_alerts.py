"""What a board should look at, the most pressing first."""

from dataclasses import dataclass, field, replace
from typing import Any

from tests.service.explain.records import (
    DATASETS,
    DAY,
    HOLDERS,
    IDS,
    MEMBERS,
    NOW,
    VERSIONS,
    dataset,
    permit,
    study,
    terms,
    version,
)

from belmont.registry.duo import Term
from belmont.registry.releases.protocol import ModelRelease, ReleaseStatus
from belmont.registry.rules.protocol import Pause, RuleProposal, RuleProposalId, RuleProposalKind
from belmont.registry.types import (
    Abstention,
    DatasetStatus,
    MicroRho,
    PermitId,
    PermitStatus,
    Proposal,
    ProposalId,
    ProposalKind,
    StudyId,
    StudyStatus,
    VersionStatus,
)  # fmt: skip
from belmont.service.explain import alerts
from belmont.service.explain.alerts import Urgency
from belmont.service.words import of

EN, ZH = of("en"), of("zh-Hans")


@dataclass(frozen=True)
class Quiet:
    """A consortium in which nothing is the matter, but for what a test names."""

    members: Any = field(default_factory=lambda: MEMBERS)
    proposals: Any = field(default_factory=dict)
    datasets: Any = field(default_factory=lambda: DATASETS)
    versions: Any = field(default_factory=lambda: VERSIONS)
    studies: Any = field(default_factory=lambda: {3: study(status=StudyStatus.APPROVED, accepted=IDS[:3])})
    permits: Any = field(default_factory=lambda: {3: permit()})
    releases: Any = ()
    rules: Any = field(default_factory=dict)
    rule_proposals: Any = field(default_factory=dict)
    pause: Any = field(default_factory=lambda: Pause(0, 0))


def found(now: int = NOW, **changed: Any) -> dict[str, alerts.Alert]:
    """By kind."""
    given = {key: changed.pop(key) for key in ("spent", "refused") if key in changed}
    shown = alerts.of(Quiet(**changed), now, **given)
    for each in shown:
        for words in (EN, ZH):
            assert "{" not in words.say(each.said)
        assert EN.say(each.said)[0].isupper() or "Diabetes" in EN.say(each.said)
    return {each.kind: each for each in shown}


def test_where_nothing_is_the_matter_there_is_nothing() -> None:
    assert found() == {}


def test_a_pause_and_a_freeze_are_urgent_and_end_with_the_clock() -> None:
    frozen = {3: permit(status=PermitStatus.FROZEN, frozen_until=NOW + 60)}
    shown = found(pause=Pause(1, NOW + 60), permits=frozen)
    assert {kind: each.urgency for kind, each in shown.items()} == {
        "PAUSED": Urgency.URGENT, "PERMIT_FROZEN": Urgency.URGENT,
    }  # fmt: skip
    assert found(NOW + 60, pause=Pause(1, NOW + 60), permits=frozen) == {}
    assert EN.say(shown["PERMIT_FROZEN"].said).startswith("Study 3 “Five-year risk” is frozen until 2 February 2026")


def test_a_permit_that_soon_ends_is_told_and_one_that_ended_is_not() -> None:
    assert "PERMIT_EXPIRES" in found(NOW + 15 * DAY)
    assert found(NOW + 28 * DAY) == {}
    for status in (PermitStatus.REVOKED, PermitStatus.SUPERSEDED):
        assert found(NOW + 15 * DAY, permits={3: permit(status=status)}) == {}


def test_too_few_hospitals_left_are_urgent() -> None:
    assert found(permits={3: permit(withdrawn=(IDS[0],))})["TOO_FEW_HOSPITALS"].urgency is Urgency.URGENT


def test_budgets_over_four_fifths_are_told() -> None:
    assert "BUDGET_NEARLY_USED" in found(permits={3: permit(rounds_opened=10)})
    assert "BUDGET_NEARLY_USED" not in found(permits={3: permit(rounds_opened=9)})
    about = permit(terms(rho_per_dataset=MicroRho(100)))
    shown = found(permits={3: about}, spent={(PermitId(3), IDS[0]): 80})
    assert "has used 80% of the privacy budget that it has for Diabetes 1" in EN.say(shown["BUDGET_NEARLY_USED"].said)
    assert "CAP_NEARLY_USED" in found(datasets={IDS[0]: dataset(0, rho_spent=MicroRho(800_000))})


def test_an_application_waits_for_votes_then_for_holders_and_lapses() -> None:
    asked = study(abstentions=(Abstention(IDS[1], Term.IRB),))
    shown = found(studies={3: asked}, permits={})
    assert set(shown) == {"VOTE_OPEN", "DATA_USE_LEFT_OPEN"}
    assert "1 of 2 votes" in EN.say(shown["VOTE_OPEN"].said)
    approved = study(status=StudyStatus.APPROVED, accepted=IDS[:1])
    waiting = found(studies={3: approved}, permits={})["ACCEPTANCE_OPEN"]
    assert "waits for the holders of Diabetes 2 and Diabetes 3" in EN.say(waiting.said)
    under = study(conditions=b"\1" * 32, conditions_count=1, status=StudyStatus.APPROVED, accepted=IDS[:3])
    assert "Dr Chen has not agreed to" in EN.say(found(studies={3: under}, permits={})["CONDITIONS_OPEN"].said)
    assert found(studies={3: replace(under, conditions_agreed=True)}, permits={}) == {}
    assert "STUDY_LAPSES" in found(NOW + 360 * DAY, studies={3: asked}, permits={})
    assert not {"VOTE_OPEN", "STUDY_LAPSES"} & set(found(NOW + 364 * DAY, studies={3: asked}, permits={}))
    for status in (StudyStatus.REFUSED, StudyStatus.CANCELLED):
        assert found(studies={3: study(status=status)}, permits={}) == {}


def test_datasets_unproven_empty_frozen_or_with_newer_consents_are_told() -> None:
    only = {IDS[0]: dataset(0)}
    assert found(datasets=only, versions={IDS[0]: (version(0, status=VersionStatus.REGISTERED),)})[
        "DATASET_UNPROVEN"].urgency is Urgency.URGENT  # fmt: skip
    assert "DATASET_EMPTY" in found(datasets=only, versions={})
    assert "DATASET_FROZEN" in found(datasets={IDS[0]: dataset(0, status=DatasetStatus.FROZEN)})
    assert "CONSENT_NEWER" in found(datasets={IDS[0]: dataset(0, consent_root=b"\8" * 32)})
    assert found(datasets={IDS[0]: dataset(0, status=DatasetStatus.DESTROYED)}, versions={}) == {}


def test_retention_is_told_before_it_ends_and_urgent_after() -> None:
    assert found(NOW, datasets={IDS[0]: dataset(0, retention_until=NOW + 89 * DAY)})["RETENTION_ENDS"].until
    assert found(datasets={IDS[0]: dataset(0, retention_until=NOW)})["RETENTION_OVER"].urgency is Urgency.URGENT


def proposal(**changed: Any) -> Proposal:
    given = {"executed": False, "open_until": NOW + DAY} | changed
    return Proposal(ProposalId(1), ProposalKind.REMOVAL, HOLDERS[0], HOLDERS[1], (HOLDERS[1],), NOW - DAY, **given)


def test_proposals_that_are_open_are_told_and_soon_where_they_lapse() -> None:
    shown = found(proposals={1: proposal()})["PROPOSAL_OPEN"]
    assert shown.urgency is Urgency.SOON
    assert EN.say(shown.said) == "The removal of Hospital 1 is voted on until 3 February 2026 12:00 UTC, by 1 so far."
    assert found(proposals={1: proposal(open_until=NOW + 20 * DAY)})["PROPOSAL_OPEN"].urgency is Urgency.NOTE
    assert found(proposals={1: proposal(executed=True)}) == found(proposals={1: proposal(open_until=NOW)}) == {}


def rule_proposal(**changed: Any) -> RuleProposal:
    given: dict[str, Any] = {"carried_at": 0, "enactable_at": 0, "enacted": False} | changed
    return RuleProposal(
        RuleProposalId(1), RuleProposalKind.RULE, bytes(32), HOLDERS[0], HOLDERS[0], 60, bytes(32), (HOLDERS[0],),
        NOW, NOW + DAY, **given,
    )  # fmt: skip


def test_changes_of_rules_are_told_while_they_can_be_stopped() -> None:
    assert "RULE_PROPOSAL_OPEN" in found(rule_proposals={1: rule_proposal()})
    carried = rule_proposal(carried_at=NOW, enactable_at=NOW + DAY)
    assert "support can be taken back" in EN.say(found(rule_proposals={1: carried})["RULE_CARRIED"].said)
    assert found(NOW + DAY, rule_proposals={1: carried}) == {}
    assert found(rule_proposals={1: rule_proposal(enacted=True)}) == {}


def test_models_that_are_to_leave_are_told_while_somebody_can_object_or_has_to_decide() -> None:
    def release(status: ReleaseStatus) -> ModelRelease:
        return ModelRelease(PermitId(3), b"\1" * 32, HOLDERS[0], 1, bytes(32), bytes(32), NOW, NOW + DAY, status)

    assert "RELEASE_ANNOUNCED" in found(releases=(release(ReleaseStatus.ANNOUNCED),))
    assert "RELEASE_OBJECTED" in found(releases=(release(ReleaseStatus.OBJECTED),))
    assert found(releases=(release(ReleaseStatus.RELEASED),)) == {}


def test_the_most_pressing_comes_first_and_then_what_ends_first() -> None:
    studies = {3: study(), 4: study(id=StudyId(4), proposed_at=NOW - 2 * DAY)}
    shown = alerts.of(Quiet(studies=studies, permits={}, pause=Pause(1, NOW + 5)), NOW)
    assert [each.kind for each in shown] == ["PAUSED", "VOTE_OPEN", "VOTE_OPEN"]
    assert [each.about.key for each in shown[1:] if each.about] == ["4", "3"]
