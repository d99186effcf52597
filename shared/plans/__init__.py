"""Plans: what a job would do, stored so that an operator can apply exactly that."""

# The prefix of a pause that the brake set.
BRAKE = "brake: "
