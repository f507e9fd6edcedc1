"""The service's own tables, beside the event index in one database."""
