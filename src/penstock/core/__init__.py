"""What a stream is: outbox, pump, ending, inbox, head, response, request, shutdown."""
