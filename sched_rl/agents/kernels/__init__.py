"""Compiled passes over rollout and minibatch arrays; numpy in, numpy out, no torch."""
