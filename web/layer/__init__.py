"""What stands around the application: bounds, addresses of proxies, headers, compression, the log line."""
