"""A provider that takes connections and never answers."""

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from belmont.service.sign_in.oidc import fetching, flow
from belmont.service.sign_in.oidc.fetching import ProviderUnavailable
from belmont.service.sign_in.oidc.flow import OidcFlow
from belmont.service.sign_in.oidc.provider import Provider, ProviderConfig
from belmont.service.store.database import Store

BROWSER = "b" * 43


def test_it_holds_so_many_people_at_a_time_and_no_more(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "SECONDS", 1.0)
    monkeypatch.setattr(flow, "AT_ONCE_MOST", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor(1) as threads:
        issuer = f"http://127.0.0.1:{silent.getsockname()[1]}"
        provider = Provider(ProviderConfig("hospital", "Hospital", issuer, "belmont"))
        oidc = OidcFlow(store, "https://belmont.example", [provider], {})
        first = threads.submit(oidc.begin, "hospital", BROWSER, "/")
        connection, _ = silent.accept()
        with connection:
            with pytest.raises(ProviderUnavailable, match="Too many"):
                oidc.begin("hospital", BROWSER, "/")
            with pytest.raises(ProviderUnavailable, match="Too many"):
                oidc.finish("hospital", BROWSER, [("state", "s" * 43), ("code", "x")])
            with pytest.raises(ProviderUnavailable, match="does not answer"):
                first.result(10)
        with pytest.raises(ProviderUnavailable, match="does not answer"):
            oidc.begin("hospital", BROWSER, "/")
