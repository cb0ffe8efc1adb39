"""The playbook as a program: curves in, findings with evidence and overrides out."""
