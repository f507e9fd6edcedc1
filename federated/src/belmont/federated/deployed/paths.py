"""What of a coordinator's HTTP interface is open, and to whom: everything else answers 404.

1. Flower's Fleet API, but registering and unregistering: its own node authentication checks every request.
2. Flower's Runtime API, as far as driving a run needs it: the token of the run's task checks every request.
3. Belmont's own three requests, signed by a member (`signed_requests`): a data holder's node joins, a data user starts
   a run, any member asks who is there.
4. Nothing of Flower's Control API, which without Flower's own account service lets anybody do anything, and no
   acquiring of tasks: a run is started and its task acquired in one step, by 3.
"""

NODES = "/belmont/nodes"
RUNS = "/belmont/runs"
STATUS = "/belmont/status"

FLEET_PULL = "/v1/fleet/pull-messages"
FLEET_PUSH = "/v1/fleet/push-messages"
RUNTIME_PULL = "/v1/runtime/pull-messages"
RUNTIME_PUSH = "/v1/runtime/push-messages"

FLEET = frozenset(
    f"/v1/fleet/{name}"
    for name in (
        "activate-node",
        "deactivate-node",
        "send-node-heartbeat",
        "pull-messages",
        "push-messages",
        "get-run",
        "get-fab",
        "push-object",
        "pull-object",
        "confirm-message-received",
    )
)
RUNTIME = frozenset(
    f"/v1/runtime/{name}"
    for name in (
        "send-task-heartbeat",
        "pull-task-input",
        "push-task-output",
        "push-messages",
        "pull-messages",
        "push-object",
        "pull-object",
        "confirm-message-received",
    )
)

WAIT_HEADER = "belmont-wait"
"""Of a pull: ``<seconds> <seen>``, to be answered once something was pushed after ``seen``, or after so many seconds.
"""
SEEN_HEADER = "belmont-seen"
"""Of the answer to such a pull: what to send as ``seen`` the next time."""
MOST_WAIT_SECONDS = 25.0
