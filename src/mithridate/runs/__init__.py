"""The verbs. Each returns a `Report`; nothing here prints."""
