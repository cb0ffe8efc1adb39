"""Does the diagnosis find what was broken on purpose, and nothing where nothing was?"""
