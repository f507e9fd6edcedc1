"""ID tokens that a hostile or broken provider, or somebody between, could hand us."""

import base64
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from joserfc import jwk, jws

from belmont.service.errors import ConfigRefused
from belmont.service.sign_in.challenges import SignInRefused
from belmont.service.sign_in.oidc.fetching import ANSWER_BYTES_MAX, ProviderUnavailable, fetch
from belmont.service.sign_in.oidc.id_token import AGE_SECONDS_MAX, subject_of
from belmont.service.sign_in.oidc.provider import KEYS_AGAIN_SECONDS, Provider, ProviderConfig
from belmont.service.words import of

NONCE, SUBJECT = "n" * 43, "248289761001"
KEY = jwk.RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
CURVE = jwk.ECKey.generate_key("P-256", {"kid": "two", "use": "sig"})
NEW = jwk.RSAKey.generate_key(2048, {"kid": "three", "use": "sig"})
Answers = dict[str, tuple[int, bytes]]


class Site(ThreadingHTTPServer):
    """A provider whose answers a test chooses; counts what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server_port}"
        self.asked: list[str] = []
        self.answers: Answers = {}
        self.says()

    def says(self, keys: list[dict[str, Any]] | None = None, **changes: Any) -> None:
        metadata = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "id_token_signing_alg_values_supported": ["RS256", "ES256", "HS256", "none"],
        } | changes
        keys = [KEY.as_dict(private=False), CURVE.as_dict(private=False)] if keys is None else keys
        self.answers["/.well-known/openid-configuration"] = 200, json.dumps(metadata).encode()
        self.answers["/keys"] = 200, json.dumps({"keys": keys}).encode()


class Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        status, content = self.server.answers.get(self.path, (404, b"{}"))
        self.send_response(status)
        if status == 302:
            self.send_header("Location", f"{self.server.issuer}/keys")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as found:
        thread = threading.Thread(target=found.serve_forever, daemon=True)
        thread.start()
        yield found
        found.shutdown()
        thread.join(10)


@pytest.fixture
def provider(site: Site, clock: Any) -> Provider:
    return Provider(ProviderConfig("hospital", "Hospital", site.issuer, "belmont"), clock)


def claims(site: Site, **changes: Any) -> dict[str, Any]:
    now = int(time.time())
    found = {
        "iss": site.issuer,
        "sub": SUBJECT,
        "aud": "belmont",
        "exp": now + 300,
        "iat": now,
        "nonce": NONCE,
    } | changes
    return {name: value for name, value in found.items() if value is not None}


def token(content: dict[str, Any], key: Any = KEY, algorithm: str = "RS256", **header: Any) -> str:
    names = {"alg": algorithm, "kid": key.kid} | header
    return jws.serialize_compact(names, json.dumps(content).encode(), key, algorithms=[algorithm])


def test_a_token_of_the_provider_names_whom_it_is_about(site: Site, provider: Provider) -> None:
    assert subject_of(token(claims(site)), provider, NONCE, time.time()) == SUBJECT
    assert subject_of(token(claims(site), CURVE, "ES256"), provider, NONCE, time.time()) == SUBJECT
    assert subject_of(token(claims(site, aud=["belmont"], azp="belmont")), provider, NONCE, time.time()) == SUBJECT


WRONG: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://evil.example"},
    "the issuer with a slash": {"iss": "http://127.0.0.1/"},
    "another audience": {"aud": "other"},
    "another audience as well": {"aud": ["belmont", "other"]},
    "no audience": {"aud": None},
    "another authorized party": {"azp": "other"},
    "no end": {"exp": None},
    "an end that is no number": {"exp": "tomorrow"},
    "an end that is true": {"exp": True},
    "an end without end": {"exp": float("inf")},
    "another nonce": {"nonce": "m" * 43},
    "no nonce": {"nonce": None},
    "a nonce that is a list": {"nonce": [NONCE]},
    "nobody": {"sub": None},
    "an empty name": {"sub": ""},
    "a name that is a number": {"sub": 7},
}
WRONG_TIMES = {  # seconds from now, whenever in a long run that is
    "expired": ("exp", -61),
    "issued long ago": ("iat", -AGE_SECONDS_MAX - 120),
    "issued in the future": ("iat", 3600),
    "not yet": ("nbf", 3600),
}


@pytest.mark.parametrize("what", [*WRONG, *WRONG_TIMES])
def test_a_token_that_says_something_else_is_refused(site: Site, provider: Provider, what: str) -> None:
    now = int(time.time())
    wrong = WRONG.get(what) or {WRONG_TIMES[what][0]: now + WRONG_TIMES[what][1]}
    with pytest.raises(SignInRefused) as refused:
        subject_of(token(claims(site, **wrong)), provider, NONCE, now)
    particular = refused.value.particular
    assert particular is not None, "what is wrong is said in the visitor's language"
    english, chinese = (of(code).say(particular) for code in ("en", "zh-Hans"))
    assert english != chinese and english in refused.value.detail


def test_clocks_may_differ_by_a_minute_and_no_more(site: Site, provider: Provider) -> None:
    now = int(time.time())
    for seconds, holds in ((50, True), (-50, True), (70, False)):
        found = token(claims(site, iat=now + seconds, exp=now + seconds + 100))
        if holds:
            assert subject_of(found, provider, NONCE, now) == SUBJECT
        else:
            with pytest.raises(SignInRefused):
                subject_of(found, provider, NONCE, now)


def by_hand(header: dict[str, Any], content: dict[str, Any], sign: Callable[[bytes], bytes]) -> str:
    """A token as no library would make it."""

    def encoded(part: bytes) -> bytes:
        return base64.urlsafe_b64encode(part).rstrip(b"=")

    signed = encoded(json.dumps(header).encode()) + b"." + encoded(json.dumps(content).encode())
    return (signed + b"." + encoded(sign(signed))).decode()


def by_the_provider(content: dict[str, Any], **header: Any) -> str:
    """Signed by the provider's key, whatever the header says."""
    private = serialization.load_pem_private_key(KEY.as_pem(private=True), None)
    assert isinstance(private, rsa.RSAPrivateKey)
    names = {"alg": "RS256", "kid": "one"} | header
    return by_hand(names, content, lambda signed: private.sign(signed, padding.PKCS1v15(), hashes.SHA256()))


def under_the_public_key(content: dict[str, Any]) -> str:
    """HS256 with what everybody can read as the secret."""
    public = KEY.as_pem(private=False)
    header = {"alg": "HS256", "kid": "one"}
    return by_hand(header, content, lambda signed: hmac.digest(public, signed, "sha256"))


def with_its_own_key(content: dict[str, Any]) -> str:
    return token(content, NEW, kid="one", jwk=NEW.as_dict(private=False))


def changed(content: dict[str, Any]) -> str:
    head, _, signature = token(content).split(".")
    body = base64.urlsafe_b64encode(json.dumps(content | {"sub": "1"}).encode()).rstrip(b"=").decode()
    return f"{head}.{body}.{signature}"


FORGED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "alg none": lambda content: by_hand({"alg": "none"}, content, lambda _: b""),
    "alg None": lambda content: by_hand({"alg": "None", "kid": "one"}, content, lambda _: b""),
    "HS256 with the public key": under_the_public_key,
    "a key that it brings along": with_its_own_key,
    "the body changed": changed,
    "the wrong key's name": lambda content: token(content, NEW, kid="one"),
    "an unknown key": lambda content: token(content, NEW),
    "a kid that is a list": lambda content: by_the_provider(content, kid=["one"]),
    "an algorithm that the provider does not offer": lambda content: token(content, KEY, "PS256"),
    "a critical extension": lambda content: by_the_provider(content, crit=["x"], x=1),
    "no token": lambda content: None,
    "a number": lambda content: 7,
    "two parts": lambda content: token(content).rsplit(".", 1)[0],
    "too long": lambda content: token(content | {"x": "a" * 20_000}),
    "outside ASCII": lambda content: "ü.ü.ü",
}


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_token_is_refused(site: Site, provider: Provider, what: str) -> None:
    with pytest.raises(SignInRefused):
        subject_of(FORGED[what](claims(site)), provider, NONCE, time.time())


def test_what_forgeries_are_made_with_makes_true_tokens_too(site: Site, provider: Provider) -> None:
    assert subject_of(by_the_provider(claims(site)), provider, NONCE, time.time()) == SUBJECT


def test_a_secret_among_the_published_keys_is_no_key(site: Site, provider: Provider) -> None:
    secret = jwk.OctKey.generate_key(256, {"kid": "shared"})
    site.says(keys=[secret.as_dict(), KEY.as_dict(private=False)])
    assert [each.kid for each in provider.keys(None).keys] == ["one"]


def test_new_keys_are_fetched_when_a_token_names_one_and_not_at_every_token(
    site: Site, provider: Provider, clock: Any
) -> None:
    subject_of(token(claims(site)), provider, NONCE, time.time())
    site.says(keys=[NEW.as_dict(private=False)])
    for _ in range(3):
        with pytest.raises(SignInRefused):
            subject_of(token(claims(site), NEW), provider, NONCE, time.time())
    assert site.asked.count("/keys") == 1
    clock.ahead = KEYS_AGAIN_SECONDS + 1
    assert subject_of(token(claims(site), NEW), provider, NONCE, time.time()) == SUBJECT
    with pytest.raises(SignInRefused):
        subject_of(token(claims(site)), provider, NONCE, time.time())


METADATA: dict[str, dict[str, Any]] = {
    "another issuer": {"issuer": "https://evil.example"},
    "no issuer": {"issuer": None},
    "an endpoint without TLS": {"token_endpoint": "http://evil.example/token"},
    "an endpoint that is a script": {"authorization_endpoint": "javascript:alert(1)"},
    "an endpoint with a name and password": {"token_endpoint": "https://a:b@evil.example/token"},
    "no keys": {"jwks_uri": None},
}


@pytest.mark.parametrize("what", METADATA)
def test_metadata_that_does_not_hold_is_refused(site: Site, provider: Provider, what: str) -> None:
    site.says(**METADATA[what])
    with pytest.raises(ProviderUnavailable):
        provider.metadata()


ANSWERS: dict[str, tuple[int, bytes]] = {
    "an error": (500, b"{}"),
    "a redirection": (302, b"{}"),
    "no JSON": (200, b"<html>"),
    "a list": (200, b"[]"),
    "a field twice": (200, b'{"issuer": 1, "issuer": 2}'),
    "brackets without end": (200, b"[" * 100_000),
    "more than is read": (200, b" " * (ANSWER_BYTES_MAX + 1)),
    "bytes that are no text": (200, b"\xff\xfe{}"),
}


@pytest.mark.parametrize("what", ANSWERS)
def test_an_answer_that_cannot_be_read_is_none(site: Site, what: str) -> None:
    site.answers["/odd"] = ANSWERS[what]
    with pytest.raises(ProviderUnavailable):
        fetch(f"{site.issuer}/odd")


def test_nobody_there_is_no_answer() -> None:
    with pytest.raises(ProviderUnavailable):
        fetch("http://127.0.0.1:1/")


@pytest.mark.parametrize(
    "issuer",
    ["http://login.example", "ftp://login.example", "login.example", "https://", "https://a@login.example", ""],
)
def test_an_issuer_is_reached_over_tls_or_on_this_machine(issuer: str) -> None:
    with pytest.raises(ConfigRefused):
        Provider(ProviderConfig("hospital", "Hospital", issuer, "belmont"))
