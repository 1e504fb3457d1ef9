"""Subscriptions: a filter, a channel and a pace. Delivered by the process api-notifier."""
