"""The outer loop: strategy, evaluation over devices, generations. Sees the inner life only as a MetaProblem."""
