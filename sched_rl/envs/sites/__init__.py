"""Sites (batch clusters with estimates) as environments: observations, and the batch that steps them."""
