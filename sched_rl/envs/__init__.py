"""What an agent sees of the simulator: observations, masks, vector and Gymnasium environments."""
