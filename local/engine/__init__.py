"""Engine of the local cloud: ministack, and features that it lacks."""
