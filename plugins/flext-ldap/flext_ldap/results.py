"""LDAP result codes (RFC 4511 appendix A) and the errors made from them."""

from __future__ import annotations

SUCCESS = 0
OPERATIONS_ERROR = 1
PROTOCOL_ERROR = 2
TIME_LIMIT_EXCEEDED = 3
SIZE_LIMIT_EXCEEDED = 4
STRONGER_AUTH_REQUIRED = 8
REFERRAL = 10
ADMIN_LIMIT_EXCEEDED = 11
UNAVAILABLE_CRITICAL_EXTENSION = 12
CONFIDENTIALITY_REQUIRED = 13
SASL_BIND_IN_PROGRESS = 14
NO_SUCH_ATTRIBUTE = 16
CONSTRAINT_VIOLATION = 19
ATTRIBUTE_OR_VALUE_EXISTS = 20
NO_SUCH_OBJECT = 32
INVALID_CREDENTIALS = 49
INSUFFICIENT_ACCESS_RIGHTS = 50
BUSY = 51
UNAVAILABLE = 52
UNWILLING_TO_PERFORM = 53
NOT_ALLOWED_ON_NON_LEAF = 66
ENTRY_ALREADY_EXISTS = 68
SYNC_REFRESH_REQUIRED = 4096  # RFC 4533

NAMES = {
    0: "success",
    1: "operationsError",
    2: "protocolError",
    3: "timeLimitExceeded",
    4: "sizeLimitExceeded",
    5: "compareFalse",
    6: "compareTrue",
    7: "authMethodNotSupported",
    8: "strongerAuthRequired",
    10: "referral",
    11: "adminLimitExceeded",
    12: "unavailableCriticalExtension",
    13: "confidentialityRequired",
    14: "saslBindInProgress",
    16: "noSuchAttribute",
    17: "undefinedAttributeType",
    18: "inappropriateMatching",
    19: "constraintViolation",
    20: "attributeOrValueExists",
    21: "invalidAttributeSyntax",
    32: "noSuchObject",
    33: "aliasProblem",
    34: "invalidDNSyntax",
    36: "aliasDereferencingProblem",
    48: "inappropriateAuthentication",
    49: "invalidCredentials",
    50: "insufficientAccessRights",
    51: "busy",
    52: "unavailable",
    53: "unwillingToPerform",
    54: "loopDetect",
    64: "namingViolation",
    65: "objectClassViolation",
    66: "notAllowedOnNonLeaf",
    67: "notAllowedOnRDN",
    68: "entryAlreadyExists",
    69: "objectClassModsProhibited",
    71: "affectsMultipleDSAs",
    80: "other",
    118: "canceled",
    122: "assertionFailed",
    4096: "e-syncRefreshRequired",
}

#: The server is fine with the request but not now: worth another try.
TRANSIENT = frozenset({BUSY, UNAVAILABLE, ADMIN_LIMIT_EXCEEDED, TIME_LIMIT_EXCEEDED})


def describe(code: int, diagnostic: str) -> str:
    """Return a result as people read it: `noSuchObject (32): the server's words`."""
    name = f"{NAMES.get(code, 'result')} ({code})"
    text = " ".join(diagnostic.replace("\0", " ").split())
    return f"{name}: {text}" if text else name


class LdapError(Exception):
    """The server answered an operation with something other than success."""

    def __init__(
        self, operation: str, code: int, diagnostic: str = "", matched_dn: str = ""
    ) -> None:
        self.operation = operation
        self.code = code
        self.diagnostic = diagnostic
        self.matched_dn = matched_dn
        super().__init__(f"{operation}: {describe(code, diagnostic)}")


class ConnectionLostError(Exception):
    """The connection ended; what the outstanding operations did is unknown."""


class MessageError(ConnectionLostError):
    """The server sent something that is not LDAP; the connection is given up."""


class OperationTimeoutError(ConnectionLostError):
    """No whole answer arrived in time; the connection is given up."""
