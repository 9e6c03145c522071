"""The terminal interface. Talks to agent.app and agent.model only."""
