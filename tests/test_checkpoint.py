from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import pickle
import subprocess
import sys
import zipfile
from collections import OrderedDict, namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sched_rl.checkpoint import CheckpointStore, find_checkpoint, load_checkpoint, save_checkpoint
from sched_rl.checkpoint import file as checkpoint_file
from sched_rl.errors import CheckpointError
from sched_rl.seeding import generator_state, load_generator_state, stream


def sign(path: Path) -> None:
    """Make the digest match, as an attacker or a careless tool would."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_name(path.name + ".sha256").write_text(f"{digest}  {path.name}\n")


def assert_same(left, right, place="state"):
    assert type(left) is type(right), place
    if isinstance(left, dict):
        assert list(left) == list(right), place
        for key in left:
            assert_same(left[key], right[key], f"{place}[{key!r}]")
    elif isinstance(left, list | tuple):
        assert len(left) == len(right), place
        for index, pair in enumerate(zip(left, right, strict=True)):
            assert_same(*pair, f"{place}[{index}]")
    elif isinstance(left, np.ndarray | np.generic):
        assert (left.dtype, left.shape, left.tobytes()) == (right.dtype, right.shape, right.tobytes()), place
    elif isinstance(left, torch.Tensor):
        assert left.dtype == right.dtype, place
        assert left.shape == right.shape, place
        assert left.numpy().tobytes() == right.numpy().tobytes(), place
    else:
        assert repr(left) == repr(right), place


ARRAYS = [np.arange(6, dtype=dtype).reshape(2, 3) for dtype in "bBhHiIlLqQefdgFD"] + [
    np.array([[True], [False]]),
    np.array(2**64 - 1, dtype=np.uint64),
    np.array([0.0, -0.0, np.nan, np.inf, 5e-324]),
    np.zeros((0, 3), dtype=np.float32),
    np.array([1, 2], dtype=">i4"),
    np.array(["fifo", "größe"]),
    np.array([b"a", b"bc"]),
    np.array(["2026-11-22T10:00"], dtype="datetime64[s]"),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.arange(10)[::3],
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype}{a.shape}")
def test_arrays_return_with_their_dtype_shape_and_bits(tmp_path, array):
    save_checkpoint(tmp_path / "a.pt", {"array": array})
    loaded = load_checkpoint(tmp_path / "a.pt")["array"]
    assert_same(np.ascontiguousarray(array).reshape(array.shape), loaded)
    assert loaded.flags.writeable


def test_everything_a_run_needs_returns_exactly(tmp_path):
    network = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-4, eps=1e-5)
    network(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    state = {
        "network": dict(network.state_dict()),
        "optimizer": optimizer.state_dict(),
        "generator": generator_state(stream(1, "policy")),
        "numbers": [0, -1, 2**63 - 1, 2**63, -(2**127), 2**5000, 0.1, float("nan"), float("-inf"), -0.0],
        "scalars": [np.float64(0.1), np.float32(0.1), np.uint64(2**64 - 1), np.bool_(True), np.str_("x")],
        "containers": ({}, [], (), ("a", (None, True)), {1: {"nested": [False, "größe\n", ""]}}),
        "tensors": [torch.tensor(3), torch.zeros(0), torch.ones(2, 2, dtype=torch.bfloat16).float()],
    }
    save_checkpoint(tmp_path / "run.pt", state)
    assert_same(state, load_checkpoint(tmp_path / "run.pt"))


def test_a_generator_goes_on_where_it_was_saved(tmp_path):
    generator = stream(7, "workload")
    generator.random(5)
    save_checkpoint(tmp_path / "g.pt", {"generator": generator_state(generator)})
    expected = generator.random(8)
    other = stream(8, "workload")
    load_generator_state(other, load_checkpoint(tmp_path / "g.pt")["generator"])
    assert other.random(8).tobytes() == expected.tobytes()


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=4) | st.integers(), inner, max_size=3)
        | st.tuples(inner, inner)
    ),
    max_leaves=12,
)


@given(state=st.dictionaries(st.text(max_size=5), plain, max_size=4))
def test_any_plain_state_round_trips(tmp_path_factory, state):
    path = tmp_path_factory.mktemp("plain") / "p.pt"
    save_checkpoint(path, state)
    assert_same(state, load_checkpoint(path))


def test_a_slice_does_not_bring_its_buffer_along(tmp_path):
    save_checkpoint(tmp_path / "s.pt", {"slice": torch.zeros(1_000_000)[:10]})
    assert (tmp_path / "s.pt").stat().st_size < 10_000


Point = namedtuple("Point", "x y")
cyclic: list[object] = []
cyclic.append(cyclic)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"env": [{"rng": np.random.default_rng(0)}]}, r"state\['env'\]\[0\]\['rng'\].*Generator"),
        ({"path": Path("x")}, r"state\['path'\].*PosixPath"),
        ({"p": Point(1, 2)}, r"state\['p'\].*Point"),
        ({"a": np.array([object()])}, r"state\['a'\].*object"),
        ({"a": np.zeros(2, dtype=[("x", "f4")])}, r"state\['a'\].*dtype|state\['a'\].*array"),
        ({"a": np.ma.array([1.0])}, r"state\['a'\].*Masked"),
        ({"s": {1, 2}}, r"state\['s'\].*set"),
        ({"d": {(1, 2): 3}}, r"state\['d'\]: key \(1, 2\)"),
        ({"__sched_rl__": 1}, r"state: key '__sched_rl__'"),
        ({"sparse": torch.eye(2).to_sparse()}, r"state\['sparse'\]"),
        ({"loop": cyclic}, "nested deeper"),
    ],
)
def test_what_cannot_be_saved_is_named_with_its_place(tmp_path, state, message):
    with pytest.raises(CheckpointError, match=message):
        save_checkpoint(tmp_path / "x.pt", state)
    assert list(tmp_path.iterdir()) == []


def test_ordered_dicts_and_parameters_become_plain(tmp_path):
    save_checkpoint(tmp_path / "o.pt", {"o": OrderedDict(w=torch.nn.Parameter(torch.ones(2)))})
    loaded = load_checkpoint(tmp_path / "o.pt")["o"]
    assert type(loaded) is dict
    assert type(loaded["w"]) is torch.Tensor


class Exploit:
    def __reduce__(self):
        return os.system, (f"touch {os.environ['EXPLOITED']}",)


def test_a_malicious_pickle_is_refused_and_not_executed(tmp_path, monkeypatch):
    marker = tmp_path / "exploited"
    monkeypatch.setenv("EXPLOITED", str(marker))
    torch.save({"format": checkpoint_file.FORMAT, "version": 1, "state": {"x": Exploit()}}, tmp_path / "a.pt")
    (tmp_path / "b.pt").write_bytes(pickle.dumps(Exploit()))
    with zipfile.ZipFile(tmp_path / "c.pt", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Exploit()))
        archive.writestr("archive/version", "3\n")
    for name in ("a.pt", "b.pt", "c.pt"):
        sign(tmp_path / name)
        with pytest.raises(CheckpointError):
            load_checkpoint(tmp_path / name)
    assert not marker.exists()


def test_archives_that_unpack_to_more_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\0" * 10_000_000)
    sign(tmp_path / "bomb.pt")
    with pytest.raises(CheckpointError, match="unpack to more"):
        load_checkpoint(tmp_path / "bomb.pt")


def test_lists_that_hold_each_other_many_times_are_refused(tmp_path):
    layer: list[object] = ["x"]
    for _ in range(40):
        layer = [layer, layer]
    torch.save({"format": checkpoint_file.FORMAT, "version": 1, "state": {"x": layer}}, tmp_path / "b.pt")
    sign(tmp_path / "b.pt")
    with pytest.raises(CheckpointError, match="malformed"):
        load_checkpoint(tmp_path / "b.pt")


def tagged(**fields):
    whole = {"__sched_rl__": "array", "dtype": "<f8", "shape": [1], "data": torch.zeros(8, dtype=torch.uint8)}
    return whole | fields


@pytest.mark.parametrize(
    "node",
    [
        tagged(dtype="|O"),
        tagged(dtype="nonsense"),
        tagged(shape=[2]),
        tagged(shape=[-1]),
        tagged(shape=[True]),
        tagged(shape=3),
        tagged(data=torch.zeros(1)),
        tagged(data=b"x" * 8),
        tagged(dtype="V8"),
        {"__sched_rl__": "array"},
        {"__sched_rl__": "int", "hex": "zz"},
        {"__sched_rl__": []},
    ],
)
def test_malformed_arrays_are_refused(tmp_path, node):
    torch.save({"format": checkpoint_file.FORMAT, "version": 1, "state": {"x": node}}, tmp_path / "m.pt")
    sign(tmp_path / "m.pt")
    with pytest.raises(CheckpointError):
        load_checkpoint(tmp_path / "m.pt")


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "update_00000001.pt"
    save_checkpoint(path, {"weights": torch.arange(500.0), "seed": 3, "array": np.arange(100)})
    return path


def test_fifty_of_fifty_bit_flips_are_detected(saved):
    whole = saved.read_bytes()
    for bit in np.random.default_rng(0).choice(len(whole) * 8, size=50, replace=False):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << (bit % 8)
        saved.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"damaged.*older checkpoint"):
            load_checkpoint(saved)


def test_random_damage_under_a_matching_digest_never_escapes_as_another_error(saved):
    whole, rng = saved.read_bytes(), np.random.default_rng(1)
    for _ in range(300):
        damaged = bytearray(whole)
        for place in rng.integers(len(whole), size=rng.integers(1, 20)):
            damaged[place] = rng.integers(256)
        saved.write_bytes(damaged[: rng.integers(1, len(whole) + 1)])
        sign(saved)
        with contextlib.suppress(CheckpointError):  # a changed number is no error once the digest matches
            load_checkpoint(saved)


def test_truncated_missing_unverifiable_and_foreign_files_say_what_to_do(saved, tmp_path):
    whole = saved.read_bytes()
    for size in (0, 1, len(whole) // 2, len(whole) - 1):
        saved.write_bytes(whole[:size])
        with pytest.raises(CheckpointError, match="damaged"):
            load_checkpoint(saved)
    saved.write_bytes(whole)
    saved.with_name(saved.name + ".sha256").unlink()
    with pytest.raises(CheckpointError, match=r"sha256sum update_00000001\.pt >"):
        load_checkpoint(saved)
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        load_checkpoint(tmp_path / "absent.pt")
    with pytest.raises(CheckpointError, match="no checkpoint there"):
        find_checkpoint(tmp_path / "absent")
    torch.save({"weights": torch.zeros(1)}, saved)
    sign(saved)
    with pytest.raises(CheckpointError, match="not a checkpoint of sched_rl"):
        load_checkpoint(saved)


def test_a_newer_version_asks_for_an_upgrade(saved, monkeypatch):
    monkeypatch.setattr(checkpoint_file, "VERSION", 2)
    save_checkpoint(saved, {"x": 1})
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match=r"version 2, this one reads up to 1.*upgrade"):
        load_checkpoint(saved)


def test_sha256sum_agrees(saved):
    command = ["sha256sum", "-c", saved.name + ".sha256"]
    subprocess.run(command, cwd=saved.parent, check=True, capture_output=True)


KILLED_IN_A_SAVE = """
import os, sys
from pathlib import Path
from sched_rl.checkpoint import file, save_checkpoint
calls = 0
def dying(name):
    real = getattr(os, name)
    def call(*arguments, **keywords):
        global calls
        calls += 1
        if calls == int(sys.argv[2]):
            os._exit(9)
        return real(*arguments, **keywords)
    return call
for name in ("replace", "fsync"):
    setattr(file.os, name, dying(name))
save_checkpoint(Path(sys.argv[1]), {"update": 2})
"""


@pytest.mark.slow
def test_killed_in_each_phase_of_a_save_the_old_or_the_new_state_is_there(tmp_path):
    outcomes = []
    for phase in range(1, 12):
        path = tmp_path / f"{phase}.pt"
        save_checkpoint(path, {"update": 1})
        done = subprocess.run([sys.executable, "-c", KILLED_IN_A_SAVE, path, str(phase)], check=False)
        outcomes.append((done.returncode, load_checkpoint(path)["update"]))
    assert [update for _, update in outcomes] == sorted(update for _, update in outcomes)
    assert outcomes[0] == (9, 1)
    assert outcomes[-1] == (0, 2)


@pytest.mark.parametrize("phase", range(1, 10))
def test_an_interruption_between_any_two_steps_leaves_a_loadable_file(saved, monkeypatch, phase):
    before = load_checkpoint(saved)
    calls = 0

    def dying(real):
        def call(*arguments):
            nonlocal calls
            calls += 1
            if calls == phase:
                raise KeyboardInterrupt
            return real(*arguments)

        return call

    monkeypatch.setattr(checkpoint_file.os, "replace", dying(os.replace))
    monkeypatch.setattr(checkpoint_file.os, "fsync", dying(os.fsync))
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(saved, {"update": 2})
    monkeypatch.undo()
    after = load_checkpoint(saved)
    assert after == {"update": 2} or repr(after) == repr(before)


def test_a_full_disk_leaves_the_previous_checkpoint_and_says_what_to_do(saved, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint_file.os, "fsync", full)
    with pytest.raises(CheckpointError, match=r"No space left on device.*make room"):
        save_checkpoint(saved, {"update": 2})
    monkeypatch.undo()
    assert load_checkpoint(saved)["seed"] == 3
    assert sorted(path.name for path in saved.parent.iterdir()) == [saved.name, saved.name + ".sha256"]


def names(store):
    return sorted(path.name for path in store.folder.glob("*.pt"))


def test_the_store_keeps_the_last_few_and_falls_back_past_damage(tmp_path, caplog):
    store = CheckpointStore(tmp_path / "checkpoints", keep=3)
    assert store.latest() is None
    assert store.best() is None
    for update in (10, 20, 30, 40):
        store.save_periodic(update, {"update": update})
    assert names(store) == ["update_00000020.pt", "update_00000030.pt", "update_00000040.pt"]
    (store.folder / "update_00000040.pt").write_bytes(b"damaged")
    (store.folder / "update_00000030.pt.sha256").unlink()
    with caplog.at_level(logging.WARNING):
        latest = store.latest()
    assert (latest.update, latest.state) == (20, {"update": 20})
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "Falling back to update_00000020.pt" in caplog.text
    (store.folder / "update_00000020.pt").write_bytes(b"")
    with pytest.raises(CheckpointError, match="None of the 3 checkpoints"):
        store.latest()
    assert len(names(store)) == 3  # nothing is deleted


def test_after_any_rewind_the_best_is_the_best_of_that_moment(tmp_path):
    store = CheckpointStore(tmp_path, keep=2)
    best_by_update, best = {}, None
    for update in range(1, 31):
        if update in (1, 4, 9, 12, 13, 22, 28, 29):
            store.save_best(update, {"update": update})
            best = update
        if update % 5 == 0:
            store.save_periodic(update, {"update": update})
            best_by_update[update] = best
    store.save_best(31, {"update": 31})
    assert store.best().update == 31
    for update in (30, 25):
        store.rewind(update)
        assert store.latest().update == update
        assert store.best().update == best_by_update[update]
    assert names(store) == ["best_00000022.pt", "update_00000025.pt"]
    assert {path.name for path in tmp_path.glob("*.set_aside")} >= {"best_00000031.pt.set_aside"}


def test_a_run_folder_stands_for_its_best_checkpoint(tmp_path):
    store = CheckpointStore(tmp_path / "checkpoints", keep=2)
    latest = store.save_periodic(5, {"update": 5})
    assert find_checkpoint(tmp_path).path == latest
    best = store.save_best(4, {"update": 4})
    found = find_checkpoint(tmp_path)
    assert (found.path, found.update, found.state) == (best, 4, {"update": 4})
    assert find_checkpoint(store.folder).path == best
    assert find_checkpoint(latest).update == 5


def test_leftovers_of_a_killed_save_are_swept(tmp_path):
    store = CheckpointStore(tmp_path, keep=1)
    (tmp_path / ".update_00000001.pt.123.tmp").write_bytes(b"half")
    store.save_periodic(2, {"update": 2})
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".tmp"] == []


def test_keeping_none_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="keep_checkpoints=0"):
        CheckpointStore(tmp_path, keep=0)
