"""One inner life: environments, learner, fitness. Knows nothing of evolution."""
