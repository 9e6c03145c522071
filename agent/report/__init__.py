"""Renderings of a report: text, JSON, JUnit, Nagios, Markdown."""
