"""Every error of the command line to the letter: one line on stderr, exit code 2, no traceback."""

from __future__ import annotations

import pytest

from sched_rl import evaluate, train

ENVS = "bursty, committed, deadline, gymnasium, heavy, heavy_tail, light, lublin, mixed, playbook, trace"
TUNED = ", ".join(
    f"linear_score_{env}" for env in ("bursty", "deadline", "heavy", "heavy_tail", "light", "mixed")
)
AGENTS = (
    f"conservative, easy, f1, fcfs, fifo, laxity_score, least_laxity, least_work, linear_score, {TUNED}, longest, "
    "narrowest, ppo, ppo_more_exploration, ppo_slow_updates, ppo_study, priority, rand_feas_no0, rollout, saf, sjf, "
    "unicep, wfp3"
)
EXPERIMENTS = (
    "acrobot, cartpole, lublin_decision, lublin_easy, lublin_game, robust, study_attention_cdf, "
    "study_attention_gae_bug, study_attention_off, study_attention_per_gpu, study_attention_sorted, "
    "study_mlp_cdf, study_mlp_gae_bug, study_mlp_off, study_mlp_per_gpu, study_mlp_sorted"
)
BASES = (
    "must be a scheduler whose actions follow from the state: conservative, easy, f1, fcfs, fifo, laxity_score, "
    "least_laxity, "
    f"least_work, linear_score, {TUNED}, longest, narrowest, priority, saf, sjf, unicep or wfp3"
)
TEACHERS = f"{BASES}, a run folder or checkpoint of a learned policy, or, of a family, trained"
MIXTURE = (
    "agent.future=model cannot resample the arrivals of env=mixed, whose episodes do not say which family they are of; "
    "choose one family, or agent.future=oracle"
)
QUOTED = "a value with '=', ',', '(' or ')' in it is quoted"
KINDS = "a configuration names a kind, never a Python object"
CLOSED = (
    "of Hydra's own settings only hydra.launcher and hydra.sweeper are open; a run's folder is run.folder=..., "
    "files of others come with --config-dir"
)

TRAIN = [
    # unknown keys, whatever the prefix
    ("agent.clip_coeff=0.1", "unknown key agent.clip_coeff (did you mean agent.clip_coef?)"),
    ("+agent.clip_coeff=0.1", "unknown key agent.clip_coeff (did you mean agent.clip_coef?)"),
    ("++agent.clip_coeff=0.1", "unknown key agent.clip_coeff (did you mean agent.clip_coef?)"),
    ("~agent.clip_coeff", "unknown key agent.clip_coeff (did you mean agent.clip_coef?)"),
    ("+nothing_like_it=1", "unknown key nothing_like_it"),
    ("lr=0.1", "unknown key lr (did you mean agent.lr?)"),
    ("agents=ppo", "unknown key agents (did you mean agent?)"),
    ("agent.lr.start=0.1", "unknown key agent.lr.start"),
    ("agent/netwrk=mlp", "unknown group agent/netwrk (did you mean agent/network?)"),
    ("~agent.lr", "~agent.lr: every key is needed; a key cannot be deleted"),
    ("~env", f"~env: a group cannot be deleted; choose {' or '.join(ENVS.rsplit(', ', 1))}"),
    ("+agent.lr=1", "+agent.lr=1: agent.lr exists already; write agent.lr=1"),
    # keys that what was chosen does not have
    ("agent=sjf agent/network=mlp", "agent=sjf has no network"),
    ("agent=sjf agent/lr_schedule=linear", "agent=sjf has no lr_schedule"),
    ("agent=sjf agent.network.hidden_sizes=[8]", "agent=sjf has no network"),
    ("agent=sjf agent.lr=0.1", "agent=sjf has no lr"),
    ("agent/network=mlp agent.network.num_heads=2", "agent/network=mlp has no num_heads"),
    (
        "agent/lr_schedule=constant agent.lr_schedule.end_frac=0.1",
        "agent/lr_schedule=constant has no end_frac",
    ),
    # sections and groups mistaken for keys
    ("agent.network=mlp", "agent.network=mlp: a group is chosen with a slash: agent/network=NAME"),
    (
        "env.reward=1",
        "env.reward=1: env.reward is a section; set its keys one by one (env.reward.progress_scale, "
        "env.reward.time_pressure_scale, env.reward.noop_penalty_scale, ...)",
    ),
    ("agent.kind=sjf", "agent.kind=sjf: goes with the choice of agent; write agent=NAME"),
    ("tracking.kind=none", "tracking.kind=none: goes with the choice of tracking; write tracking=NAME"),
    # wrong options
    ("env=heavvy", f"env=heavvy: env is one of {ENVS} (did you mean heavy?)"),
    ("agent=sfj", f"agent=sfj: agent is one of {AGENTS} (did you mean sjf?)"),
    ("env=null", f"env=null: env is one of {ENVS}"),
    ("env=5", f"env=5: env is one of {ENVS}"),
    ("env=[heavy,light]", "env=[heavy,light]: takes one option; for a run each write -m env=heavy,light"),
    ("agent@x=ppo", "agent@x=ppo: a group has one place; write agent=ppo"),
    ("debug=smok", "debug=smok: debug is one of smoke (did you mean smoke?)"),
    (
        "experiment=study_mlp_pergpu",
        f"experiment=study_mlp_pergpu: experiment is one of {EXPERIMENTS} (did you mean study_mlp_per_gpu?)",
    ),
    # wrong types
    ("agent.lr=abc", "agent.lr=abc: must be a number"),
    ("agent.lr=null", "agent.lr=null: must be a number"),
    ("agent.lr=", "agent.lr=: must be a number"),
    ("agent.num_envs=1.5", "agent.num_envs=1.5: must be a whole number"),
    ("agent.num_envs=true", "agent.num_envs=true: must be a whole number"),
    ("agent.mask_actions=3", "agent.mask_actions=3: must be true or false"),
    ("env.arrival_span=soon", "env.arrival_span=soon: must be a number or null"),
    ("device=gpu", "device=gpu: must be cpu or cuda"),
    ("env.lookahead=sort", "env.lookahead=sort: must be off, per_gpu, sorted or cdf"),
    ("run.name=5", "run.name=5: must be text or null; quote it: 'run.name=\"5\"'"),
    (
        "agent.network.hidden_sizes=64",
        "agent.network.hidden_sizes=64: must be a list of whole numbers like [a,b]",
    ),
    (
        "agent.network.hidden_sizes=[64,a]",
        "agent.network.hidden_sizes=[64,a]: must be a list of whole numbers like [a,b]",
    ),
    # out of range
    ("agent.clip_coef=7.0", "agent.clip_coef=7.0: must be in [0, 1)"),
    ("agent.lr=0", "agent.lr=0.0: must be in (0, 1]"),
    ("agent.lr=nan", "agent.lr=nan: must be in (0, 1]"),
    ("agent.lr=inf", "agent.lr=inf: must be in (0, 1]"),
    ("agent.discount_time_s=0", "agent.discount_time_s=0.0: must be > 0"),
    ("agent.total_steps=0", "agent.total_steps=0: must be >= 1"),
    ("agent=linear_score agent.noop_threshold=inf", "agent.noop_threshold=inf: must be finite"),
    (
        "agent.network.hidden_sizes=[64,0]",
        "agent.network.hidden_sizes=[64,0]: every item must be in [1, 65536]",
    ),
    ("seed=-1", "seed=-1: must be in [0, 4294967295]"),
    # grammar
    ("foo", "foo: expected key=value or group=option"),
    ("=5", "=5: expected key=value, got no key"),
    ("agent.lr=[1,2", "agent.lr=[1,2: [ and ] do not pair; a list is written [a,b]"),
    ("agent.lr='1", "agent.lr='1: the value cannot be read; quote it: 'agent.lr=\"1\"'"),
    (
        "agen{t=ppo",
        "agen{t=ppo: 'agen{t' is not a key; write key=value, parts joined by dots (agent.lr=0.001)",
    ),
    ("seed=${nowhere}", "seed: Interpolation key 'nowhere' not found"),
    # paths that the grammar reads as something else
    ("run.folder=runs/a=b", f"run.folder=runs/a=b: {QUOTED}: 'run.folder=\"runs/a=b\"'"),
    ("run.folder=runs/a(1)", f"run.folder=runs/a(1): {QUOTED}: 'run.folder=\"runs/a(1)\"'"),
    (
        "run.folder=runs/a,b",
        "run.folder=runs/a,b: several values need -m (one run each); a comma that belongs to the value is quoted: "
        "'run.folder=\"runs/a,b\"'",
    ),
    ("resume=runs/a=b", f"resume=runs/a=b: {QUOTED}: 'resume=\"runs/a=b\"'"),
    ("seed=range(1,3)", "seed=range(1,3): several values need -m (one run each)"),
    # contradictions
    (
        "agent.num_minibatches=7",
        "agent.num_minibatches=7: must divide agent.num_envs * agent.rollout_steps = 128 * 256 = 32768",
    ),
    (
        "agent.total_steps=100",
        "agent.total_steps=100: less than one update, agent.num_envs * agent.rollout_steps = 128 * 256 = 32768",
    ),
    (
        "agent/network=attention agent.network.num_heads=5",
        "agent.network.num_heads=5: must divide agent.network.embed_size=64",
    ),
    (
        "env=deadline env.due_slack_max=0.1",
        "env.due_slack_min=0.5: must not be above env.due_slack_max=0.1",
    ),
    ("env.due_slack_min=1", "env.due_slack_min=1.0: needs env.due_slack_max too (both null: no due times)"),
    (
        "env.observation=playbook",
        "env.observation=playbook: the network sees rich; leave it null, or choose with "
        "agent.network.observation=playbook",
    ),
    (
        "eval.num_blocks=1000000",
        "eval.num_blocks=1000000: with eval.episodes_per_block=20 val needs 20000000 seeds and runs into promote, "
        "5000000 later",
    ),
    (
        "eval.first_seed=2147483000",
        "eval.first_seed=2147483000: report would end in the training seeds, which start at 2147483648",
    ),
    (
        "eval.split=report",
        "eval.split=report: training selects on val; read report with "
        "`python -m sched_rl.evaluate checkpoint=RUN_FOLDER eval.split=report`",
    ),
    (
        "eval=family_blocks eval.num_blocks=3",
        "eval.num_blocks=3: must be 6, one a family of "
        "eval.families=[playbook,light,heavy,bursty,heavy_tail,deadline]",
    ),
    ("env.families=[hevy]", "env.families=[hevy]: no env named hevy (did you mean heavy?)"),
    ("env.families=[mixed]", "env.families=[mixed]: mixed is itself a mixture"),
    ("env.families=[]", "env.families=[]: needs at least one env name (null: no families)"),
    (
        "env=mixed env.heavy_tail_frac=0.2",
        "env.heavy_tail_frac: has no effect, env=mixed takes it from its families",
    ),
    ("baselines=[sfj]", "baselines=[sfj]: no agent named sfj (did you mean sjf?)"),
    ("baselines=[ppo]", "baselines=[ppo]: ppo learns; baselines are fixed schedulers such as sjf"),
    ("baselines=[sjf,sjf]", "baselines=[sjf,sjf]: names sjf twice"),
    ("agent=linear_score agent.weights=[1,2]", "agent.weights=[1.0,2.0]: must be 6 numbers"),
    ("agent=rollout agent.base=sfj", f"agent.base=sfj: {BASES} (did you mean sjf?)"),
    ("agent=rollout agent.base=rand_feas_no0", f"agent.base=rand_feas_no0: {BASES}"),
    ("agent=rollout agent.base=rollout", f"agent.base=rollout: {BASES}"),
    (
        "agent=least_laxity agent.mode=easy",
        "agent=least_laxity with agent.mode=easy: is greedy; leave agent.mode null",
    ),
    (
        "env=lublin agent=sjf baselines=[least_laxity]",
        "agent=least_laxity: goes by due times, which jobs of env=lublin do not have; leave it out",
    ),
    ("agent.warm_start.teacher=sfj", f"agent.warm_start.teacher=sfj: {TEACHERS} (did you mean sjf?)"),
    ("agent.warm_start.teacher=ppo", f"agent.warm_start.teacher=ppo: {TEACHERS}"),
    (
        "env=mixed agent.warm_start.family_teachers.heavy=sfj",
        f"agent.warm_start.family_teachers.heavy=sfj: {TEACHERS} (did you mean sjf?)",
    ),
    (
        "agent.warm_start.teacher=trained",
        "agent.warm_start.teacher=trained: only the teacher of a family that env.families lists can be, of a new run; "
        "name a scheduler, a run folder or a checkpoint",
    ),
    (
        "env=mixed agent.warm_start.family_teachers.hevy=sjf",
        "unknown key agent.warm_start.family_teachers.hevy (did you mean agent.warm_start.family_teachers.heavy?)",
    ),
    ("agent.warm_start.num_epochs=0", "agent.warm_start.num_epochs=0: must be in [1, 100]"),
    ("agent=rollout agent.num_futures=0", "agent.num_futures=0: must be in [1, 65536]"),
    ("agent=rollout env=mixed", f"agent=rollout: {MIXTURE}"),
    ("agent=sjf baselines=[rollout] env=mixed", f"agent=rollout: {MIXTURE}"),
    # what must not reach Hydra
    ("agent._target_=os.system", f"agent._target_=os.system: _target_ is refused: {KINDS}"),
    (
        "+hydra.callbacks.a._target_=os.system",
        f"+hydra.callbacks.a._target_=os.system: _target_ is refused: {KINDS}",
    ),
    ("+hydra.callbacks.a.b=1", f"+hydra.callbacks.a.b=1: hydra.callbacks is refused: {KINDS}"),
    ("hydra.run.dir=x", f"hydra.run.dir=x: {CLOSED}"),
    ("hydra.searchpath=[x]", f"hydra.searchpath=[x]: {CLOSED}"),
    ("hydra/job_logging=default", f"hydra/job_logging=default: {CLOSED}"),
    ("hydra/launcher=basic", "hydra/launcher=basic: steers a multirun; add -m"),
    # options
    ("--agent=ppo", "unknown option --agent=ppo; keys have no dashes: agent=ppo"),
    ("--multirum", "unknown option --multirum (did you mean --multirun?)"),
    ("--cfg all", "--cfg all: must be --cfg job, the resolved configuration"),
    ("--config-dir", "--config-dir: needs a folder"),
    ("--config-dir nowhere", "--config-dir nowhere: no such folder"),
    # folders
    ("resume=nowhere", "resume=nowhere: no such file or folder"),
    ("resume=.", "resume=.: not of a run, there is no config.yaml in ."),
    ("resume=x agent=sjf", "agent=sjf: resume= brings its own agent; give one of the two"),
    ("resume=x run.folder=y", "run.folder=y: resume= makes no folder; leave one of the two out"),
    ("run.folder=taken", "run.folder=taken: not empty; give a new or empty folder"),
    ("run.folder=taken/file", "run.folder=taken/file: is or lies below a file; give a new folder"),
    (
        "run.folder=taken/file/below",
        "run.folder=taken/file/below: is or lies below a file; give a new folder",
    ),
    # several runs: before the first one starts
    ("-m seed=1,2 agent.lr=-1", "agent.lr=-1.0: must be in (0, 1]"),
    ("-m env=heavy,hevy", f"env=hevy: env is one of {ENVS} (did you mean heavy?)"),
    (
        "-m agent=ppo,sjf agent/network=mlp",
        "agent=sjf has no network: sjf does not learn; leave it out of the grid and have it judged beside every run: "
        "baselines=[sjf]",
    ),
    (
        "-m agent.lr=interval(0,1)",
        "agent.lr=interval(0,1): an interval cannot be listed; give a,b,c or range(start,stop,step)",
    ),
    ("-m hydra.sweep.dir=x", f"hydra.sweep.dir=x: {CLOSED}"),
    ("-m seed=1,2 resume=x", "resume=x: continues one run; leave -m out"),
]

EVALUATE = [
    ("", "nothing to evaluate: give agent=NAME or checkpoint=RUN_FOLDER_OR_FILE"),
    ("env=heavy", "nothing to evaluate: give agent=NAME or checkpoint=RUN_FOLDER_OR_FILE"),
    ("agent/network=mlp", "nothing to evaluate: give agent=NAME or checkpoint=RUN_FOLDER_OR_FILE"),
    ("agent=ppo", "agent=ppo: learns; give checkpoint=RUN_FOLDER_OR_FILE instead"),
    ("agent=sjf checkpoint=x", "agent=sjf: checkpoint= brings its own agent; give one of the two"),
    ("checkpoint=nowhere", "checkpoint=nowhere: no such file or folder"),
    ("checkpoint=taken", "checkpoint=taken: not of a run, there is no config.yaml in taken"),
    ("checkpoint=true", "checkpoint=true: must be a path"),
    ("checkpoint=a=b", f"checkpoint=a=b: {QUOTED}: 'checkpoint=\"a=b\"'"),
    ("agent=sjf agent/network=mlp", "agent=sjf has no network"),
    ("agent=sjf eval.split=test", "eval.split=test: must be val, promote or report"),
    ("agent=sjf output=nowhere/x.json", "output=nowhere/x.json: there is no folder nowhere"),
    ("agent=sjf schedule_output=taken", "schedule_output=taken: is a folder; give a file"),
    ("agent=sjf resume=x", "unknown key resume"),
    ("-m agent=sjf,fifo", "-m: evaluate plays one scheduler at a time; call it once for each"),
]


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("")


@pytest.mark.parametrize(("arguments", "message"), TRAIN, ids=[row[0] for row in TRAIN])
def test_train_says(arguments, message, capsys, tmp_path):
    assert message_of(train.main, arguments, capsys) == f"error: {message}\n"
    assert not (tmp_path / "runs").exists(), "an error made a run folder"


@pytest.mark.parametrize(("arguments", "message"), EVALUATE, ids=[row[0] for row in EVALUATE])
def test_evaluate_says(arguments, message, capsys):
    assert message_of(evaluate.main, arguments, capsys) == f"error: {message}\n"


def test_a_device_that_is_not_there_is_refused_before_a_folder_is_made(capsys, monkeypatch, tmp_path):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    message = message_of(train.main, "device=cuda", capsys)
    assert (
        message == "error: device=cuda: this machine or this build of torch has no CUDA; write device=cpu\n"
    )
    assert not (tmp_path / "runs").exists()


def test_launchers_are_those_installed(capsys):
    message = message_of(train.main, "-m hydra/launcher=nowhere seed=1,2", capsys)
    assert message.startswith("error: hydra/launcher=nowhere: hydra/launcher is one of basic")
    assert message.count("\n") == 1


def test_a_key_with_a_space_is_no_key(capsys):
    assert train.main(["agent lr=1"]) == 2
    assert capsys.readouterr().err == (
        "error: agent lr=1: 'agent lr' is not a key; write key=value, parts joined by dots (agent.lr=0.001)\n"
    )


def message_of(main, arguments, capsys):
    assert main(arguments.split()) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err
