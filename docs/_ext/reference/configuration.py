"""The reference of configuration keys, of objectives and of their constants."""

from metadisco.config.keys import ConfigKey, KeyGroup, key_groups

from .markdown import code, plain


def configuration(file: str) -> str:
    """Return the keys of one kind of file: a description of each, under the heading of its section."""
    described: set[str] = set()
    parts = []
    for group in key_groups():
        if group.file == file:
            parts += [f"### {_title(group)}", plain(group.about), _condition(group)]
            parts += [_described_key(key, group, described) for key in group.keys]
    return "\n\n".join(filter(None, parts))


def _title(group: KeyGroup) -> str:
    name, _, form = group.title.partition(" (")
    form = form.rstrip(")").partition(": ")[2]
    return f"`{name}`, {form}" if form and " or " not in form else f"`{name}`"


def _condition(group: KeyGroup) -> str:
    return f"With `{group.condition}`." if group.condition and " or " not in group.condition else ""


def _described_key(key: ConfigKey, group: KeyGroup, described: set[str]) -> str:
    """Describe a key. The first one of several with the same name goes into the index."""
    name = key.key if group.file not in ("player", "game") else f"{group.title.partition(': ')[2] or 'game'}: {key.key}"
    name = f"{name} (space file)" if group.file == "space" else f"{name} (grid)" if group.file == "grid" else name
    options = [f":type: {key.kind}", f":default: {code(key.default) if key.default != 'required' else '*required*'}"]
    if name in described:
        options.append(":no-index:")
    described.add(name)
    allowed = f" Allowed: {key.allowed}." if key.allowed else ""
    return "\n".join([f"```{{confval}} {name}", *options, "", f"{plain(key.meaning)}{allowed}", "```"])
