"""What the official SDKs stream, as chunks: one module per shape.

Lives here: which shape a stream has, what its events mean, and a reader that owns the provider's
connection. Stays out: every SDK (a shape is recognised, never imported), requests, hosts.
"""
