"""What a permit says of a model that leaves: one key of the approved configuration, which the board reads.

    release = {"max_membership_advantage":0.1,"max_parameters":200,"min_hospitals":3,"min_rows":500}

1. The permit binds it with the rest of the configuration: nobody changes it after the vote.
2. Where a configuration has none, ``STRICT`` is what counts, never nothing.
3. Read strictly: an unknown word, a missing one or another type is an error.
"""

from dataclasses import asdict, dataclass, fields

from belmont.federated.hashes import RunConfig, canonical_json
from belmont.identity.strict_json import loads
from belmont.lab.errors import LabError

RELEASE_KEY = "release"


@dataclass(frozen=True)
class ReleaseRule:
    """Limits of the output check (`belmont.lab.output_check`). Raises LabError for numbers that are no limits."""

    max_parameters: int
    """Numbers in the model."""
    max_membership_advantage: float
    """Of guessing who was trained on, from 0 to 1; the end of its interval is compared (docs/evaluation.md)."""
    min_rows: int
    """Patients of all hospitals that the model was trained on."""
    min_hospitals: int

    def __post_init__(self) -> None:
        for name in ("max_parameters", "min_rows", "min_hospitals"):
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise LabError(f"{name} is {value!r}: give a whole number of at least 1")
        advantage = self.max_membership_advantage
        if isinstance(advantage, bool) or not isinstance(advantage, int | float) or not 0 <= advantage <= 1:
            raise LabError(f"max_membership_advantage is {advantage!r}: give a number from 0 to 1")

    def to_text(self) -> str:
        """The value of the configuration's key."""
        return canonical_json(
            asdict(self) | {"max_membership_advantage": float(self.max_membership_advantage)}
        ).decode()


STRICT = ReleaseRule(max_parameters=100, max_membership_advantage=0.1, min_rows=1_000, min_hospitals=3)
"""Where the permit names no rule (2)."""


def read_release_rule(config: RunConfig) -> ReleaseRule:
    """The rule that an approved configuration names, or ``STRICT``. Raises LabError (3)."""
    text = config.get(RELEASE_KEY)
    if text is None:
        return STRICT
    try:
        content = loads(text) if isinstance(text, str) else None
        if not isinstance(content, dict) or set(content) != {each.name for each in fields(ReleaseRule)}:
            raise ValueError
        return ReleaseRule(**content)
    except ValueError as error:
        raise LabError(f"{RELEASE_KEY} is no rule for releases: {text!r}") from error
