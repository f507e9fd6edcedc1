"""Providers, whom they vouch for, and limits, as service.toml names them."""

import argparse
from pathlib import Path

import pytest
from tests.service.sign_in.authenticator import Authenticator

from belmont.audit.database import open_engine
from belmont.registry.types import Address
from belmont.service.access.limits import Rate
from belmont.service.config import ServiceConfig
from belmont.service.errors import ConfigRefused
from belmont.service.sign_in.forget_command import add_commands
from belmont.service.sign_in.passkeys import Passkeys
from belmont.service.store.database import Store
from belmont.service.store.sessions import Proof, Sessions, Way

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


def test_the_trail_is_kept_for_a_year_unless_it_is_said_otherwise(tmp_path: Path) -> None:
    assert read(tmp_path, "").trail_days == 365
    assert read(tmp_path, "[trail]\nkeep_days = 30\n").trail_days == 30


@pytest.mark.parametrize(
    ("what", "content"),
    [
        ("an unknown key", LIMITS + "x = 1\n"),
        ("an unknown kind", "[limits]\nnobody = { burst = 1 }\n"),
        ("a rate of none", "[limits]\naccount = { per_second = 0 }\n"),
        ("a trail of no day", "[trail]\nkeep_days = 0\n"),
        ("a trail of something else", "[trail]\nkeep_years = 1\n"),
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


def test_the_operator_removes_the_keys_of_who_lost_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = read(tmp_path, "")
    engine = open_engine(config.database)
    store = Store(engine)
    sessions, passkeys = Sessions(store), Passkeys(store, config.name, config.origin)
    account = Address(ADDRESS)
    secret, session = sessions.open(Proof(account, Way.KEY, account), by_token=False)
    key = Authenticator(config.origin)
    passkeys.finish_enrolment(session, key.create(passkeys.begin_enrolment(session)), "lost")
    parser = argparse.ArgumentParser()
    add_commands(parser.add_subparsers())
    words = ["forget-keys", "--config", str(tmp_path / "service.toml"), "--account", ADDRESS]
    options = parser.parse_args(words)
    assert options.run(options) == 0
    assert "1 hardware keys removed, 1 sessions ended" in capsys.readouterr().out
    assert not passkeys.required_for(account) and sessions.of_cookie(secret) is None
    assert options.run(options) == 1
    engine.dispose()
