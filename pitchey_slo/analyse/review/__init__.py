"""The weekly review of alert rules: what to look at, what to change, who decided, and what came of it."""
