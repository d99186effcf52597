"""A small deployment without faults, as templates that a test may change."""

from __future__ import annotations

from typing import Any

GROUP, STATE = "nightshift-prod-demo", "nightshift-prod-state"

FIRINGS = "arn:aws:sqs:eu-west-1:123456789012:nightshift-prod-firings"


def get_att(identifier: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [identifier, "Arn"]}


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::{kind}", "Properties": properties}


def small() -> dict[str, dict[str, Any]]:
    """A scheduled job, a consumer, a Function URL, a table and a bucket."""
    group = {
        **_function("Tick", "nightshift-prod-tick"),
        **_function("Eat", "nightshift-prod-eat"),
        **_function("Page", "nightshift-prod-page"),
        "TickInvoke": resource(
            "Lambda::EventInvokeConfig",
            FunctionName={"Ref": "Tick"},
            Qualifier="$LATEST",
            MaximumRetryAttempts=0,
            MaximumEventAgeInSeconds=3600,
            DestinationConfig={"OnFailure": {"Destination": FIRINGS}},
        ),
        "TickRule": resource(
            "Events::Rule",
            Name="nightshift-prod-tick",
            ScheduleExpression="cron(0 4 * * ? *)",
            State="ENABLED",
            Targets=[{"Id": "function", "Arn": get_att("Tick"), "DeadLetterConfig": {"Arn": get_att("Dead")}}],
        ),
        "TickPermission": resource(
            "Lambda::Permission",
            Action="lambda:InvokeFunction",
            FunctionName={"Ref": "Tick"},
            Principal="events.amazonaws.com",
            SourceArn=get_att("TickRule"),
        ),
        "Queue": {
            **resource(
                "SQS::Queue",
                QueueName="nightshift-prod-food",
                VisibilityTimeout=360,
                MessageRetentionPeriod=345_600,
                SqsManagedSseEnabled=True,
                RedrivePolicy={"deadLetterTargetArn": get_att("Dead"), "maxReceiveCount": 5},
            ),
            "Metadata": {"nightshift:payload": {"type": "meal", "version": 2, "reads": [1, 2]}},
        },
        "Dead": resource(
            "SQS::Queue",
            QueueName="nightshift-prod-food-dlq",
            MessageRetentionPeriod=691_200,
            SqsManagedSseEnabled=True,
        ),
        "Mapping": resource(
            "Lambda::EventSourceMapping",
            EventSourceArn=get_att("Queue"),
            FunctionName={"Ref": "Eat"},
            BatchSize=10,
            FunctionResponseTypes=["ReportBatchItemFailures"],
            ScalingConfig={"MaximumConcurrency": 5},
        ),
        "PageUrl": resource("Lambda::Url", AuthType="NONE", TargetFunctionArn=get_att("Page")),
        "PageUrlPermission": resource(
            "Lambda::Permission", Action="lambda:InvokeFunctionUrl", FunctionName=get_att("Page"), Principal="*"
        ),
        "PagePermission": resource(
            "Lambda::Permission", Action="lambda:InvokeFunction", FunctionName=get_att("Page"), Principal="*"
        ),
        "Zoned": resource(
            "Scheduler::Schedule",
            Name="nightshift-prod-zoned",
            ScheduleExpression="cron(30 2 * * ? *)",
            ScheduleExpressionTimezone="Europe/Berlin",
            FlexibleTimeWindow={"Mode": "OFF"},
            State="ENABLED",
            Target={
                "Arn": get_att("Tick"),
                "RoleArn": get_att("TickRole"),
                "DeadLetterConfig": {"Arn": get_att("Dead")},
            },
        ),
    }
    return {GROUP: {"Resources": group}, STATE: {"Resources": _state()}}


def _function(identifier: str, name: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": ["dynamodb:GetItem"], "Resource": ["arn:aws:dynamodb:::table/t"]}
    return {
        identifier: resource(
            "Lambda::Function",
            FunctionName=name,
            Timeout=60,
            MemorySize=256,
            Architectures=["arm64"],
            Role=get_att(f"{identifier}Role"),
            Environment={"Variables": {"NIGHTSHIFT_STAGE": "prod", "NIGHTSHIFT_CODE_VERSION": "1"}},
        ),
        f"{identifier}Logs": resource("Logs::LogGroup", LogGroupName=f"/aws/lambda/{name}", RetentionInDays=30),
        f"{identifier}Role": resource(
            "IAM::Role",
            AssumeRolePolicyDocument={},
            Policies=[{"PolicyName": "grants", "PolicyDocument": {"Statement": [statement]}}],
        ),
    }


def index(name: str, projection: str = "ALL") -> dict[str, Any]:
    keys = [{"AttributeName": f"{name}pk", "KeyType": "HASH"}]
    return {"IndexName": name, "KeySchema": keys, "Projection": {"ProjectionType": projection}}


def _state() -> dict[str, Any]:
    blocks = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    return {
        "Table": {
            **resource(
                "DynamoDB::Table",
                TableName="nightshift-prod-state",
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
                BillingMode="PAY_PER_REQUEST",
                PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
                GlobalSecondaryIndexes=[index("due")],
                DeletionProtectionEnabled=True,
            ),
            "DeletionPolicy": "Retain",
        },
        "Bucket": resource(
            "S3::Bucket",
            BucketName="nightshift-prod-artifacts",
            PublicAccessBlockConfiguration=dict.fromkeys(blocks, True),
            VersioningConfiguration={"Status": "Enabled"},
            LifecycleConfiguration={"Rules": [{"NoncurrentVersionExpiration": {"NoncurrentDays": 30}}]},
        ),
    }
