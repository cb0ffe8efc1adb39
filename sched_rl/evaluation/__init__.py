"""Judging a scheduler: fixed seed blocks, whole episodes, greedy actions, means and the worst block."""
