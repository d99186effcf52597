"""Plans: stored actions of a dry run, to apply exactly.

draft  actions of a job, counted and hashed
plan   a stored draft, its id and its validity; run/apply_plan applies it
brake  stops a job that would do far more than usual, and stores a plan of it
"""

# Start of the reason of a pause by the brake.
BRAKE = "brake: "
