"""Why a notice was not delivered.

ServiceError
└── DeliveryFailed      not taken this time; it is tried again
"""

from belmont.service.errors import ServiceError


class DeliveryFailed(ServiceError):
    """The other side did not take it, or was not reached. Its text is kept for the operator, and has no secret."""
