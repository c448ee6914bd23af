"""Accepted sentences on their way to the model. Token ids only, never text."""
