"""The inner loop: environments, PPO, and the fitness of an agent. It does not depend on the outer loop."""
