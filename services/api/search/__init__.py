"""Search and the filter language that lists, exports, streams and subscriptions share."""
