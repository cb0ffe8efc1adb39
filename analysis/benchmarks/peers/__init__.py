"""This project raced against other libraries' masked PPO: same clusters, same networks, same hyperparameters."""
