"""Events of the embedded AWS: queues, rules, schedules and functions, and what lets them work on this machine."""
