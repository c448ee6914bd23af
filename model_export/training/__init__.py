"""Recipes that train models of our own. Nothing else imports it, and it needs the extra `train`."""
