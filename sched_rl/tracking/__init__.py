"""What a run leaves behind: its folder (the record) and MLflow, which is a view over many folders."""
