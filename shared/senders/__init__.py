"""Adapters that send notifications: webhooks and e-mail."""
