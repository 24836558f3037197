"""The dashboard: what a customer orders, watches and keeps."""
