"""Does this project's PPO learn as sb3-contrib's MaskablePPO does, given the same of everything? See `__main__`."""
