"""`--help` that teaches: groups with what each option is for, examples, the keys of what was chosen.

Everything is read from conf/ (the first comment of a file, the comment of a key) and from the table of ranges,
so the page cannot disagree with what runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sched_rl.config.bounds import BOUNDS
from sched_rl.config.compose import ConfigSources, conf_dir
from sched_rl.config.convert import describe, field_types, members, show
from sched_rl.config.load import COMMAND_KEYS, load_command, split_overrides
from sched_rl.config.schema import Config

_USAGE = {
    "train": "[group=option ...] [key=value ...] [-m | sweep=NAME] [resume=RUN_FOLDER]",
    "evaluate": "agent=NAME | checkpoint=RUN_FOLDER_OR_FILE [group=option ...] [key=value ...]",
    "diagnose": (
        "run=RUN_FOLDER | mlflow_run=ID | csv=FILE [against=RUN_FOLDER] [output=FILE.json] [report=FILE.html]"
        " [apply=true]"
    ),
}

_EXAMPLES = {
    "train": (
        ("agent=ppo env=heavy", "train on the overloaded cluster"),
        ("debug=smoke", "everything once, in seconds"),
        ("agent=ppo agent/network=attention agent.lr=5e-4", "another network, another learning rate"),
        ("agent=sjf env=heavy", "a fixed scheduler: evaluated and recorded beside the others"),
        ("-m seed=1,2,3 env=light,heavy", "six runs, one after another"),
        (
            "sweep=ppo_core env=heavy",
            "search with Optuna; typed again it goes on; see it: python -m sweeps.status",
        ),
        ("resume=runs/FOLDER", "continue an interrupted run, to the bit"),
    ),
    "evaluate": (
        ("agent=sjf env=heavy", "a fixed scheduler"),
        ("checkpoint=runs/FOLDER", "the best checkpoint of a run, on the blocks it was selected on"),
        ("checkpoint=runs/FOLDER eval.split=promote baselines=[sjf,linear_score]", "on blocks it never saw"),
        ("checkpoint=runs/FOLDER env=bursty output=result.json", "on another cluster, into a file"),
    ),
    "diagnose": (
        ("run=runs/FOLDER", "what the curves show, and what to try next"),
        ("run=runs/FOLDER against=runs/OTHER", "what changed between two runs"),
        ("csv=curves.csv output=findings.json", "curves of other code, findings into a file"),
        ("run=runs/FOLDER report=run.html", "the page of an old run, with what the checks found"),
        ("run=runs/FOLDER apply=true", "launch what the primary finding proposes"),
    ),
}

_SHARED_OPTIONS = (
    ("--cfg job", "print the resolved configuration and stop"),
    ("--config-dir DIR", "add groups and options of your own: DIR/env/mine.yaml makes env=mine"),
    ("-h, --help", "this page; overrides given with it choose whose keys it shows"),
)

_OPTIONS = {
    "train": (
        (
            "-m, --multirun",
            "a run for each combination of a,b,c and range(start,stop,step), each in its folder",
        ),
        *_SHARED_OPTIONS,
    ),
    "evaluate": _SHARED_OPTIONS,
    "diagnose": _SHARED_OPTIONS[1:],
}

#: Sections that the boundary fills in.
_DERIVED = ("families", "baseline_agents", "trial")

#: How a comment begins on a key that a command needs for the shape of the configuration only.
_UNUSED = "unused"

#: Cells wider than this push their line out rather than widen the column.
_WIDEST_CELL = 36

# Keys of a sweep's space are dotted keys and groups themselves.
_KEY_LINE = re.compile(r"^(\s*)([A-Za-z_][\w./]*):(?:\s[^#]*)?(?:#\s*(.*))?$")


def help_text(primary: str, overrides: Sequence[str], sources: ConfigSources) -> str:
    """The page for a command, with the keys of what the overrides choose.

    Raises:
        ConfigError: when the overrides are wrong.
    """
    if primary == "diagnose":
        return _diagnose_help(overrides, sources)
    command = f"python -m sched_rl.{primary}"
    has_agent = primary == "train" or any(text.startswith(("agent=", "checkpoint=")) for text in overrides)
    # evaluate has no agent of its own; any fixed one completes the configuration.
    complete = list(overrides) if has_agent else ["agent=fifo", *overrides]
    config = load_command(primary, complete, sources).config
    choices = [str(choice.input_line) for choice in split_overrides(complete, sources)[0]]
    comments = _comments(primary, choices, sources)
    sections = [
        f"usage: {command} {_USAGE[primary]}",
        _first_comment(conf_dir() / f"{primary}.yaml"),
        _groups(config, sources),
        "Examples\n" + _table([(f"{command} {text}", what) for text, what in _EXAMPLES[primary]]),
        *_keys(config, comments, skip_agent=not has_agent),
        _command_keys(primary, comments),
        "Options\n" + _table(_OPTIONS[primary]),
        "A value with '=', ',', '(' or ')' in it is quoted twice: 'run.folder=\"runs/a=b\"'",
    ]
    return "\n\n".join(section for section in sections if section)


def _diagnose_help(overrides: Sequence[str], sources: ConfigSources) -> str:
    from sched_rl.config.diagnose import load_diagnose

    config = load_diagnose(overrides, sources)
    comments = _comments("diagnose", [], sources)
    rows = [
        (key, show(value), _allowed(key, hint), comments.get(key, ""))
        for key, value, hint in _leaves(config, "")
        if not key.endswith(".kind")
    ]
    command = "python -m sched_rl.diagnose"
    sections = [
        f"usage: {command} {_USAGE['diagnose']}",
        _first_comment(conf_dir() / "diagnose.yaml"),
        "Examples\n" + _table([(f"{command} {text}", what) for text, what in _EXAMPLES["diagnose"]]),
        "Keys: value, what is allowed, what it is\n" + _table(rows),
        "Options\n" + _table(_OPTIONS["diagnose"]),
    ]
    return "\n\n".join(sections)


def key_comments(path: Path) -> dict[str, str]:
    """Dotted key to the comment on its line, of one YAML file."""
    comments: dict[str, str] = {}
    parents: list[tuple[int, str]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        match = _KEY_LINE.match(line)
        if match is None:
            continue
        indent = len(match.group(1))
        parents = [parent for parent in parents if parent[0] < indent]
        key = ".".join([*(name for _, name in parents), match.group(2)])
        parents.append((indent, match.group(2)))
        if match.group(3):
            comments[key] = match.group(3)
    return comments


def _comments(primary: str, choices: Sequence[str], sources: ConfigSources) -> dict[str, str]:
    comments: dict[str, str] = {}
    for package, file in sources.files(primary, choices):
        for key, comment in key_comments(file).items():
            path = f"{package}.{key}".lstrip(".")
            _, of_agent, rest = path.partition("if_learned.")
            comments[f"agent.{rest}" if of_agent else path] = comment
    return comments


def _first_comment(path: Path) -> str:
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") and "@package" not in line:
            return line.lstrip("# ")
    return ""


def _groups(config: Config, sources: ConfigSources) -> str:
    chosen = {
        "agent": config.agent.name,
        "agent/network": getattr(getattr(config.agent, "network", None), "kind", ""),
        "agent/lr_schedule": getattr(getattr(config.agent, "lr_schedule", None), "kind", ""),
        "agent/objective": getattr(getattr(config.agent, "objective", None), "kind", ""),
        "env": getattr(config.env, "kind", config.env.name),
        "eval": config.eval.name,
        "tracking": config.tracking.kind,
        "guard": config.guard.kind,
        "diagnosis": "default" if config.diagnosis.kind == "live" else config.diagnosis.kind,
    }
    rows: list[tuple[str, str, str]] = []
    for group in sources.groups():
        for number, option in enumerate(sources.options(group)):
            mark = "*" if chosen.get(group) == option else " "
            name = group if number == 0 else ""
            rows.append((name, f"{mark} {option}", _description(group, option, sources)))
    return "Groups: choose with group=option (* is chosen)\n" + _table(rows)


def _description(group: str, option: str, sources: ConfigSources) -> str:
    for folder in (conf_dir(), *sources.config_dirs):
        path = folder / group / f"{option}.yaml"
        if path.is_file():
            return _first_comment(path)
    return ""


def _keys(config: Config, comments: dict[str, str], *, skip_agent: bool) -> Iterator[str]:
    titles = {
        "agent": f"Keys of agent={config.agent.name}",
        "env": f"Keys of env={config.env.name}",
        "eval": f"Keys of eval={config.eval.name}",
        "tracking": f"Keys of tracking={config.tracking.kind}",
        "diagnosis": "Keys of diagnosis",
        "guard": f"Keys of guard={config.guard.kind}",
        "sweep": "Keys of the sweep",
    }
    rows: dict[str, list[tuple[str, ...]]] = {}
    for key, value, hint in _leaves(config, ""):
        section = key.partition(".")[0]
        if key == "sweep.space":
            rows["sweep.space"] = [
                (
                    name,
                    each.values,
                    f"when {each.when}" if each.when else "",
                    comments.get(f"{key}.{name}", ""),
                )
                for name, each in value.items()
            ]
            continue
        is_choice = section not in ("run", "sweep") and key.endswith((".kind", ".name"))
        is_idle = section == "diagnosis" and config.diagnosis.kind == "none"
        if is_choice or is_idle or section in _DERIVED or comments.get(key, "").startswith(_UNUSED):
            continue
        rows.setdefault(section if section in titles else "run", []).append(
            (key, show(value), _allowed(key, hint), comments.get(key, ""))
        )
    for section in ("agent", "env", "eval", "tracking", "diagnosis", "guard", "sweep", "run"):
        if section in rows and not (section == "agent" and skip_agent):
            title = titles.get(section, "Keys of every run")
            yield f"{title}: value, what is allowed, what it is\n{_table(rows[section])}"
    if rows.get("sweep.space"):
        yield f"What the sweep searches; give a key one value to leave it out\n{_table(rows['sweep.space'])}"


def _leaves(node: Any, prefix: str) -> Iterator[tuple[str, Any, Any]]:
    cls: type = type(node)
    for name, hint in field_types(cls).items():
        value = getattr(node, name)
        if value is None and members(hint):
            continue  # a section that is left out
        if members(hint):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value, hint


def _allowed(key: str, hint: Any) -> str:
    words = describe(hint)
    if key not in BOUNDS:
        return words
    noun, or_null, _ = words.partition(" or null")
    each = "each " if noun.startswith("a list") else ""
    whole = "whole, " if noun == "a whole number" else ""
    return f"{each}{whole}{BOUNDS[key]}{or_null}"


def _command_keys(primary: str, comments: dict[str, str]) -> str:
    return "Keys of this command\n" + _table([(key, comments.get(key, "")) for key in COMMAND_KEYS[primary]])


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    """Columns as wide as their widest ordinary cell; the last one runs free."""
    widths = [
        max((len(row[column]) for row in rows if len(row[column]) <= _WIDEST_CELL), default=0)
        for column in range(len(rows[0]) - 1)
    ]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        for row in rows
    ]
    return "\n".join(f"  {line}".rstrip() for line in lines)
