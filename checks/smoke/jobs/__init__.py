"""Job scripts. Each runs alone in any interpreter that has what it states; nothing of ours is imported."""
