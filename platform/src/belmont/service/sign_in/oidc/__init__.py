"""OpenID Connect: a provider that the operator named says who somebody is, and ``service.toml`` who that is here."""
