"""The outer loop: strategy, evaluation over devices, generations. It sees the inner loop only as a MetaProblem."""
