"""Runtime of jobs.

A package imports only packages of lower levels; tests/contract holds that.

0  redaction, clock, tables, deadline, concurrency
1  aws: clients, names, permissions, attribute values, secrets
2  store: DynamoDB gateway and keys, indexes, bulk writes · advised_commands: commands that messages recommend
3  job: what a job declares · dead_letters
4  observability: log, metrics, alerts, artifacts, heartbeat
5  run: one run of a job · plans: dry runs and the brake
6  messages: queues and their payloads · http · mail · ledger: the record of ticks
7  archetypes: consumer, purge, sweep, pipeline, rollup, probe · plugins · admin: what operators do · handler
8  product: the rows and rules of this product
"""
