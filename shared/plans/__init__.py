"""Plans: the actions of a dry run, stored so that an operator can apply exactly those.

draft  actions of a job, counted and hashed
plan   a stored draft, its id and its validity; run/apply_plan applies it
brake  stops a job that would do far more than usual, and stores a plan of it
"""

# Start of the reason of a pause by the brake.
BRAKE = "brake: "
