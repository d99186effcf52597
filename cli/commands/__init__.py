"""The commands of jobs.py: one module each, with EXAMPLES, `arguments(parser)` and `call(args)`."""

from __future__ import annotations

# The summary of each command; no job may have the name of one.
COMMANDS = {
    "list": "list the jobs with their schedules and next ticks",
    "describe": "describe one job: guarantee, retries, permissions, settings, runbook",
    "test": "run a job once on its sample event",
    "apply": "apply a plan that a dry run has stored",
    "pause": "pause a job, or one target or tenant of it",
    "resume": "resume what was paused",
    "reset": "reset the position of a job that a wrong clock has run ahead",
    "runs": "list the runs of a job, newest first",
    "why": "explain why a job ran, failed or did not run, and what to do",
    "status": "show the status of each job's last run, by status key",
    "dead": "list, show, retry and purge dead letters; show the operators' audit log",
    "effects": "list and resolve effects of a job whose outcome is unknown",
    "drift": "list what is deployed and not declared, disabled, or changed by hand, and mend it",
    "send": "send a message from a file to the queue of a consumer",
    "queues": "show depth, age, lag and error rate of the consumers' queues",
    "logs": "print the log of a job",
    "mail": "list and show the mails that jobs have sent locally",
    "top": "show success rate and duration of each job, the worst first",
    "up": "start the local cloud, deploy everything, and fire jobs on schedule",
    "worker": "run the jobs that are routed to workers, until stopped",
    "seed": "write sample data of a group into the local cloud",
    "load": "load records from a file of JSON Lines into their table",
    "sums": "add up messages in files, and compare the sums with the rollups",
    "token": "print the token of the break-glass URL",
    "cost": "estimate the monthly cost of an idle stack, item by item",
    "crontab": "print a crontab for hosting on one machine",
    "heatmap": "show how many jobs start in each part of the day",
    "pauses": "list what is paused, since when and by whom",
    "completion": "print the completion script of a shell",
    "env": "print a .env template with every setting",
    "new": "create the files of a new job",
    "generate": "write the files that are generated from declarations and models",
}
