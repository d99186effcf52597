"""One run of a job, from event to status.

The modules in the order of a run:

firing        the event: tick, target, attempt
begin         run id, start time and log fields
context       RunContext, the argument of `Job.work`
run           the run itself, top to bottom; a batch of messages has messages/run_batch
routing       run it here, or send it to another runtime
manual        requests for manual runs
gates         settings and age that keep a firing out; target_check: targets that a caller named
claim         lease, tick, fencing token in one item; checkpoint: the data between two runs
budget_usage  what runs spent of the job's budget; pauses: jobs held back by operators
lost_runs     runs that were interrupted; tick_heartbeat: one external check per tick
work          the job's code under the deadline; apply_plan: a plan in its place
effects       external actions, at most once; effect_results, reconcile
send          retries, continuations, shards, dead letters; oversized: those too large for SQS
status        the status map of the claim item; status_view: for people
history       one row per run
redriven      the outcome of a redriven dead letter
report        log line, metrics and RunReport of the end
"""
