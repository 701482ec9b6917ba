"""Examples in the help of the commands."""

EVOLVE_EXAMPLE = """examples:
  metadisco evolve experiments/value_loss/demo.yaml outer.num_generations=8 seed=3 --run runs/first

  metadisco evolve CONFIG.yaml --run runs/first --processes 2
  srun metadisco evolve CONFIG.yaml --run runs/first --distributed
  metadisco evolve CONFIG.yaml --run runs/first --distributed --coordinator host0:7077 --num-processes 2 --process-id 1

Repeat the command to continue the run. Keys are dotted names of the config. SIGTERM or Ctrl-C saves and stops after the
current generation; a second Ctrl-C stops at once. --max-hours stops before the time limit of a batch system. With
--distributed the same command runs on every host; only the first process reads and writes the run directory."""

TRAIN_EXAMPLE = """examples:
  metadisco train --objective ppo --env gymnax/CartPole-v1 --seeds 16 --output ppo.json
  metadisco train --objective runs/first --env gymnax/Acrobot-v1 --seeds 8
  metadisco train --objective lpo_drift_classic --env gymnax/CartPole-v1 --config lpo_drift_classic --seeds 64
  metadisco train --objective ppo --env gymnax/CartPole-v1 --seeds 8 'inner.ppo.learning_rate=[1e-4,3e-4,1e-3]'

A list in place of a single value trains a grid. Constants of an objective are settings, such as objective.clip_eps."""

TUNE_EXAMPLE = """example:
  metadisco tune experiments/tuning/cartpole_acrobot.yaml num_settings=64 num_seeds=2 --output tuned

  objectives: [ppo, dpo]
  envs: [gymnax/CartPole-v1, gymnax/Acrobot-v1]
  space:
    inner.ppo.learning_rate: {log: [2.5e-4, 1e-2]}
    inner.ppo.num_epochs: {whole: [1, 8]}
    inner.ppo.num_envs: [4, 16]
    objective.clip_eps: {linear: [0.1, 0.4], for: ppo}
  sampler: tpe

Repeat the command to continue after a stop. The best settings are chosen on seeds of a second set, and judged on those
of a third one. DIR/best.yaml is a config, DIR/objective has the best constants of an objective; metadisco evaluate
--tuned DIR compares objectives at their own settings."""

ROLLOUT_EXAMPLE = """examples:
  metadisco train --objective ppo --env gymnax/CartPole-v1 --seeds 4 --save agents
  metadisco rollout agents
  metadisco rollout agents --agent 2 --gymnasium CartPole-v1 --episodes 64"""

REFERENCE_EXAMPLE = """example:
  metadisco reference experiments/lpo_drift/classic.yaml

Fitness on an environment is then (R - random) / (ppo - random). Only outer.… and seed may be overridden."""

DISTIL_EXAMPLE = """examples:
  metadisco distil runs/lpo --output runs/lpo/distilled
  metadisco distil dpo --env gymnax/CartPole-v1 --output dpo_forms --seeds 0
  metadisco distil runs/lpo --shapes tanh square --max-terms 3 --network 16 --output small

Closed forms are fitted to the objective, weighted by the minibatch statistics of agents that train with it. Fresh
agents train with the best forms. DIR/distilled.json or DIR/distilled.json@form is then the name of an objective."""

PLOT_EXAMPLE = """examples:
  metadisco plot runs/lpo --output runs/lpo/figures
  metadisco plot dpo --env gymnax/Acrobot-v1 --output dpo_figures --interactive
  metadisco plot runs/lpo@640 --output figures --no-visits
  metadisco plot runs/lpo runs/lpo_seed1 runs/lpo_seed2 --output figures

First a few agents train with each objective: their minibatch statistics show which part of it matters. Several runs
must share problem, fitness and environments; they are drawn together."""

REPORT_EXAMPLE = """examples:
  metadisco report runs/lpo --output lpo.html
  metadisco report runs/lpo --output lpo.html --watch

One page that needs no network. It includes the results of metadisco evaluate in RUN/evaluation and of metadisco distil
in RUN/distilled."""

EXPORT_EXAMPLE = """examples:
  metadisco export runs/lpo --to artefact --output lpo.zip
  metadisco export runs/lpo --to torch --output lpo_loss.py
  metadisco export runs/lpo --to numpy --form closed --output lpo_loss.py
  metadisco export lpo_drift_classic --to discogen --output loss.py

An artefact needs no run: its path is the name of an objective. A file for NumPy, JAX or PyTorch requires only that
library and checks itself when it is run. One for DiscoGen is loss.py of its domain OnPolicyRL."""

CARD_EXAMPLE = """examples:
  metadisco card runs/lpo
  metadisco export runs/lpo --to artefact --output lpo
  metadisco card lpo --output lpo/README.md

The card has the metadata of Hugging Face at its head, so that the folder can be uploaded as it is. The text of a card
that is in the folder already is kept."""

LIST_EXAMPLE = """examples:
  metadisco list
  metadisco list strategies devices

Kinds are environments, objectives, discoveries, problems, parametrisations, fitness, strategies and devices."""

CONFIG_EXAMPLE = """examples:
  metadisco config
  metadisco config outer.strategy
  metadisco config learning_rate

A key may be given by its end, and a section by its name. The site has the same texts, under Configuration."""
