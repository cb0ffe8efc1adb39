"""The Gymnasium face of the clusters: one environment, a vector of them, and how to make both."""
