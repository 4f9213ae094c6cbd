"""Who a device is: tokens, secrets, certificates, the application's decision; and TLS that can be renewed."""

from taosink.ingress.auth.make import AuthError, make_authenticator
from taosink.ingress.auth.tls import ReloadableTls, TlsError, make_tls

__all__ = ["AuthError", "ReloadableTls", "TlsError", "make_authenticator", "make_tls"]
