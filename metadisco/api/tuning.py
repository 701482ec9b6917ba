"""Settings searched with hundreds of agents, from Python."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metadisco.api.inputs import Overrides, overrides_of, plain
from metadisco.config import apply_overrides, read_yaml
from metadisco.config.code.own_code import forget_edited
from metadisco.errors import UserError
from metadisco.evolution.display import Display
from metadisco.storage.files import Name, check_writable, text_of

if TYPE_CHECKING:
    from metadisco.tuning.results import Tuned


def tune(
    space: Mapping[str, Any] | Name,
    overrides: Overrides = None,
    *,
    output: Name,
    progress: bool = True,
) -> "Tuned":
    """Search the best settings of PPO and constants of objectives, as `metadisco tune` does.

    The best few of the search are trained on seeds of a second set, which choose; the winner is judged on those of a
    third one, beside the settings before tuning. No other command uses these seeds.

    Args:
        space: a YAML file, or a mapping like it: `space` has a range for each key; docs/interfaces.md has the rest.
        overrides: settings of that file by dotted key, such as {"num_settings": 64, "inner.ppo.num_env_steps": 32768}.
        output: a folder for trials, results, best settings and figures. Repeat the call to resume.
        progress: show progress, on stderr.

    Returns:
        A `Tuned`: `best()` are the winner's settings by dotted key, `judged` the scores of agents with them, and
        `frame()` is a pandas DataFrame with a row per setting of the search.

    Raises:
        UserError: for input that cannot be used; nothing was trained then.

    Example:
        space = {"inner.ppo.learning_rate": {"log": [1e-4, 1e-2]}, "objective.clip_eps": {"linear": [0.1, 0.4]}}
        data = {"space": space, "num_settings": 8, "num_seeds": 2, "num_choice_seeds": 2, "num_report_seeds": 4}
        found = metadisco.tune(data, {"inner.ppo.num_env_steps": 2048}, output="tuned")
        found.best()
    """
    forget_edited()
    data = plain(space) if isinstance(space, Mapping) else read_yaml(Path(text_of(space, "space")))
    given = overrides_of(overrides)
    for key in given:
        if key.partition(".")[0] == "space":
            raise UserError(f"{key}: ranges cannot be set here, allowed: to write them into the file")
    folder = Path(text_of(output, "output"))

    from metadisco.tuning.plan import make_plan

    plan = make_plan(apply_overrides(data, given.items()))
    check_writable(folder, "output")

    from metadisco.tuning.tune import tune as search

    with Display(not progress) as display:
        found = search(plan, folder, say=display.say, progress=display.counting("agent"))
    from metadisco.plotting.interactive.page import write_figures
    from metadisco.plotting.interactive.tuning import tuning_figures
    from metadisco.plotting.tuning import draw_tuned

    draw_tuned(found, folder)
    write_figures(dict(tuning_figures(found)), folder / "figures" / "settings.html", title="Settings and their scores")
    return found
