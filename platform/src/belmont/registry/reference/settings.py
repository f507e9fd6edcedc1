"""The numbers that the members can change, and whether the consortium is paused (``Rules.vy``)."""

from belmont.registry.reference.world import World
from belmont.registry.rules.protocol import Rule

DAY = 24 * 3600
BOUNDS = {
    Rule.BOARD_QUORUM_PERCENT: (50, 50, 80),
    Rule.MAJORITY_PERCENT: (50, 50, 80),
    Rule.BOARD_MIN: (2, 2, 32),
    Rule.LAY_VOTES: (0, 0, 8),
    Rule.PROPOSAL_SECONDS: (DAY, 30 * DAY, 90 * DAY),
    Rule.DELAY_SECONDS: (DAY, 7 * DAY, 60 * DAY),
    Rule.FREEZE_SECONDS: (DAY, 7 * DAY, 7 * DAY),
    Rule.PAUSE_SECONDS: (DAY, 30 * DAY, 90 * DAY),
    Rule.PATIENTS_PERCENT: (0, 30, 100),
    Rule.OBJECTION_SECONDS: (DAY, 7 * DAY, 60 * DAY),
}
"""Least, default and greatest setting."""


def setting(world: World, rule: Rule) -> int:
    return world.rules.get(rule, BOUNDS[rule][1])


def is_paused(world: World) -> bool:
    return world.now < world.pause.until
