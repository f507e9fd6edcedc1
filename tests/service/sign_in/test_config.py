"""Providers, whom they vouch for, and limits, as service.toml names them."""

from pathlib import Path

import pytest

from belmont.service.access.limits import Rate
from belmont.service.config import ServiceConfig
from belmont.service.errors import ConfigRefused

ADDRESS = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"
BASE = 'name = "H"\nchain = "http://127.0.0.1:1"\npublic_url = "https://h.example"\ndatabase = "sqlite:///a.sqlite"\n'
LIMITS = '[limits]\nproxies = ["10.0.0.0/8"]\naccount = { per_second = 200, burst = 400 }\n'
PROVIDER = """[[oidc.providers]]
name = "hospital"
issuer = "https://login.example"
client_id = "belmont"
client_secret_file = "oidc.secret"
"""
MEMBER = f"""[[oidc.members]]
issuer = "https://login.example"
subject = "1"
address = "{ADDRESS}"
"""


def read(folder: Path, content: str) -> ServiceConfig:
    (folder / "oidc.secret").write_text("a secret of thirty-two letters..\n")
    (folder / "service.toml").write_text(BASE + content)
    return ServiceConfig.read(folder / "service.toml")


def test_providers_members_and_limits_are_read(tmp_path: Path) -> None:
    config = read(tmp_path, LIMITS + PROVIDER + MEMBER)
    [provider] = config.oidc.providers
    assert (provider.name, provider.client_secret) == ("hospital", "a secret of thirty-two letters..")
    assert config.oidc.members == {("https://login.example", "1"): ADDRESS}
    assert config.rates == {"account": Rate(200, 400)}
    assert "secret" not in repr(config)


def test_without_them_nobody_vouches(tmp_path: Path) -> None:
    config = read(tmp_path, "")
    assert (config.oidc.providers, config.oidc.members, config.proxies) == ((), {}, ())


@pytest.mark.parametrize(
    ("what", "content"),
    [
        ("an unknown key", LIMITS + "x = 1\n"),
        ("an unknown kind", "[limits]\nnobody = { burst = 1 }\n"),
        ("a rate of none", "[limits]\naccount = { per_second = 0 }\n"),
        ("what is no network", '[limits]\nproxies = ["10.0.0.1/8"]\n'),
        ("an issuer without TLS", PROVIDER.replace("https://login", "http://login")),
        ("a secret that is not there", PROVIDER.replace("oidc.secret", "nowhere")),
        ("a name that is an address", PROVIDER.replace('"hospital"', '"../hospital"')),
        ("a provider twice", PROVIDER + PROVIDER),
        ("a member twice", PROVIDER + MEMBER + MEMBER),
        ("a member of no provider", MEMBER),
        ("an account in one case", PROVIDER + MEMBER.replace(ADDRESS, ADDRESS.lower())),
        ("a member without an account", PROVIDER + MEMBER.replace("address", "name")),
        ("a list that is a text", 'oidc = "x"\n'),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, what: str, content: str) -> None:
    with pytest.raises(ConfigRefused):
        read(tmp_path, content)
