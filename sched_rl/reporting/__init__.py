"""Tables and figures shared by the terminal, the run's page and the analysis."""
