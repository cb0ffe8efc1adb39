"""Engines for the distributed tests, started on free ports of 127.0.0.1 and stopped again."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_START_S = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def postgresql_programs() -> Path | None:
    """The folder of Debian's newest server, which is not on the path."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    return folders[-1].parent if folders else None


@contextmanager
def postgresql_server(programs: Path) -> Iterator[str]:
    """The address of an empty server; it refuses to run as root, so root hands it to its own user."""
    folder, port = Path(tempfile.mkdtemp(prefix="postgresql-")), free_port()
    user: Sequence[str] = ()
    if os.getuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        user = ("setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups")
    data = str(folder / "data")
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} -c fsync=off"
    control = [*user, str(programs / "pg_ctl"), "-D", data, "-w", "-l", str(folder / "log")]
    try:
        _run([*user, str(programs / "initdb"), "-D", data, "-A", "trust", "-U", "tester", "-N"], cwd=folder)
        _run([*control, "-o", options, "start"], cwd=folder)
        try:
            yield f"postgresql://tester@127.0.0.1:{port}/postgres"
        finally:
            _run([*control, "-m", "immediate", "stop"], cwd=folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def slurm_cluster() -> Iterator[dict[str, str]]:
    """One node on loopback; yields the environment in which SLURM's commands find it. Needs root."""
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    environment = {"SLURM_CONF": str(folder / "slurm.conf")}
    daemons: list[subprocess.Popen[bytes]] = []
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o400)
    (folder / "slurm.conf").write_text(_slurm_conf(folder))
    munged = [shutil.which("munged") or "/usr/sbin/munged", "--foreground", "--force"]
    munged += [
        f"--{name}={folder}/munge.{name.split('-')[0]}"
        for name in ("key-file", "socket", "pid-file", "log-file")
    ]
    munged.append(f"--seed-file={folder}/munge.seed")
    try:
        daemons.append(subprocess.Popen(munged, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        _wait(lambda: (folder / "munge.socket").exists(), "munged")
        for name in ("slurmctld", "slurmd"):
            program = shutil.which(name) or f"/usr/sbin/{name}"
            command = [program, "-D", "-f", str(folder / "slurm.conf")]
            command += ["-N", socket.gethostname().partition(".")[0]] if name == "slurmd" else ["-i"]
            with (folder / f"{name}.out").open("wb") as log:
                daemons.append(subprocess.Popen(command, stdout=log, stderr=log))
        _wait(lambda: "idle" in _output(["sinfo", "-h", "-o", "%t"], environment), f"SLURM in {folder}")
        yield environment
    finally:
        _output(["scancel", "--user", "root"], environment)
        for daemon in reversed(daemons):
            daemon.terminate()
            try:
                daemon.wait(timeout=20)
            except subprocess.TimeoutExpired:
                daemon.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _slurm_conf(folder: Path) -> str:
    host = socket.gethostname().partition(".")[0]
    settings = {
        "ClusterName": "loopback",
        "SlurmctldHost": f"{host}(127.0.0.1)",
        "SlurmUser": "root",
        "SlurmctldPort": free_port(),
        "SlurmdPort": free_port(),
        "CommunicationParameters": "NoInAddrAny,NoCtldInAddrAny",
        "AuthType": "auth/munge",
        "CredType": "cred/munge",
        # A requeued job waits until its old credential is void.
        "AuthInfo": f"socket={folder}/munge.socket,cred_expire=5",
        "StateSaveLocation": folder / "state",
        "SlurmdSpoolDir": folder / "spool",
        "SlurmctldPidFile": folder / "slurmctld.pid",
        "SlurmdPidFile": folder / "slurmd.pid",
        "ProctrackType": "proctrack/pgid",
        "TaskPlugin": "task/none",
        "MpiDefault": "none",
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_Core",
        "ReturnToService": 2,
        "JobRequeue": 1,
        "AccountingStorageType": "accounting_storage/none",
        "JobAcctGatherType": "jobacct_gather/none",
        "SchedulerParameters": "sched_interval=2,batch_sched_delay=0",
    }
    for name in ("state", "spool"):
        (folder / name).mkdir()
    cpus = os.cpu_count() or 1
    lines = [f"{key}={value}" for key, value in settings.items()]
    lines.append(f"NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=2000 State=UNKNOWN")
    lines.append(f"PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP")
    return "\n".join(lines) + "\n"


def _run(command: Sequence[str], cwd: Path) -> None:
    done = subprocess.run(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}")


def _output(command: Sequence[str], environment: dict[str, str]) -> str:
    try:
        done = subprocess.run(
            command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=20
        )
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout


def _wait(ready: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _START_S
    while not ready():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} did not come up within {_START_S} s")
        time.sleep(0.2)
