"""The terminal interface. Talks to agent.app, agent.desk, agent.report and agent.model only."""
