"""One module for each page, or for a few that belong together."""

from fastapi import APIRouter

from belmont.service.console.pages import (
    about,
    accesses,
    alerts,
    appearance,
    consents,
    datasets,
    events,
    home,
    people,
    permits,
    releases,
    rules,
    searching,
    settings,
    signed,
    stopping,
    studies,
    uses,
    voting,
)

router = APIRouter(include_in_schema=False)
for each in (
    home, voting, studies, stopping, permits, datasets, consents, people, rules, releases, alerts, events, uses,
    searching, accesses, settings, about, appearance, signed,
):  # fmt: skip
    router.include_router(each.router)
