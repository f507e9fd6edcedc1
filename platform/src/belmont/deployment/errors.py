"""What can go wrong around processes.

DeploymentError
├── ConfigError      a configuration file that cannot be read, or says something impossible
└── NotRunning       a part of the deployment is not there, or did not start
"""


class DeploymentError(Exception):
    """Base of the area's errors; the text says what to do."""


class ConfigError(DeploymentError):
    """A configuration file that is missing, malformed, or names something unknown."""


class NotRunning(DeploymentError):
    """A process of the deployment is not there, or ended before it was ready."""
