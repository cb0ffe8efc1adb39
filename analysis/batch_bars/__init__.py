"""What a learned batch scheduler is held against: fixed priorities, and families of them tuned on other sequences."""
