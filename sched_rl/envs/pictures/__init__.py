"""Pictures of one cluster, as text and as an image."""
