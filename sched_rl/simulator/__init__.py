"""N clusters at once, compiled: state arrays, an event heap, and the step semantics. No Gym, no torch."""
