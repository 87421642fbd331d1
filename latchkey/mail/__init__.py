"""Letters: the outbox, the transport, and which process delivers."""
