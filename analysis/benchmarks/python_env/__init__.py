"""The playbook's cluster once more, in plain Python and NumPy: what most people would write, and write well."""
