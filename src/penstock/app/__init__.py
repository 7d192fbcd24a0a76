"""What users compose: endpoint, context, middleware, lifecycle."""
