"""Talkers by name: messages from earlier searches, and controls. Axes: M messages, N channels."""

import math
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from metadisco.discoveries.meta_problems import load_meta_params
from metadisco.discoveries.sources import Source, find_discovery, plain_env
from metadisco.errors import UnknownNameError, UserError, nearest, shown
from metadisco.inner.envs import Env
from metadisco.inner.envs import talkers as saying
from metadisco.inner.envs.cheap_talk import Talker, memoryless, obs_size
from metadisco.objectives.arithmetic import in_float32
from metadisco.parametrisations import make_parametrisation
from metadisco.problems.cheap_talk import sized
from metadisco.storage.files import text_of
from metadisco.types import Message, MessageFunctions, MetaParams

PROBLEM = "cheap_talk"
NONE, ZERO = "none", "zero"
PLAIN = (NONE, ZERO, "constant", "noise", "copy")
RANDOM = "random"
OF_A_MESSAGE = ("scrambled", "frozen")
CONTROLS = (*PLAIN, f"{RANDOM}:SEED", *(f"{kind}:PATH" for kind in OF_A_MESSAGE))
"""Talkers that were not learned: no channel; zeros; the scale in every channel; random numbers; the first numbers of
the observation; an untrained network; a learned message of an unrelated observation, and of the episode's first one."""
MAX_SEED = 2**31 - 1
NUM_CHANNELS, SCALE = 2, 2 * math.pi
"""Defaults, if neither a message among the talkers nor an option sets them."""


class TalkerName(NamedTuple):
    """The talker that a name refers to; nothing is loaded yet."""

    name: str
    """As it was given."""
    kind: str
    """`none`, `zero`, `constant`, `noise`, `copy`, `random`, `scrambled`, `frozen`, or `message`."""
    seed: int | None = None
    """Of an untrained network."""
    source: Source | None = None
    """The message that it sends, or of which it is a control."""


class Channel(NamedTuple):
    """The channel that all talkers share, and the network of the untrained ones."""

    num_channels: int
    """Numbers of a message, N."""
    scale: float
    """Largest absolute value of each."""
    section: dict[str, Any]
    """Section `parametrisation` of a config."""


def parse_talker(name: str, key: str = "talkers") -> TalkerName:
    """Return the talker that a name refers to.

    Args:
        name: one of `CONTROLS`, or the name or path of a message.
        key: the argument that holds it, for messages.

    Raises:
        UserError: if there is no such talker.
    """
    kind, colon, rest = name.partition(":")
    if name in PLAIN:
        return TalkerName(name, name)
    if kind == RANDOM and (not colon or rest.isdecimal()):
        if not rest.isascii() or not rest or int(rest) > MAX_SEED:
            raise UserError(f"{key}: got {name!r}, allowed: {RANDOM}:SEED, with a seed from 0 to {MAX_SEED}")
        return TalkerName(name, RANDOM, seed=int(rest))
    if kind in OF_A_MESSAGE and colon:
        return TalkerName(name, kind, source=find_message(rest, key, others=()))
    return TalkerName(name, "message", source=find_message(name, key))


def find_message(name: str, key: str, others: Sequence[str] = CONTROLS) -> Source:
    """Return the discovery that a name of a message refers to.

    Args:
        name: of a run, artefact or published discovery.
        key: the argument that holds it, for messages.
        others: other names that are allowed.

    Raises:
        UserError: if it does not exist, or is not a message.
    """
    try:
        source = find_discovery(name)
    except UnknownNameError as error:
        allowed = ", ".join((*others, "the path of a message's run or artefact"))
        raise UserError(f"{key}: got {shown(name)}, allowed: {allowed}{nearest(name, others)}") from error
    except UserError as error:
        raise UserError(f"{key}: {error}") from error
    if source.problem["name"] != PROBLEM:
        raise UserError(f"{key}: got {name!r}, found by {source.problem['name']}, allowed: a message")
    return source


def load_message(name: str | os.PathLike[str]) -> MessageFunctions:
    """Return a message of adversarial cheap talk.

    Args:
        name: a published discovery; or the path of a run: its newest search centre, or with `RUN@640` the one after
            640 generations; or the path of an artefact.

    Returns:
        `message(obs)`: an observation of its environment, of any shape, -> the N numbers that a learner sees beside
        it. `steer(obs, goal)`: the same for a trained learner, with features of a goal; None where the aim is not
        control.

    Raises:
        UserError: if it does not exist, is of another kind, or cannot be used.

    Example:
        import jax

        functions = metadisco.load_message("runs/harm")
        functions.message(jax.numpy.zeros(4))
    """
    source = find_message(text_of(name), "message", others=())
    return _bound(source)


@in_float32
def _bound(source: Source) -> MessageFunctions:
    """Return the message functions that meta-parameters define."""
    bound = parametrisation_of(source).bind(load_meta_params(source.name))
    if not isinstance(bound, MessageFunctions):
        kind = (source.section or {}).get("name")
        raise UserError(f"message: got {source.name!r}, which {kind} defines, allowed: message functions")
    return bound


def parametrisation_of(source: Source) -> Any:
    """Return the parametrisation of a message."""
    assert source.section is not None
    return make_parametrisation(source.section)


def channel_of(
    talkers: Sequence[TalkerName], num_channels: int | None, scale: float | None, key: str = "talkers"
) -> Channel:
    """Return the channel that talkers share: that of the messages among them, or else the given one.

    Args:
        talkers: all of them.
        num_channels: N, where it is given.
        scale: of a message, where it is given.
        key: the argument that names talkers, for messages.

    Raises:
        UserError: if messages have different channels, or others than given.
    """
    found: dict[str, dict[str, Any]] = {}
    for talker in talkers:
        if talker.source is not None:
            parametrisation = parametrisation_of(talker.source)
            found[talker.source.name] = {
                "channels": getattr(parametrisation, "num_channels", None),
                "scale": getattr(parametrisation, "scale", None),
            }
    settled: dict[str, Any] = {}
    for what, given, default in (("channels", num_channels, NUM_CHANNELS), ("scale", scale, SCALE)):
        said = {name: each[what] for name, each in found.items() if each[what] is not None}
        values = list(dict.fromkeys(said.values()))
        if len(values) > 1:
            listed = ", ".join(f"{value:g} in {name}" for name, value in said.items())
            raise UserError(f"{key}: got messages of different {what}, {listed}; allowed: one channel for all")
        if values and given not in (None, values[0]):
            raise UserError(f"{what}: got {given:g}, allowed: {values[0]:g}, as in {next(iter(said))}, or nothing")
        settled[what] = values[0] if values else default if given is None else given
    first = next((talker.source for talker in talkers if talker.source is not None), None)
    own = {"name": "message", "num_channels": settled["channels"], "scale": settled["scale"]}
    section = own if first is None or first.section is None else dict(first.section)
    return Channel(settled["channels"], settled["scale"], section)


def check_talker(talker: TalkerName, channel: Channel, env_name: str, env: Env, key: str = "talkers") -> None:
    """Refuse a talker that cannot be used in an environment.

    Args:
        talker: as returned for its name.
        channel: that all talkers share.
        env_name: `suite/name` of the environment.
        env: the plain environment.
        key: the argument that names talkers, for messages.

    Raises:
        UserError: if it was evolved elsewhere or for other observations, or observations are too short to copy.
    """
    size, source = obs_size(env), talker.source
    if source is not None:
        theirs = getattr(parametrisation_of(source), "obs_size", None)
        if theirs not in (None, size):
            raise UserError(
                f"{key}: {source.name} was evolved for observations of {theirs} numbers, which are {size} in "
                f"{env_name}, allowed: the environments that it was evolved on"
            )
        if source.trained_on is not None and plain_env(env_name) not in source.trained_on:
            raise UserError(
                f"{key}: {source.name} was not evolved on {env_name}, allowed: {', '.join(sorted(source.trained_on))}"
            )
    if talker.kind == "copy" and size < channel.num_channels:
        raise UserError(
            f"{key}: 'copy' repeats {channel.num_channels} numbers of an observation, of which {env_name} has {size}, "
            f"allowed: `channels` of at most {size}"
        )
    if talker.kind == RANDOM:
        sized(_untrained(channel), size, 0)


def _untrained(channel: Channel) -> Any:
    """Return the parametrisation of untrained networks, for observations of any size."""
    section = {key: value for key, value in channel.section.items() if key not in ("obs_size", "num_goal_features")}
    return make_parametrisation(section)


def identity_of(talker: TalkerName, channel: Channel) -> list[Any]:
    """Return everything that determines a talker's messages, as plain data."""
    source = None if talker.source is None else talker.source.identity
    network = channel.section if talker.kind == RANDOM else None
    return [talker.kind, talker.seed, source, channel.num_channels, channel.scale, network]


def make_talker(
    talker: TalkerName, channel: Channel, env: Env, observations: Callable[[], Float[np.ndarray, "M ..."]]
) -> tuple[Callable[[Any], Talker], Any]:
    """Return a talker other than `none`: a function of arrays, and these arrays.

    The functions of messages and of untrained networks do the same, so that learners beside them share a program.

    Args:
        talker: as returned for its name.
        channel: that all talkers share.
        env: the plain environment.
        observations: returns unrelated ones, as learners met them; called for a scrambled message only.

    Raises:
        UserError: if a message cannot be loaded.
    """
    if talker.kind in UNLEARNED:
        return UNLEARNED[talker.kind](channel)
    untrained = talker.seed is not None
    parametrisation, meta_params = _untrained_weights(talker, channel, env) if untrained else _learned_weights(talker)

    def message_of(weights: MetaParams) -> Message:
        return in_float32(parametrisation.bind)(weights).message

    if not untrained:
        _check_shape(talker, message_of(meta_params), channel, env)
    if talker.kind == "scrambled":
        return saying.scrambled, jax.vmap(message_of(meta_params))(jnp.asarray(observations()))
    say = saying.frozen if talker.kind == "frozen" else memoryless
    return lambda weights: say(message_of(weights)), meta_params


def _constant(channel: Channel, value: float) -> tuple[Callable[[Any], Talker], Any]:
    return partial(saying.constant, channel.num_channels), jnp.float32(value)


UNLEARNED: dict[str, Callable[[Channel], tuple[Callable[[Any], Talker], Any]]] = {
    ZERO: lambda channel: _constant(channel, 0.0),
    "constant": lambda channel: _constant(channel, channel.scale),
    "noise": lambda channel: (lambda given: saying.noise(channel.num_channels, channel.scale), None),
    "copy": lambda channel: (lambda given: saying.copy(channel.num_channels), None),
}
"""Talkers that are no network, by name."""


@in_float32
def _learned_weights(talker: TalkerName) -> tuple[Any, MetaParams]:
    """Return the parametrisation and the weights of the message of which a talker's name has the path."""
    assert talker.source is not None, talker.kind
    _bound(talker.source)  # refuses discoveries other than messages
    return parametrisation_of(talker.source), load_meta_params(talker.source.name)


@in_float32
def _untrained_weights(talker: TalkerName, channel: Channel, env: Env) -> tuple[Any, MetaParams]:
    """Return a parametrisation, and the random weights of a talker's seed."""
    assert talker.seed is not None, talker.kind
    parametrisation = sized(_untrained(channel), obs_size(env), 0)
    return parametrisation, parametrisation.init(jax.random.key(talker.seed))


def _check_shape(talker: TalkerName, message: Message, channel: Channel, env: Env) -> None:
    """Refuse a message of another number of channels."""
    shape = jax.eval_shape(message, jnp.zeros(env.obs_shape)).shape
    if shape != (channel.num_channels,):
        name = None if talker.source is None else talker.source.name
        raise UserError(f"channels: got {channel.num_channels}, but a message of {name} has the shape {shape}")
