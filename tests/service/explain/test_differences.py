"""What an amendment changes, and whether it reaches further."""

from typing import Any

import pytest
from tests.service.explain.records import IDS, MODEL, NOW, terms

from belmont.federated.hashes import code_hash
from belmont.federated.models.bundles import shipped_bundle
from belmont.lab import LogisticRegression
from belmont.registry.differences import Direction
from belmont.registry.differences import differences as changed_terms
from belmont.registry.duo import Declaration
from belmont.registry.types import AnswerMode, Computation, MicroRho
from belmont.service.explain import Names, differences
from belmont.service.explain.errors import OtherDocument
from belmont.service.words import of

EN, ZH = of("en"), of("zh-Hans")
OTHER = LogisticRegression(features=("age",), outcome="cvd_event", holdout=0.5)


@pytest.mark.parametrize(
    ("changed", "direction"),
    [
        ({"rounds": 20}, Direction.MORE),
        ({"rounds": 6}, Direction.LESS),
        ({"queries": 9}, Direction.MORE),
        ({"datasets": IDS}, Direction.MORE),
        ({"datasets": IDS[:2]}, Direction.LESS),
        ({"datasets": (IDS[0], IDS[3])}, Direction.OTHER),
        ({"purpose": 1 << 40 | 1 << 39}, Direction.MORE),
        ({"purpose": 1 << 39}, Direction.OTHER),
        ({"min_hospitals": 2}, Direction.MORE),
        ({"min_cohort": 50}, Direction.LESS),
        ({"duration_seconds": 60 * 86_400}, Direction.MORE),
        ({"rho_per_dataset": MicroRho(9)}, Direction.MORE),
        ({"answer_mode": AnswerMode.PRIVATE}, Direction.LESS),
        ({"title": "x"}, Direction.OTHER),
        ({"code_hash": b"\1" * 32}, Direction.OTHER),
        ({"protocol_hash": b"\1" * 32}, Direction.OTHER),
        ({"intended_use": Declaration(clinical_care=True)}, Direction.OTHER),
    ],
)
def test_each_term_says_whether_it_asks_for_more(changed: dict[str, Any], direction: Direction) -> None:
    (found,) = differences.of(terms(), terms(**changed)).terms
    assert found.field == next(iter(changed)) and found.direction is direction
    for words in (EN, ZH):
        assert words.say(found.name) and words.say(found.before) != words.say(found.after)


def test_the_summary_names_what_is_more_less_and_other() -> None:
    found = differences.of(terms(), terms(rounds=20, min_cohort=50, title="x"))
    assert EN.say(found.summary) == (
        "The amendment asks for more: rounds; for less: fewest patients at each hospital; for something else: title."
    )
    assert EN.say(differences.of(terms(), terms()).summary) == "No term changes."


def test_computations_are_not_named_beside_rounds() -> None:
    found = changed_terms(terms(), terms(queries=0, computations=Computation.TRAINING))
    assert [each.name for each in found] == ["queries"]


def test_values_are_said_in_their_units_and_datasets_by_name() -> None:
    known = Names(datasets={IDS[3]: "Ward 4"})
    found = differences.of(terms(), terms(duration_seconds=60 * 86_400, datasets=IDS, rho_per_dataset=MicroRho(10_000)),
                           known=known)  # fmt: skip
    said = {each.field: EN.say(each.after) for each in found.terms}
    assert said["duration_seconds"] == "60 days" and "Ward 4" in said["datasets"]
    assert said["rho_per_dataset"] == "epsilon at most 0.622 at a delta of one in 1,000,000 (rho 0.01)"


def test_the_configuration_differs_key_by_key_and_types_count() -> None:
    found = differences.of(terms(), terms(OTHER), MODEL.config, OTHER.config)
    assert found.settings is not None
    shown = {each.key: (each.before, each.after) for each in found.settings}
    assert shown["features"] == ("'age,hba1c,smoking=current'", "'age'") and shown["holdout"] == (None, "0.5")
    assert differences.of(terms(), terms(OTHER), MODEL.config).settings is None


def test_hidden_characters_of_a_configuration_are_written_out() -> None:
    from belmont.federated.hashes import config_hash

    config = {**MODEL.config, "note\u202e": "x\u200b"}
    found = differences.of(terms(), terms(config_hash=config_hash(config)), MODEL.config, config)
    assert found.settings is not None
    (shown,) = found.settings
    assert shown.key == "note[U+202E]" and "\u200b" not in str(shown.after)


def test_code_differs_file_by_file_where_both_bundles_are_given() -> None:
    glm, cox = shipped_bundle("glm"), shipped_bundle("cox")
    found = differences.of(terms(), terms(code_hash=code_hash(cox)), old_bundle=glm, new_bundle=cox)
    assert found.code is not None and found.code.changed
    assert differences.of(terms(), terms(), old_bundle=glm).code is None


def test_documents_of_other_hashes_are_refused() -> None:
    with pytest.raises(OtherDocument, match="configuration"):
        differences.of(terms(), terms(), OTHER.config, MODEL.config)
    with pytest.raises(OtherDocument, match="code"):
        differences.of(terms(), terms(), new_bundle=b"other", old_bundle=shipped_bundle("glm"))
    with pytest.raises(OtherDocument, match="cannot be read"):
        junk = terms(code_hash=code_hash(b"junk"))
        differences.of(junk, junk, old_bundle=b"junk", new_bundle=b"junk")
    assert NOW
