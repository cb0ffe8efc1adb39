from __future__ import annotations

import contextlib
import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sched_rl.errors import WorkloadError
from sched_rl.workloads.swf import FIELDS, read_swf, record_columns, write_swf
from sched_rl.workloads.trace_jobs import jobs_of

HEADER = "; Version: 2.2\n; MaxNodes: 4\n; MaxProcs: 8\n; Note: a: b\n"


def line(job_id, submit=0, run=10, allocated=2, requested=-1, requested_s=-1, user=-1):
    values = dict.fromkeys(FIELDS, -1) | {
        "job_id": job_id,
        "submit_s": submit,
        "run_s": run,
        "allocated_procs": allocated,
        "requested_procs": requested,
        "requested_s": requested_s,
        "user": user,
    }
    return " ".join(map(str, values.values())) + "\n"


def trace(tmp_path, *lines, header=HEADER):
    path = tmp_path / "trace.swf"
    path.write_text(header + "".join(lines))
    return read_swf(path)


def test_fields_header_and_comments_are_kept(tmp_path):
    found = trace(tmp_path, line(1, submit=5, user=7), line(2, submit=6.5))
    assert found.header == {"Version": "2.2", "MaxNodes": "4", "MaxProcs": "8", "Note": "a: b"}
    assert (found.number("MaxNodes"), found.number("MaxJobs")) == (4, None)
    assert found.column("submit_s").tolist() == [5.0, 6.5]
    assert (found.column("user").tolist(), found.repairs) == ([7, -1], {})


def test_gzip_is_known_by_its_content(tmp_path):
    path = tmp_path / "trace.swf"
    path.write_bytes(gzip.compress((HEADER + line(1)).encode()))
    assert len(read_swf(path)) == 1
    path.write_bytes(path.read_bytes()[:-6])
    with pytest.raises(WorkloadError, match="damaged gzip"):
        read_swf(path)


def test_what_files_in_the_wild_have_is_repaired_and_counted(tmp_path):
    found = trace(
        tmp_path,
        "\n",
        line(1).strip() + " 99 99\n",
        "2 0 -1 10 2\n",
        line(3, allocated="2.0"),
        line(4, allocated="1.5"),
        line(5, submit="7.25"),
    )
    assert found.repairs == {
        "blank line": 1,
        "more than 18 fields, the rest ignored": 1,
        "fewer than 18 fields, the rest unknown": 1,
        "fraction in a whole number, rounded up": 1,
    }
    assert found.column("allocated_procs").tolist() == [2, 2, 2, 2, 2]
    assert found.column("requested_s")[1] == -1


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("1 2 3 4\n", r"trace\.swf:6: 4 fields; a job has 18, and at least the first 5"),
        ("1 2 x 4 5\n", r"trace\.swf:6: wait_s='x' is not a number"),
        ("1 nan 3 4 5\n", r"trace\.swf:6: submit_s='nan' is out of range"),
        ("1 2 3 1e300 5\n", r"trace\.swf:6: run_s='1e300' is out of range"),
        ("1 2 3 1_0 5\n", "out of range"),
        ("x" * 20_000, r"trace\.swf:6: longer than 10000 bytes"),
    ],
)
def test_a_line_that_is_no_job_is_named(tmp_path, bad, message):
    with pytest.raises(WorkloadError, match=message):
        trace(tmp_path, line(1), bad)


def test_files_that_are_no_traces_are_refused(tmp_path):
    with pytest.raises(WorkloadError, match="no such file"):
        read_swf(tmp_path / "absent")
    with pytest.raises(WorkloadError, match="holds no job"):
        trace(tmp_path)
    with pytest.raises(WorkloadError, match="cannot be read"):
        read_swf(tmp_path)


@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_no_bytes_bring_anything_but_a_trace_or_an_error_of_ours(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("fuzz") / "f.swf"
    path.write_bytes(content)
    with contextlib.suppress(WorkloadError):
        assert np.isfinite(read_swf(path).records).all()


@pytest.mark.parametrize("name", ["out.swf", "out.swf.gz"])
def test_what_is_written_is_read_again(tmp_path, name):
    records = record_columns(3, job_id=[1, 2, 3], submit_s=[0, 1.5, 2], run_s=[np.nan, 5, 6])
    write_swf(tmp_path / name, records, (" Note: ours",), machine_procs=16)
    found = read_swf(tmp_path / name)
    records[0, FIELDS.index("run_s")] = -1  # unknown
    np.testing.assert_array_equal(found.records, records)
    assert (found.number("MaxProcs"), found.header["Note"]) == (16, "ours")
    with pytest.raises(WorkloadError, match="exists already"):
        write_swf(tmp_path / name, records)


def test_textbook_rules_say_what_they_dropped(tmp_path):
    found = jobs_of(
        trace(
            tmp_path,
            line(1, submit=9),
            line(2, submit=3, run=0),
            line(3, run=-1),
            line(4, allocated=0),
            line(5, submit=4, allocated=9),
            line(6, submit=5, allocated=0, requested=3, run=20, requested_s=15),
        )
    )
    assert found.job_id.tolist() == [6, 1]
    assert (found.procs.tolist(), found.nodes.tolist(), found.procs_per_node) == ([3, 2], [2, 1], 2.0)
    assert (found.run_s.tolist(), found.requested_s.tolist()) == ([20, 10], [15, 10])
    assert found.report() == (
        "dropped, run time 0: 1; dropped, run time unknown: 1; dropped, no processors: 1; "
        "dropped, wider than the machine: 1; out of submit order, sorted: 1; runs longer than requested: 1"
    )


def test_overruns_are_killed_where_that_is_asked_for(tmp_path):
    found = jobs_of(trace(tmp_path, line(1, run=20, requested_s=15)), kill_overruns=True)
    assert found.run_s.tolist() == [15]
    assert found.notes == {"runs longer than requested, killed then": 1}


def test_the_game_has_rules_of_its_own(tmp_path):
    found = jobs_of(trace(tmp_path, line(3, submit=1), line(2, submit=4, run=-1), line(1, run=0)), "game")
    assert found.job_id.tolist() == [2, 3]
    assert found.run_s.tolist() == [10, 10]
    with pytest.raises(WorkloadError, match=r"job 1 asks for 9 processors, the machine has 8"):
        jobs_of(trace(tmp_path, line(1, allocated=9)), "game")


def test_a_machine_of_unknown_size_is_an_error(tmp_path):
    with pytest.raises(WorkloadError, match="neither MaxNodes nor MaxProcs"):
        jobs_of(trace(tmp_path, line(1), header=""))


def test_a_sequence_beyond_the_end_is_refused(tmp_path):
    found = jobs_of(trace(tmp_path, line(1), line(2), line(3)))
    assert found.sequence(1, 2).job_id.tolist() == [2, 3]
    with pytest.raises(WorkloadError, match=r"has 3 usable jobs; a start may be 0 to 1"):
        found.sequence(2, 2)
