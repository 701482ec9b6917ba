"""The examples in JAX as modules, and files of losses for them."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = {"ppo": ["ppo"], "ppo_unclipped": ["ppo", "objective.value_clip_eps=null"], "dpo": ["dpo"]}
AT_PROGRESS = """
def policy_loss(log_prob, old_log_prob, advantage, progress=0.0):
    return (0.75 - progress) * (log_prob - old_log_prob)

def value_loss(value, old_value, target, progress=0.0):
    return 0 * value
"""


def import_example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
