"""The devices' side of the gateway: the wire protocol, pure, and a client. Any process may import it."""
