"""The filter language that search, lists, exports, streams, topics and subscriptions share."""
