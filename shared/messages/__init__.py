"""Messages of consumers: payloads, and the run of one batch.

payload        pydantic models with a schema version; payload_rules: what they must not declare
envelope       encode, decode and send payloads; claim_check: large and private ones in S3
message        one SQS record
batch          the messages of one run, and the answer to each
resend         retries and deferrals of single messages
tenant         the guard that limits DynamoDB calls to one organization
run_batch      one run of a consumer; batch_status: its status, once a minute
queue_depth    depth, lag and failures of the queues
"""
