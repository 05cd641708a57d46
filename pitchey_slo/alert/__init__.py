"""Alerting: from a rule that holds to a person who knows, and why.

    rules -> evaluate (PromQL, every 15 s) -> state.step -> dispatch.plan -> one transaction -> outbox -> channels

Everything up to the transaction is a pure function of what was, what is and the time: the live loop feeds it step by
step, a backtest feeds it history. Alert states, groups, timers, silences and messages are rows, so a restart goes on
where the last commit was. A message leaves only from the outbox: at least once, with one key for all its attempts.
Every decision on the way (routed, grouped, silenced, held, sent, ...) is a row of `alert_events` that says in a
sentence why somebody was paged or not.

What this room does not do: it does not measure (rules ask `promql`), it does not serve (the API is in `web`), and it
never guesses: no data is a condition of its own.
"""
