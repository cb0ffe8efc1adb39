"""One rule a file; `sched_rl.diagnosis.registry` lists them."""
