"""Votes and other acts: prepared here, signed elsewhere, taken by the contract, refused in words."""

import html
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from tests.service.conftest import World
from tests.service.console.conftest import Browser, Story, rounds_under, text_of, wait_for
from tests.service.running import catch_up

from belmont.identity.approval_conditions import ApprovalConditions
from belmont.identity.signed_message import SignedMessage
from belmont.registry.errors import RegistryRefused
from belmont.registry.types import PermitId, StudyStatus
from belmont.service.documents.kinds import Kind
from belmont.service.service import Service

Open = Callable[..., Browser]


def message_on(page: str) -> SignedMessage:
    """The unsigned message that a page offers."""
    found = re.search(r'name="message" value="([^"]*)"', page)
    assert found, text_of(page)
    return SignedMessage.from_json(html.unescape(found[1]).encode())


def hand_in(browser: Browser, unsigned: SignedMessage, account: Any, back: str = "/") -> Any:
    signed = unsigned.signed_by(account)
    files = {"file": ("signed.json", signed.to_json().encode(), "application/json")}
    return browser.post("/signed", {"message": unsigned.to_json(), "back": back}, files=files)


@pytest.fixture
def study(world: World, service: Service) -> int:
    number = world.study(title="A new application")
    wait_for(lambda: number in service.snapshot.studies)
    return number


@pytest.mark.parametrize(
    "path",
    ["/studies/{open}/vote", "/permits/{running}/freeze", "/permits/{running}/lift", "/permits/{running}/revoke",
     "/rules/pause", "/rules/resume", "/proposals/members/2/support", "/proposals/rules/1/support", "/signed"],
)  # fmt: skip
def test_a_stranger_acts_on_nothing(path: str, browser: Open, story: Story) -> None:
    stranger = browser("stranger")
    for answer in (stranger.get(path.format(**vars(story))), stranger.post(path.format(**vars(story)))):
        assert answer.status_code in (303, 401, 405), answer.text


@pytest.fixture
def recused(world: World) -> int:
    """A permit in whose study the lay member takes no part."""
    study = world.study(title="Of a friend")
    world.as_("lay").recuse(study, "A friend applies.")
    for name in ("board", "other_board"):
        world.as_(name).vote(study, True, "Sound.")
    for name, dataset in zip(("holder", "other_holder", "third_holder"), world.datasets, strict=True):
        world.as_(name).accept(study, dataset)
    return world.as_("data_user").issue(study)


def test_a_recused_member_has_no_vote_on_ending_a_freeze_and_is_told_so(
    browser: Open, world: World, service: Service, recused: int
) -> None:
    world.as_("board").freeze_permit(recused, 86_400, "An answer looked odd.")
    wait_for(lambda: recused in service.snapshot.permits and service.snapshot.permits[recused].frozen_until)
    lay, other = browser("lay"), browser("other_board")
    seen = lay.get(f"/permits/{recused}").text
    assert "End the freeze" not in seen and "You recused yourself from this study" in seen and "Revoke" in seen
    for answer in (lay.get(f"/permits/{recused}/lift"), lay.post(f"/permits/{recused}/lift")):
        assert answer.status_code == 409 and 'name="message"' not in answer.text
        assert "The contract refuses" in answer.text
    seen = other.get(f"/permits/{recused}").text
    assert "End the freeze" in seen and "You recused yourself" not in seen


def test_what_a_member_did_and_the_contract_takes_once_is_not_offered_again(
    browser: Open, world: World, service: Service, recused: int
) -> None:
    path = f"/permits/{recused}"
    world.as_("board").freeze_permit(recused, 86_400, "An answer looked odd.")
    wait_for(lambda: f"{path}/lift" in browser("other_board").get(path).text)
    world.as_("other_board").vote_lift(recused)
    wait_for(lambda: f"{path}/lift" not in browser("other_board").get(path).text)
    world.as_("board").vote_lift(recused)
    wait_for(lambda: f"{path}/freeze" in browser("other_board").get(path).text)
    seen = browser("board").get(path).text
    assert f"{path}/freeze" not in seen and "You froze this permit before" in seen
    world.as_("board").vote_revoke(recused, "Odd again.")
    wait_for(lambda: f"{path}/revoke" not in browser("board").get(path).text)
    assert f"{path}/revoke" in browser("other_board").get(path).text


def test_a_recused_member_has_no_vote_on_a_contested_release_and_nobody_has_one_too_early(
    browser: Open, world: World, service: Service, recused: int
) -> None:
    _, objected = rounds_under(world, recused)
    path = f"/releases/{recused}/0x{objected.hex()}"
    lay, board = browser("lay"), browser("board")
    wait_for(lambda: "You recused yourself from this study" in lay.get(path).text)
    for answer in (lay.get(f"{path}/confirm"), lay.post(f"{path}/confirm")):
        assert answer.status_code == 409 and "The contract refuses" in answer.text
    seen = board.get(path).text
    assert "You recused yourself" not in seen and "Release it all the same" not in seen, "objections are still open"


@pytest.mark.parametrize("name", ["holder", "data_user", "auditor"])
def test_only_the_board_votes(name: str, browser: Open, story: Story) -> None:
    who = browser(name)
    assert who.get(f"/studies/{story.open}/vote").status_code == 403
    assert who.post(f"/studies/{story.open}/vote", {"choice": "approve"}).status_code == 403
    assert who.get(f"/permits/{story.running}/revoke").status_code == 403


def test_an_auditor_hands_in_nothing_here(browser: Open) -> None:
    assert browser("auditor").post("/signed", {"message": "{}"}).status_code == 403


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {}])
def test_another_site_makes_nobody_vote(headers: dict[str, str], browser: Open, story: Story) -> None:
    board = browser("board")
    path = f"/studies/{story.open}/vote"
    assert board.client.post(path, data={"csrf": board.csrf, "choice": "approve"}, headers=headers).status_code == 403


def test_a_form_without_the_pages_token_is_refused(browser: Open, story: Story) -> None:
    board = browser("board")
    board.csrf = "0" * 64
    answer = board.post(f"/studies/{story.open}/vote", {"choice": "approve"})
    assert answer.status_code == 403 and "CSRF_TOKEN_INVALID" in answer.text


def test_a_vote_under_conditions_is_signed_by_file_and_taken(
    browser: Open, study: int, world: World, service: Service
) -> None:
    board = browser("board")
    page = board.post(
        f"/studies/{study}/vote",
        {"choice": "conditions", "conditions": "Report  every month.\n\nNo names.", "reason": "Useful.\r\nSound."},
    )
    assert page.status_code == 200 and "under the conditions below" in text_of(page.text)
    unsigned = message_on(page.text)
    assert unsigned.reason == "Useful.\nSound."
    assert unsigned.conditions and unsigned.conditions.texts == ("Report every month.", "No names.")
    taken = hand_in(board, unsigned, world.people["board"], f"/studies/{study}")
    assert taken.status_code == 200 and "The contract took it" in taken.text and "Block" in taken.text
    (ballot,) = service.registry.study(study).ballots
    assert ballot.voter == world.address("board") and ballot.conditions_hash == unsigned.conditions.hash
    assert service.documents.text(Kind.REASON, unsigned.message.reason_hash) == "Useful.\nSound."
    seen = text_of(board.get(f"/studies/{study}").text)
    assert "No names." in seen and "approves under conditions" in seen


def test_a_reason_with_letters_that_nobody_sees_is_signed_as_it_was_written(
    browser: Open, study: int, world: World, service: Service
) -> None:
    board, reason = browser("board"), "Soft\u00adhyphen, \u200fright to left, \u3164blank, <b>&\"'"
    page = board.post(f"/studies/{study}/vote", {"choice": "refuse", "reason": reason}).text
    assert "Soft\ufffdhyphen" in html.unescape(page)
    unsigned = message_on(page)
    assert unsigned.reason == reason
    assert hand_in(board, unsigned, world.people["board"]).status_code == 200
    assert service.documents.text(Kind.REASON, unsigned.message.reason_hash) == reason


def test_a_recusal_needs_a_reason_and_is_taken(browser: Open, study: int, world: World, service: Service) -> None:
    lay = browser("lay")
    wrong = lay.post(f"/studies/{study}/vote", {"choice": "recuse"})
    assert wrong.status_code == 422 and 'href="#reason"' in wrong.text and 'aria-invalid="true"' in wrong.text
    page = lay.post(f"/studies/{study}/vote", {"choice": "recuse", "reason": "My brother."})
    assert hand_in(lay, message_on(page.text), world.people["lay"]).status_code == 200
    assert world.address("lay") in service.registry.study(study).recused


def test_a_second_vote_is_refused_in_words_and_keeps_the_message(
    browser: Open, study: int, world: World, service: Service
) -> None:
    board = browser("board")
    first = message_on(board.post(f"/studies/{study}/vote", {"choice": "approve"}).text)
    second = message_on(board.post(f"/studies/{study}/vote", {"choice": "approve"}).text)
    assert hand_in(board, first, world.people["board"]).status_code == 200
    answer = hand_in(board, second, world.people["board"])
    assert answer.status_code == 409 and "ALREADY_VOTED" in answer.text and "already voted" in answer.text
    assert message_on(answer.text) == second
    assert "You have no vote left" in board.get(f"/studies/{study}/vote").text


def test_a_message_that_was_changed_is_refused(browser: Open, study: int, world: World) -> None:
    board = browser("board")
    unsigned = message_on(board.post(f"/studies/{study}/vote", {"choice": "refuse", "reason": "No."}).text)
    content = json.loads(unsigned.signed_by(world.people["board"]).to_json())
    content["typed_data"]["message"]["approve"] = True
    answer = board.post("/signed", files={"file": ("s.json", json.dumps(content).encode(), "application/json")})
    assert answer.status_code == 400 and "MESSAGE_MALFORMED" in answer.text


def test_a_signature_of_somebody_else_is_refused(browser: Open, study: int, world: World, service: Service) -> None:
    board = browser("board")
    unsigned = message_on(board.post(f"/studies/{study}/vote", {"choice": "approve"}).text)
    answer = hand_in(board, unsigned, world.people["data_user"])
    assert answer.status_code == 409 and "SIGNATURE_INVALID" in answer.text
    assert service.registry.study(study).status is StudyStatus.PROPOSED


def test_the_unsigned_message_is_a_file_that_belmont_sign_takes(browser: Open, study: int) -> None:
    board = browser("board")
    unsigned = message_on(board.post(f"/studies/{study}/vote", {"choice": "approve"}).text)
    answer = board.post("/signed/unsigned.json", {"message": unsigned.to_json()})
    assert answer.headers["content-disposition"] == 'attachment; filename="vote-unsigned.json"'
    assert SignedMessage.from_json(answer.content) == unsigned


def test_what_is_no_message_is_not_given_back(browser: Open) -> None:
    answer = browser("board").post("/signed/unsigned.json", {"message": "<script>alert(1)</script>"})
    assert answer.status_code == 400 and "<script>alert(1)" not in answer.text


def test_a_page_leads_back_to_this_service_only(browser: Open, study: int, world: World) -> None:
    board = browser("board")
    unsigned = message_on(board.post(f"/studies/{study}/vote", {"choice": "approve"}).text)
    answer = hand_in(board, unsigned, world.people["board"], "https://evil.example/")
    assert answer.status_code == 200 and "evil.example" not in answer.text


def test_a_freeze_a_lift_and_a_withdrawal_are_taken(browser: Open, world: World, service: Service) -> None:
    permit = world.permit(title="To be stopped")
    wait_for(lambda: permit in service.snapshot.permits)
    board, holder = browser("board"), browser("holder")
    page = board.post(f"/permits/{permit}/freeze", {"duration": "3600", "reason": "Let us look."})
    assert hand_in(board, message_on(page.text), world.people["board"]).status_code == 200
    seen = board.get(f"/permits/{permit}").text
    assert "Let us look." in seen and "frozen until" in text_of(seen)
    lift = message_on(board.post(f"/permits/{permit}/lift").text)
    assert lift.message.freeze == 1
    assert hand_in(board, lift, world.people["board"]).status_code == 200
    dataset = "0x" + world.datasets[0].hex()
    page = holder.post(f"/permits/{permit}/withdraw/{dataset}")
    assert hand_in(holder, message_on(page.text), world.people["holder"]).status_code == 200
    assert service.registry.permit(permit).withdrawn == (world.datasets[0],)


def test_a_revocation_needs_a_reason(browser: Open, story: Story) -> None:
    answer = browser("board").post(f"/permits/{story.running}/revoke", {"reason": "  "})
    assert answer.status_code == 422 and "Write why." in answer.text


def test_a_permit_for_which_nothing_is_missing_is_issued(browser: Open, story: Story, service: Service) -> None:
    user = browser("data_user")
    assert "Issue the permit" in user.get(f"/studies/{story.ready}").text
    assert browser("auditor").post(f"/studies/{story.ready}/issue").status_code == 403
    assert user.post(f"/studies/{story.ready}/issue").status_code == 303
    assert service.registry.permit(story.ready) is not None


def test_the_data_user_agrees_to_the_conditions_of_now(
    browser: Open, story: Story, world: World, service: Service
) -> None:
    user, path = browser("data_user"), f"/studies/{story.conditional}/agree"
    page = user.get(path).text
    assert "Report every month." in page and "No query on fewer than 50 patients." in page
    seen = re.search('name="seen" value="(0x[0-9a-f]{64})"', page)[1]
    unsigned = message_on(user.post(path, {"seen": seen}).text)
    assert hand_in(user, unsigned, world.people["data_user"]).status_code == 200
    assert service.registry.study(story.conditional).conditions_agreed


def test_nobody_agrees_to_conditions_that_the_page_did_not_show(browser: Open, world: World, service: Service) -> None:
    study = world.study()
    shown = ApprovalConditions.of(["Report every month."])
    hidden = ApprovalConditions.of(["Hand over the names."])
    world.as_("board").vote(study, True, "", shown.hash)
    catch_up(service)
    service.documents.take(study, Kind.CONDITIONS, shown.canonical(), world.address("board"))
    user = browser("data_user")
    seen = re.search('name="seen" value="(0x[0-9a-f]{64})"', user.get(f"/studies/{study}/agree").text)[1]
    world.as_("other_board").vote(study, True, "", hidden.hash)
    wait_for(lambda: service.snapshot.studies[study].conditions_count == 2)
    for given in ({"seen": "0x"}, {"seen": seen}):
        answer = user.post(f"/studies/{study}/agree", given)
        assert answer.status_code == 422 and 'name="message"' not in answer.text
    assert "The conditions changed since this page was made" in answer.text
    assert "Report every month." in answer.text and "do not agree to what you have not read" in answer.text
    assert user.post(f"/studies/{study}/agree").status_code == 422


def test_proposals_are_supported(browser: Open, story: Story, world: World, service: Service) -> None:
    board = browser("board")
    for path in (f"/proposals/members/{story.admission}/support", f"/proposals/rules/{story.rule}/support"):
        unsigned = message_on(board.post(path).text)
        assert hand_in(board, unsigned, world.people["board"]).status_code == 200
    assert world.address("board") in service.registry.proposal(story.admission).supporters


def test_a_release_is_objected_to_with_a_reason(browser: Open, story: Story, world: World, service: Service) -> None:
    board, path = browser("board"), f"/releases/{story.running}/0x{story.model.hex()}"
    assert "Object" in board.get(path).text
    page = board.post(f"{path}/object", {"reason": "It was evaluated on too few."})
    assert hand_in(board, message_on(page.text), world.people["board"]).status_code == 200
    assert "It was evaluated on too few." in board.get(path).text


@pytest.fixture
def amended(world: World, service: Service) -> tuple[int, int]:
    """A permit and an amendment of it for which nothing is missing."""
    permit = world.permit(title="Blood pressure after a stroke")
    terms = world.terms(title="Blood pressure, two years after a stroke", rounds=9)
    amendment = world.as_("data_user").propose_amendment(permit, terms)
    for name in ("board", "other_board"):
        world.as_(name).vote(amendment, True, "Sound.")
    for name, dataset in zip(("holder", "other_holder", "third_holder"), world.datasets, strict=True):
        world.as_(name).accept(amendment, dataset)
    wait_for(lambda: amendment in service.snapshot.studies and len(service.snapshot.studies[amendment].accepted) == 3)
    return permit, amendment


def test_the_page_of_an_amendment_says_who_issues_its_permit_and_how(
    browser: Open, world: World, service: Service, amended: tuple[int, int]
) -> None:
    permit, amendment = amended
    page = browser("data_user").get(f"/studies/{amendment}").text
    assert f"it takes the place of permit {permit}" in page and f"consortium.study({amendment}).issue()" in page
    assert f'action="/studies/{amendment}/issue"' not in page
    assert f'href="/studies/{amendment}">Read how to issue it' in browser("data_user").get("/").text
    for name in ("board", "auditor"):
        page = browser(name).get(f"/studies/{amendment}").text
        assert "It waits for Member data_user." in page and "consortium.study(" not in page
    answer = browser("data_user").post(f"/studies/{amendment}/issue")
    assert answer.status_code == 409 and "NOT_THE_APPLICANT" in answer.text
    world.as_("data_user").issue(amendment)  # as the notebook does
    wait_for(lambda: amendment in service.snapshot.permits)
    assert "What happens next" not in browser("data_user").get(f"/studies/{amendment}").text


def test_an_amendment_of_a_frozen_permit_says_that_it_cannot_be_issued_now(
    browser: Open, world: World, service: Service, amended: tuple[int, int]
) -> None:
    permit, amendment = amended
    assert "It cannot be issued now" not in browser("data_user").get(f"/studies/{amendment}").text
    world.as_("board").freeze_permit(PermitId(permit), 86_400, "An answer looked odd.")
    wait_for(lambda: service.snapshot.permits[PermitId(permit)].frozen_until > 0)
    page = browser("data_user").get(f"/studies/{amendment}").text
    assert "the permit that it would take the place of is frozen until" in page
    with pytest.raises(RegistryRefused, match="PERMIT_FROZEN"):
        world.as_("data_user").issue(amendment)


NOBODYS = f"0x{'07' * 32}"


@pytest.mark.parametrize(
    ("who", "path", "form"),
    [
        ("board", "/studies/999999/vote", {"choice": "approve", "reason": "Sound."}),
        ("board", "/studies/999999/vote", {"choice": "recuse", "reason": "A friend's."}),
        ("holder", f"/studies/999999/accept/{NOBODYS}", {}),
        ("holder", f"/studies/{{open}}/accept/{NOBODYS}", {}),
        ("board", "/permits/999999/freeze", {"duration": "3600", "reason": "Odd."}),
        ("board", "/permits/999999/lift", {}),
        ("board", "/permits/999999/revoke", {"reason": "Odd."}),
        ("holder", f"/permits/999999/withdraw/{NOBODYS}", {}),
        ("holder", f"/permits/{{running}}/withdraw/{NOBODYS}", {}),
    ],
)
def test_nothing_is_prepared_to_be_signed_about_what_there_is_not(
    who: str, path: str, form: dict[str, str], browser: Open, story: Story
) -> None:
    answer = browser(who).post(path.format(**vars(story)), form)
    assert answer.status_code == 404 and 'name="message"' not in answer.text
