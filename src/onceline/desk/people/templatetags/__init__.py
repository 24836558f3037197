"""Filters and tags of every template of the desk."""
