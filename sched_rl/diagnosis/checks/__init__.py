"""Checks that the playbook asks for and that may play episodes; rules never do."""
