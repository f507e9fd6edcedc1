"""The embedded chain and its client: a Prague EVM over one SQLite file, standard JSON-RPC, deployment of contracts.

Import from the modules: `engine` and `store` execute and keep blocks, `node`, `rpc` and `server` serve them,
`process` starts a server, `client`, `compiler` and `deployment` are what the rest of Belmont calls, `audit` checks a
whole chain by another EVM. What is guaranteed, and what was tried: docs/chain.md.
"""
