"""A site: a batch cluster whose jobs come with estimates; it serves traces, generated ones and the committed game."""
