"""Whether an ID token is one (OpenID Connect Core 1.0, section 3.1.3.7; numbers are those of its list).

2.  Its issuer is the provider's, to the letter.
3.  It is for this service and for nobody else. 4, 5. Its authorized party, where it names one, is this service.
6.  Its signature is by a key of the provider. The transport alone is not taken for it, though the standard would.
7.  Its algorithm is one with a public key that the provider offers; ``none``, and secrets that a public key was made
    into, are refused before a key is looked up.
9.  It has not expired; 10. it was issued in the last ten minutes. Clocks may differ by a minute, no more.
11. Its nonce is the one of this attempt to sign in.
"""

from __future__ import annotations

import hmac
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError

from belmont.identity.strict_json import loads
from belmont.service.sign_in.challenges import SignInRefused
from belmont.service.sign_in.oidc.provider import Provider
from belmont.service.words import DEFAULT, Sentence, of

TOKEN_BYTES_MAX: Final = 16 * 1024
SKEW_SECONDS: Final = 60
AGE_SECONDS_MAX: Final = 600
SUBJECT_MAX: Final = 255


def subject_of(token: object, provider: Provider, nonce: str, now: float) -> str:
    """The subject. Raises ``SignInRefused``, ``ProviderUnavailable``."""
    if not isinstance(token, str) or len(token) > TOKEN_BYTES_MAX or not token.isascii():
        raise _refused(Sentence("It is missing, or too long."))
    claims = _claims(token, provider)
    client_id = provider.config.client_id
    if claims.get("iss") != provider.config.issuer:  # 2
        raise _refused(Sentence("Another provider made it."))
    if claims.get("aud") not in (client_id, [client_id]):  # 3
        raise _refused(Sentence("It is for another service, or for others as well."))
    if claims.get("azp", client_id) != client_id:  # 4, 5
        raise _refused(Sentence("It was made at the request of another service."))
    if _time(claims, "exp") <= now - SKEW_SECONDS:  # 9
        raise _refused(Sentence("It has expired."))
    if not now - AGE_SECONDS_MAX - SKEW_SECONDS <= _time(claims, "iat") <= now + SKEW_SECONDS:  # 10
        raise _refused(Sentence("It was made too long ago, or in the future."))
    if "nbf" in claims and _time(claims, "nbf") > now + SKEW_SECONDS:
        raise _refused(Sentence("It does not count yet."))
    shown = claims.get("nonce")
    if not isinstance(shown, str) or not hmac.compare_digest(shown.encode(), nonce.encode()):  # 11
        raise _refused(Sentence("It belongs to another attempt to sign in."))
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 1 <= len(subject) <= SUBJECT_MAX:
        raise _refused(Sentence("It names nobody."))
    return subject


def _claims(token: str, provider: Provider) -> dict[str, Any]:
    allowed = provider.metadata().algorithms
    try:
        header = jws.extract_compact(token.encode()).headers()
    except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise _refused(Sentence("It is no signed token.")) from error
    algorithm, kid = header.get("alg"), header.get("kid")
    if algorithm not in allowed or not isinstance(kid, str | None):  # 7
        raise _refused(Sentence("Its algorithm is not one that the provider offers with a public key."))
    try:
        verified = jws.deserialize_compact(token.encode(), provider.keys(kid), algorithms=[str(algorithm)])  # 6
        claims = loads(verified.payload or b"")
    except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise _refused(Sentence("Its signature is by no key of the provider.")) from error
    if not isinstance(claims, dict):
        raise _refused(Sentence("It says nothing."))
    return claims


def _time(claims: dict[str, Any], name: str) -> float:
    value = claims.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1e11:
        raise _refused(Sentence("Its “{name}” is no time.", name=name))
    return float(value)


def _refused(why: Sentence) -> SignInRefused:
    said = of(DEFAULT).say(why)
    return SignInRefused(f"The provider's token does not hold: {said}", code="ID_TOKEN_REFUSED", particular=why)
