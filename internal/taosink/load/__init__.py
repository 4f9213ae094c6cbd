"""A load tool for gateways: many devices' connections, requests at a given rate, and what they cost."""
