"""The boundary: what composes to what, recorded runs as base, callers inside other programs."""

from __future__ import annotations

import multiprocessing
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from sched_rl.config.compose import ConfigSources
from sched_rl.config.convert import config_to_dict
from sched_rl.config.load import load_command, load_config, load_env_config
from sched_rl.config.record import config_digest, config_from_dict, config_to_yaml, load_config_file
from sched_rl.errors import ConfigError


def test_a_choice_replaces_what_a_preset_set_for_its_own_choice():
    slow = load_config("train", ["agent=ppo_slow_updates"]).agent
    plain = load_config("train", ["agent=ppo_slow_updates", "agent/lr_schedule=exponential"]).agent
    assert (slow.lr_schedule.end_frac, plain.lr_schedule.end_frac) == (0.3, 0.2)


def test_values_win_over_choices_wherever_they_stand():
    config = load_config("train", ["agent.lr=5e-4", "debug=smoke", "agent.num_envs=8", "agent=ppo_study"])
    assert (config.agent.lr, config.agent.num_envs, config.agent.rollout_steps) == (5e-4, 8, 64)


def test_a_million_may_be_written_as_a_float():
    assert load_config("train", ["agent.total_steps=1e6"]).agent.total_steps == 1_000_000


def test_quoted_paths_keep_their_structure():
    config = load_config("train", ['run.folder="runs/a=b,(c)"'])
    assert config.run.folder == "runs/a=b,(c)"


def test_interpolations_resolve_against_other_keys():
    assert load_config("train", ["seed=7", "run.name=run_of_${seed}"]).run.name == "run_of_7"


def test_families_take_the_cluster_from_the_run_and_the_workload_from_their_file():
    config = load_config("train", ["env=mixed", "env.num_gpus=16", "env.reward.noop_penalty_scale=0"])
    heavy = load_config("train", ["env=heavy"]).env
    family = config.families["heavy"]
    assert (family.num_gpus, family.reward) == (16, config.env.reward)
    assert (family.arrival_span, family.heavy_tail_frac) == (heavy.arrival_span, heavy.heavy_tail_frac)
    assert family.families is None
    assert list(config.families) == list(config.env.families)


def test_make_env_needs_no_agent_and_may_choose_its_encoding():
    config = load_env_config(["env=heavy", "env.observation=rich"])
    assert (config.env.name, config.env.observation) == ("heavy", "rich")


def test_an_explicit_encoding_equal_to_the_networks_is_fine_in_training():
    assert load_config("train", ["env.observation=rich"]).env.observation == "rich"


def test_a_configuration_survives_dict_and_yaml(tmp_path):
    config = load_config("train", ["env=mixed", "eval=family_blocks", "agent.lr=0.00012345678901234567"])
    assert config_from_dict(config_to_dict(config)) == config
    (tmp_path / "config.yaml").write_text(config_to_yaml(config))
    assert load_config_file(tmp_path / "config.yaml") == config


def test_reading_a_record_needs_no_hydra(tmp_path):
    (tmp_path / "config.yaml").write_text(config_to_yaml(load_config("train", [])))
    code = (
        "import sys, pathlib; from sched_rl.config.record import load_config_file;"
        f"load_config_file(pathlib.Path({str(tmp_path / 'config.yaml')!r}));"
        "sys.exit(any(name.startswith(('hydra', 'omegaconf', 'torch')) for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_digest_is_of_what_decides_results():
    config = load_config("train", [])
    elsewhere = load_config("train", ["run.folder=x", "run.name=y", "tracking=none", "progress=off"])
    assert config_digest(config) == config_digest(elsewhere)
    assert config_digest(config) != config_digest(replace(config, seed=2))
    assert re.fullmatch("[0-9a-f]{64}", config_digest(config))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tree: tree["agent"].pop("lr"), "agent.lr: missing; it needs a value"),
        (lambda tree: tree["agent"].update(lrr=1), "unknown key agent.lrr (did you mean agent.lr?)"),
        (lambda tree: tree["agent"].update(lr=7.0), "agent.lr=7.0: must be in (0, 1]"),
        (lambda tree: tree["agent"].update(kind="dqn"), "agent.kind=dqn: must be ppo, priority_rule"),
        (lambda tree: tree["env"].update(reward=3), "env.reward=3: must be a section with keys of its own"),
        (lambda tree: tree.pop("eval"), "eval: missing; it needs a value"),
    ],
)
def test_a_record_is_checked_as_strictly_as_a_command_line(change, message):
    tree = config_to_dict(load_config("train", []))
    change(tree)
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}"):
        config_from_dict(tree)


class TestRecordedRunAsBase:
    @pytest.fixture
    def folder(self, tmp_path):
        recorded = load_config(
            "train", ["env=light", "agent.lr=0.002", "agent/network=mlp", "baselines=[sjf]"]
        )
        (tmp_path / "config.yaml").write_text(config_to_yaml(recorded))
        (tmp_path / "checkpoints").mkdir()
        (tmp_path / "checkpoints" / "best.pt").write_text("")
        return tmp_path

    def load(self, primary, *overrides):
        return load_command(primary, overrides, ConfigSources())

    def test_the_record_is_the_base(self, folder):
        command = self.load("train", f"resume={folder}")
        assert command.config == load_config_file(folder / "config.yaml")
        assert command.options == {"resume": str(folder)}

    def test_a_checkpoint_file_finds_its_run(self, folder):
        checkpoint = folder / "checkpoints" / "best.pt"
        command = self.load("evaluate", f"checkpoint={checkpoint}", "output=x.json")
        assert command.config.agent.lr == 0.002
        assert command.options == {"checkpoint": str(checkpoint), "output": "x.json", "schedule_output": None}

    def test_values_change_it(self, folder):
        config = self.load("evaluate", f"checkpoint={folder}", "eval.split=promote", "env.num_gpus=4").config
        assert (config.eval.split, config.env.num_gpus, config.env.name) == ("promote", 4, "light")

    def test_choices_replace_whole_groups(self, folder):
        config = self.load("evaluate", f"checkpoint={folder}", "env=heavy", "agent/network=scorer").config
        assert config.env == load_config("train", ["env=heavy"]).env
        assert config.agent.network == load_config("train", []).agent.network
        assert config.agent.lr == 0.002

    def test_families_and_baselines_follow_the_choices(self, folder):
        config = self.load(
            "evaluate", f"checkpoint={folder}", "eval=family_blocks", "baselines=[fifo]"
        ).config
        assert list(config.families) == ["playbook", "light", "heavy", "bursty", "heavy_tail", "deadline"]
        assert list(config.baseline_agents) == ["fifo"]

    def test_recorded_families_win_over_the_files_of_today(self, tmp_path):
        tree = config_to_dict(load_config("train", ["env=mixed"]))
        tree["families"]["heavy"]["arrival_span"] = 4321.0
        (tmp_path / "config.yaml").write_text(config_to_yaml(config_from_dict(tree)))
        config = self.load("evaluate", f"checkpoint={tmp_path}", "env.num_gpus=4").config
        assert (config.families["heavy"].arrival_span, config.families["heavy"].num_gpus) == (4321.0, 4)

    def test_a_debug_recipe_is_merged(self, folder):
        config = self.load("evaluate", f"checkpoint={folder}", "debug=smoke").config
        assert (config.env.jobs_per_episode, config.env.name) == (40, "light")

    def test_a_group_that_the_record_lacks_is_refused(self, tmp_path):
        (tmp_path / "config.yaml").write_text(config_to_yaml(load_config("train", ["agent=sjf"])))
        with pytest.raises(ConfigError, match=r"^agent=sjf has no network$"):
            self.load("train", f"resume={tmp_path}", "agent/network=mlp")

    def test_a_damaged_record_is_named(self, tmp_path):
        (tmp_path / "config.yaml").write_text("seed: [")
        with pytest.raises(ConfigError, match=r"config.yaml: cannot be read as YAML \(while parsing a flow"):
            self.load("train", f"resume={tmp_path}")


class TestFoldersOfOthers:
    def test_add_options_that_choices_families_and_help_find(self, tmp_path):
        (tmp_path / "env").mkdir()
        (tmp_path / "env" / "mine.yaml").write_text(
            "# My cluster\ndefaults:\n  - playbook\n  - _self_\nname: mine\nnum_gpus: 4\nburst_prob: 0.1\n"
        )
        assert load_config("train", ["env=mine"], [tmp_path]).env.num_gpus == 4
        mixture = load_config("train", ["env=mixed", "env.families=[mine,light]"], [tmp_path])
        assert mixture.families["mine"].burst_prob == 0.1

    def test_may_set_keys_of_the_agent_that_learns_there(self, tmp_path):
        (tmp_path / "env").mkdir()
        (tmp_path / "env" / "mine.yaml").write_text(
            "# My cluster\ndefaults:\n  - playbook\n  - _self_\nname: mine\nif_learned: {lr: 0.0007, gamma: 0.5}\n"
        )
        recipe = {
            "train": ["env=mine", "agent.gamma=0.9"],
            "evaluate": ["env=mine", "agent=sjf", "agent.mode=greedy"],
        }
        learned = load_config("train", recipe["train"], [tmp_path])
        assert (learned.agent.lr, learned.agent.gamma) == (0.0007, 0.9)
        assert load_config("evaluate", recipe["evaluate"], [tmp_path]).env.name == "mine"
        study = load_config("train", ["env=mine", "agent=ppo_study"], [tmp_path]).agent
        assert (study.lr, study.gamma) == (1e-4, 0.99)
        assert load_config("train", ["env=mixed", "env.families=[mine,light]"], [tmp_path]).agent.lr != 0.0007

    def test_add_recipes(self, tmp_path):
        (tmp_path / "experiment").mkdir()
        (tmp_path / "experiment" / "mine.yaml").write_text(
            "# @package _global_\n# A recipe\ndefaults:\n  - override /env: heavy\n  - _self_\nseed: 9\n"
            "if_learned: {lr: 0.0007}\n"
        )
        learned = load_config("train", ["experiment=mine"], [tmp_path])
        assert (learned.env.name, learned.seed, learned.agent.lr) == ("heavy", 9, 0.0007)
        assert load_config("train", ["experiment=mine", "agent=sjf"], [tmp_path]).seed == 9

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (
                "x: {_target_: os.system}",
                "_target_ is refused: a configuration names a kind, never a Python object",
            ),
            ("a: [{b: {_target_: os.system}}]", "_target_ is refused"),
            ("hydra: {callbacks: {a: {b: 1}}}", "hydra.callbacks is refused"),
            ("# @package hydra.callbacks\na: {b: 1}", "hydra.callbacks is refused"),
            ("# @package _global_.hydra.callbacks\na: {b: 1}", "hydra.callbacks is refused"),
            ("defaults: [other@hydra.callbacks]", "hydra.callbacks is refused"),
            ("defaults: [other@_global_.hydra.callbacks]", "hydra.callbacks is refused"),
            ("defaults: [{override /hydra/callbacks: log}]", "hydra.callbacks is refused"),
            (
                "hydra: {job_logging: {a: 1}}",
                "of Hydra's own settings only hydra.launcher and hydra.sweeper are open",
            ),
            ("hydra: {searchpath: [x]}", "of Hydra's own settings only"),
            ("a: [", "not valid YAML, line 1"),
        ],
    )
    def test_may_not_name_python_objects_or_steer_hydra(self, tmp_path, content, message):
        (tmp_path / "env").mkdir()
        (tmp_path / "env" / "mine.yaml").write_text(content)
        with pytest.raises(ConfigError, match=f"mine.yaml: .*{re.escape(message)}"):
            load_config("train", [], [tmp_path])

    def test_may_not_bring_hydra_groups_but_launchers_and_sweepers(self, tmp_path):
        for group, name in (("hydra/launcher", "two_jobs"), ("hydra/job_logging", "loud")):
            (tmp_path / group).mkdir(parents=True)
            (tmp_path / group / f"{name}.yaml").write_text("defaults: [basic]")
        with pytest.raises(ConfigError, match=r"loud.yaml: hydra.job_logging.loud: of Hydra's own settings"):
            load_config("train", [], [tmp_path])
        (tmp_path / "hydra" / "job_logging" / "loud.yaml").unlink()
        load_config("train", [], [tmp_path])

    def test_may_not_hide_behind_a_name_of_ours(self, tmp_path):
        (tmp_path / "env").mkdir()
        (tmp_path / "env" / "heavy.yaml").write_text("num_gpus: 4")
        with pytest.raises(ConfigError, match="env=heavy exists already; give the file another name"):
            load_config("train", [], [tmp_path])

    def test_report_unknown_keys_in_one_line(self, tmp_path):
        (tmp_path / "env").mkdir()
        (tmp_path / "env" / "mine.yaml").write_text("defaults: [playbook, _self_]\nnum_gpu: 4")
        with pytest.raises(ConfigError, match=r"^unknown key env.num_gpu \(did you mean env.num_gpus\?\)$"):
            load_config("train", ["env=mine"], [tmp_path])

    def test_report_what_does_not_compose_in_one_line(self, tmp_path):
        (tmp_path / "env").mkdir()
        (tmp_path / "env" / "mine.yaml").write_text("defaults: [nowhere, _self_]")
        with pytest.raises(ConfigError, match=r"^In 'env/mine': Could not load 'env/nowhere'") as caught:
            load_config("train", ["env=mine"], [tmp_path])
        assert "\n" not in str(caught.value)


def test_threads_may_load_at_once():
    with ThreadPoolExecutor(8) as pool:
        digests = set(pool.map(lambda _: config_digest(load_config("train", ["env=mixed"])), range(16)))
    assert len(digests) == 1


def test_spawned_workers_may_load():
    context = multiprocessing.get_context("spawn")
    with context.Pool(2) as pool:
        names = pool.map(name_of_env, ["light", "heavy"])
    assert names == ["light", "heavy"]


def test_a_running_hydra_application_may_load(tmp_path):
    """`initialize_config_dir` would raise "GlobalHydra is already initialized" here."""
    (tmp_path / "app.yaml").write_text("x: 1\nhydra: {run: {dir: out}, output_subdir: null}\n")
    (tmp_path / "app.py").write_text(
        "import hydra\n"
        "from sched_rl.config.load import load_config\n"
        "@hydra.main(version_base='1.2', config_path='.', config_name='app')\n"
        "def main(config):\n"
        "    from hydra.core.hydra_config import HydraConfig\n"
        "    loaded = load_config('train', ['env=heavy'])\n"
        "    print(config.x, loaded.env.name, HydraConfig.get().job.name)\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "app.py"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 heavy app\n", "")


def name_of_env(name):
    return load_config("train", [f"env={name}"]).env.name
