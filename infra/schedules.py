"""Schedules of a job: EventBridge rules, or Scheduler for time zones."""

from __future__ import annotations

import json

from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_scheduler as scheduler
from constructs import Construct

from infra import roles
from infra.account_resources import AccountResources
from infra.expressions import expressions
from infra.function import Function
from shared.aws.names import DEAD, Names
from shared.job.definition import Job
from shared.job.schedule import UTC_ZONE

# EventBridge retries for a day by default. After an hour, most jobs have had their next tick.
MAXIMUM_AGE = 3600
RETRIES = 5


class Schedules(Construct):
    """Rules and schedules of a job; the second name ends in -2."""

    def __init__(self, scope: Construct, job: Job, names: Names, account: AccountResources, function: Function) -> None:
        super().__init__(scope, "Ticks")
        self.description = job.purpose()[:512]
        self.function = function
        self.account = account
        self.undelivered = names.arn("sqs", names.queue(DEAD))
        zoned = any(zone != UTC_ZONE for _, zone in expressions(job))
        role = self._role(names, job) if zoned else None
        for number, (expression, zone) in enumerate(expressions(job), start=1):
            name = names.tick(job.name, number)
            if role is None or zone == UTC_ZONE:
                self._rule(number, name, expression)
            else:
                self._schedule(number, name, expression, zone, role, job)

    def _rule(self, number: int, name: str, expression: str) -> None:
        rule = events.CfnRule(
            self,
            f"Rule{number}",
            name=name,
            description=self.description,
            schedule_expression=expression,
            state="ENABLED",
            targets=[
                events.CfnRule.TargetProperty(
                    id="function",
                    arn=self.function.arn,
                    retry_policy=events.CfnRule.RetryPolicyProperty(
                        maximum_event_age_in_seconds=MAXIMUM_AGE, maximum_retry_attempts=RETRIES
                    ),
                    dead_letter_config=events.CfnRule.DeadLetterConfigProperty(arn=self.undelivered),
                )
            ],
        )
        lambda_.CfnPermission(
            self,
            f"MayInvoke{number}",
            action="lambda:InvokeFunction",
            function_name=self.function.ref,
            principal="events.amazonaws.com",
            source_arn=rule.attr_arn,
        )

    def _schedule(self, number: int, name: str, expression: str, zone: str, role: iam.CfnRole, job: Job) -> None:
        scheduler.CfnSchedule(
            self,
            f"Schedule{number}",
            name=name,
            description=self.description,
            schedule_expression=expression,
            schedule_expression_timezone=zone,
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            state="ENABLED",
            target=scheduler.CfnSchedule.TargetProperty(
                arn=self.function.arn,
                role_arn=role.attr_arn,
                input=_scheduled(job),
                retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(
                    maximum_event_age_in_seconds=MAXIMUM_AGE, maximum_retry_attempts=RETRIES
                ),
                dead_letter_config=scheduler.CfnSchedule.DeadLetterConfigProperty(arn=self.undelivered),
            ),
        )

    def _role(self, names: Names, job: Job) -> iam.CfnRole:
        """Role for Scheduler, which assumes one. Rules need a permission instead."""
        statements = [
            roles.allow(("lambda:InvokeFunction",), self.function.arn),
            roles.allow(("sqs:SendMessage",), self.undelivered),
        ]
        if self.account.kms_key:
            statements.append(roles.use_key(names, self.account.kms_key, statements))
        return iam.CfnRole(
            self,
            "Role",
            description=f"Fires {names.function(job.name)}",
            assume_role_policy_document=roles.trusts(
                "scheduler.amazonaws.com", Condition={"StringEquals": {"aws:SourceAccount": names.account}}
            ),
            policies=[iam.CfnRole.PolicyProperty(policy_name="fire", policy_document=roles.document(statements))],
            permissions_boundary=self.account.permissions_boundary or None,
        )


def _scheduled(job: Job) -> str:
    # EventBridge Scheduler replaces the placeholder by the scheduled time. The job's name identifies the dead letter of
    # an event that could not be delivered.
    return json.dumps({"source": "nightshift.schedule", "job": job.name, "time": "<aws.scheduler.scheduled-time>"})
