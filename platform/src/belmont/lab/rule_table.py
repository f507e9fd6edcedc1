"""The consortium's rules as people name and read them: one line each, in units that people use."""

from collections.abc import Mapping
from dataclasses import dataclass

from belmont.lab.errors import LabError
from belmont.registry.reference.settings import BOUNDS
from belmont.registry.rules.protocol import Rule

DAY = 86400


@dataclass(frozen=True)
class RuleText:
    """How one rule is shown."""

    rule: Rule
    name: str
    unit: str
    says: str

    @property
    def bounds(self) -> tuple[float, float, float]:
        """Least, default and greatest setting, in the unit."""
        least, default, most = (self.shown(each) for each in BOUNDS[self.rule])
        return least, default, most

    def shown(self, setting: int) -> float:
        """A setting of the contract in the unit."""
        if self.unit != "days":
            return setting
        return setting // DAY if setting % DAY == 0 else setting / DAY

    def setting(self, shown: float) -> int:
        """What the contract takes. Raises ``LabError`` outside the bounds."""
        least, _, most = self.bounds
        number = isinstance(shown, int | float) and not isinstance(shown, bool)
        if not number or not least <= shown <= most or (self.unit != "days" and shown != int(shown)):
            whole = "" if self.unit == "days" else "a whole number "
            raise LabError(
                f"{self.name} is {whole}from {least:g} to {most:g} {self.unit}: {shown!r} is not, and no vote allows it"
            )
        return round(shown * DAY) if self.unit == "days" else int(shown)


TEXTS = (
    RuleText(Rule.BOARD_QUORUM_PERCENT, "board_quorum", "percent", "more than this share of the ethics board decides"),
    RuleText(Rule.MAJORITY_PERCENT, "majority", "percent", "more than this share of the active members decides"),
    RuleText(Rule.BOARD_MIN, "board_min", "members", "the ethics board never has fewer"),
    RuleText(Rule.LAY_VOTES, "lay_votes", "votes", "an approval needs so many votes of lay members"),
    RuleText(Rule.PROPOSAL_SECONDS, "proposals_open", "days", "a proposal can be supported for so long"),
    RuleText(Rule.DELAY_SECONDS, "delay", "days", "between a vote and its effect"),
    RuleText(Rule.FREEZE_SECONDS, "longest_freeze", "days", "one freeze of a permit lasts no longer"),
    RuleText(Rule.PAUSE_SECONDS, "longest_pause", "days", "a pause of the consortium lasts no longer"),
    RuleText(Rule.PATIENTS_PERCENT, "patients_share", "percent", "of the credits goes to patients' pools"),
    RuleText(Rule.OBJECTION_SECONDS, "objections", "days", "a model announced for release is open to objection"),
)
_BY_RULE: Mapping[Rule, RuleText] = {each.rule: each for each in TEXTS}


def text_of(rule: Rule | str) -> RuleText:
    """By name or by the registry's own. Raises ``LabError``."""
    if isinstance(rule, Rule):
        return _BY_RULE[rule]
    found = next((each for each in TEXTS if each.name == rule), None)
    if found is None:
        raise LabError(f"there is no rule {rule!r}: consortium.rules lists them, " + ", ".join(t.name for t in TEXTS))
    return found
