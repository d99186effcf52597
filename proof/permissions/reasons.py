"""Statements that no call of the proof uses, each with its reason."""

from __future__ import annotations

import re

# In the line of a statement, as usage.text_of writes it -> why the role has it.
REASONS = {
    r"LeadingKeys \['dead#": "a dead letter of the job is closed when it runs again",
    r"LeadingKeys \['mute#alerts'\]": "an alert reads the mutes before it is sent",
    r"^sns:Publish on \S+-alerts$": "alerts of the run itself, on its budget, brake or deadline",
    r"LeadingKeys \['owed#": "an alert that no channel took is stored",
    r"^sqs:SendMessage on \S+-firings": "retries, continuations, deferrals and dead letters",
    r"^dynamodb:GetItem.*LeadingKeys \['[\w.-]+:last'": "checkpoints beyond their row, and requests of manual runs",
    r"LeadingKeys \['plan#": "plans of dry runs, and the brake's largest ticks",
    r"LeadingKeys \['ledger#": "daily totals, which the brake reads and retention writes",
    r"LeadingKeys \['effect#": "effects on items that the samples lack",
    r"LeadingKeys \['owner-alerts#": "an owner is alerted once in a window",
    r"LeadingKeys \['heartbeat#": "shards of a tick are counted, where a heartbeat has an address",
    r"LeadingKeys \['answered#": "answers of handlers that are invoked again",
    r"LeadingKeys \['pending-sums#": "sums of a batch that was interrupted",
    r"^s3:(GetObject|PutObject) on ": "artifacts, plans, results of effects, and payloads beyond a message",
    r"^s3:ListBucket on \S+$": "no request: S3 answers 404 for a missing object instead of 403",
    r"^s3:DeleteObject on \S*/(dead|workspace)/": "objects of dead letters and of workspaces that the samples lack",
    r"^sqs:ReceiveMessage,sqs:DeleteMessage,": "Lambda receives with the function's role",
    r"^lambda:GetFunctionConfiguration ": "settings of a job whose ticks are missed, on AWS alone",
    r"^lambda:GetFunctionUrlConfig ": "the address of downloads, unless a setting has it",
    r"^bedrock:InvokeModel ": "a model of Bedrock, if a setting chooses one",
    r"^secretsmanager:GetSecretValue on \S*alert-webhook": "secrets of a webhook and a relay that a stage may not have",
    r"^dynamodb:PutItem on \S*-notifications, ": "a notification to the owner of mail that is dead-lettered",
    r"^dynamodb:UpdateItem on \S*-cycles, ": "cycles whose sums are corrected",
    r"^dynamodb:DeleteItem,.*LeadingKeys \['dead#\*'": "expired dead letters, of which there are none",
    # What drift-watch reads of a deployment, which the proof does not have.
    r"^cloudformation:GetTemplate,": "templates and resources of deployed stacks",
    r"^iam:GetRole,": "policies of deployed roles",
    r"^lambda:GetFunctionConcurrency ": "concurrency of deployed functions",
}

# Accesses that the role does not allow, and which the code expects to be denied.
EXPECTED_DENIALS = {
    r"^s3:GetObject \S*/workspace/\S*[^/]$": "the name of a parent folder: 403 counts as missing, as 404 does",
}


def expected(access: str) -> bool:
    """Whether the code expects that this access is denied."""
    return any(re.search(pattern, access) for pattern in EXPECTED_DENIALS)


def reason(line: str) -> str:
    """Reason for a statement that no call used; empty without one."""
    return next((why for pattern, why in REASONS.items() if re.search(pattern, line)), "")
