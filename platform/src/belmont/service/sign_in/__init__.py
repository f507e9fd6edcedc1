"""Signing in: with an account's key (ERC-4361) or through a provider (OpenID Connect), and passkeys on top of it.

What a sign-in is worth: it lets somebody read, and be one whom the limits count. It decides nothing (docs/sign_in.md).
"""
