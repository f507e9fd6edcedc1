"""A configuration's privacy settings are fully understood, or refused."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from belmont.federated.accounting.settings import NO_NOISE, Clipping, PrivacySettings, read_settings
from belmont.federated.errors import FederatedError, PrivacyError, SettingsRefused
from belmont.federated.hashes import config_hash

CONFIG = {
    "features": "age,sex",
    "belmont-clipping": "client",
    "belmont-clip-norm": 1.5,
    "belmont-fraction-bits": 16,
    "belmont-rho-per-round": 10_000,
    "belmont-min-contributors": 4,
}
OURS = [key for key in CONFIG if key != "features"]


def test_approved_settings_are_read():
    assert read_settings(CONFIG) == PrivacySettings(Clipping.CLIENT, 1.5, 16, 10_000, 4, 1)


def test_a_configuration_without_settings_says_so_with_a_value_of_its_own():
    assert read_settings({"features": "age"}) is NO_NOISE
    assert repr(NO_NOISE) == "NO_NOISE"


def test_who_is_counted_on_is_one_hospital_unless_the_board_approved_more():
    assert read_settings(CONFIG).honest_contributors == 1
    assert read_settings(CONFIG | {"belmont-honest-contributors": 3}).honest_contributors == 3


@pytest.mark.parametrize("missing", OURS)
def test_settings_are_complete_or_absent(missing):
    with pytest.raises(SettingsRefused, match="missing"):
        read_settings({key: value for key, value in CONFIG.items() if key != missing})


@pytest.mark.parametrize(
    "key",
    ["belmont-noise", "belmont-", "belmont", "belmont_clipping", "Belmont-clipping", " belmont-clipping", "BELMONT.x"],
)
def test_an_unknown_or_misspelt_key_is_refused(key):
    for config in (CONFIG, {}):
        with pytest.raises(SettingsRefused):
            read_settings(config | {key: "client"})


def test_a_key_that_the_caller_reads_itself_is_let_through():
    assert read_settings(CONFIG | {"belmont-mask": 1}, also_known={"belmont-mask"}) == read_settings(CONFIG)
    assert read_settings({"belmont-mask": 1}, also_known={"belmont-mask"}) is NO_NOISE


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("belmont-clipping", "Client"),
        ("belmont-clipping", "none"),
        ("belmont-clipping", 1),
        ("belmont-clip-norm", 1),
        ("belmont-clip-norm", "1.0"),
        ("belmont-clip-norm", True),
        ("belmont-clip-norm", math.nan),
        ("belmont-clip-norm", math.inf),
        ("belmont-clip-norm", 0.0),
        ("belmont-clip-norm", -1.0),
        ("belmont-clip-norm", 5e-324),
        ("belmont-clip-norm", 32_768.0),
        ("belmont-clip-norm", 1e308),
        ("belmont-fraction-bits", 16.0),
        ("belmont-fraction-bits", True),
        ("belmont-fraction-bits", -1),
        ("belmont-fraction-bits", 31),
        ("belmont-rho-per-round", 0),
        ("belmont-rho-per-round", -1),
        ("belmont-rho-per-round", 0.01),
        ("belmont-rho-per-round", 100_000_001),
        ("belmont-rho-per-round", 2**63),
        ("belmont-min-contributors", 0),
        ("belmont-min-contributors", 1_025),
        ("belmont-min-contributors", "4"),
        ("belmont-honest-contributors", 0),
        ("belmont-honest-contributors", 4),
        ("belmont-honest-contributors", False),
    ],
)
def test_a_wrong_type_or_a_value_out_of_range_is_refused(key, value):
    with pytest.raises(SettingsRefused, match=key):
        read_settings(CONFIG | {key: value})


def test_at_least_one_of_several_hospitals_is_taken_to_look():
    settings = read_settings(CONFIG)
    for contributors in (2, 3, 1_024):
        replace(settings, min_contributors=contributors, honest_contributors=contributors - 1)
        with pytest.raises(SettingsRefused):
            replace(settings, min_contributors=contributors, honest_contributors=contributors)
    replace(settings, min_contributors=1, honest_contributors=1)


def test_settings_made_in_code_are_checked_too():
    with pytest.raises(SettingsRefused):
        PrivacySettings("client", 1.0, 16, 1, 3)
    with pytest.raises(SettingsRefused):
        PrivacySettings(Clipping.CLIENT, 1.0, 16, True, 3)


def test_a_change_of_any_setting_is_another_configuration():
    changed = [CONFIG | {key: "example" if key == "belmont-clipping" else CONFIG[key] * 2} for key in OURS]
    assert len({config_hash(each) for each in [CONFIG, *changed]}) == len(OURS) + 1


def test_a_refusal_is_a_federated_error():
    assert issubclass(SettingsRefused, PrivacyError) and issubclass(PrivacyError, FederatedError)


@given(st.floats(2**-16, 32_767), st.integers(0, 16))
def test_the_integer_bound_is_the_norm_rounded_down(norm, bits):
    if norm * 2**bits < 1:
        return
    settings = PrivacySettings(Clipping.EXAMPLE, norm, bits, 1, 1)
    assert settings.bound <= norm * 2**bits < settings.bound + 1
    assert settings.sensitivity_sq == settings.bound**2
    assert replace(settings, clipping=Clipping.CLIENT).sensitivity_sq == 4 * settings.bound**2


_VALUES = st.one_of(st.text(max_size=8), st.integers(), st.floats(), st.booleans(), st.none(), st.lists(st.integers()))


@given(st.dictionaries(st.one_of(st.sampled_from(OURS), st.text(max_size=12)), _VALUES), st.booleans())
def test_any_configuration_is_understood_or_refused(config, start_from_good):
    try:
        settings = read_settings(CONFIG | config if start_from_good else config)
    except SettingsRefused:
        return
    assert settings is NO_NOISE or isinstance(settings, PrivacySettings)
