"""A resource of each type, with every property that the local cloud stores or completes."""

from __future__ import annotations

import json
from typing import Any

TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*"}]}
GRANT = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*"}]}


def arn(name: str) -> Any:
    return {"Fn::GetAtt": [name, "Arn"]}


def ref(name: str) -> Any:
    return {"Ref": name}


def resources(account: str, word: str, number: int) -> dict[str, Any]:
    """One of each type with every property of KEPT and COMPLETED; `word` and `number` are what an update changes."""
    retry = {"MaximumEventAgeInSeconds": 60 + number, "MaximumRetryAttempts": number}
    return {
        "Table": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "TableName": "things",
                "BillingMode": "PAY_PER_REQUEST",
                "DeletionProtectionEnabled": True,
                "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
                "GlobalSecondaryIndexes": [
                    {
                        "IndexName": "by-sk",
                        "KeySchema": [{"AttributeName": "sk", "KeyType": "HASH"}],
                        "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["extra"]},
                    }
                ],
                "TimeToLiveSpecification": {"AttributeName": f"expires{word}", "Enabled": True},
                "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": word == "old"},
            },
        },
        "Bucket": {
            "Type": "AWS::S3::Bucket",
            "Properties": {
                "BucketName": f"artifacts-{account}",
                "VersioningConfiguration": {"Status": "Enabled"},
                "PublicAccessBlockConfiguration": {"BlockPublicAcls": True, "BlockPublicPolicy": word == "old"},
            },
        },
        "BucketPolicy": {
            "Type": "AWS::S3::BucketPolicy",
            "Properties": {"Bucket": ref("Bucket"), "PolicyDocument": GRANT},
        },
        "Dead": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "dead"}},
        "Queue": {
            "Type": "AWS::SQS::Queue",
            "Properties": {
                "QueueName": "work",
                "DelaySeconds": number,
                "MessageRetentionPeriod": 3600 + number,
                "ReceiveMessageWaitTimeSeconds": number,
                "VisibilityTimeout": 30 + number,
                "SqsManagedSseEnabled": True,
                "RedrivePolicy": {"deadLetterTargetArn": arn("Dead"), "maxReceiveCount": 2 + number},
            },
        },
        "QueuePolicy": {
            "Type": "AWS::SQS::QueuePolicy",
            "Properties": {"Queues": [ref("Queue")], "PolicyDocument": GRANT},
        },
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "alerts", "DisplayName": f"Alerts {word}"}},
        "TopicPolicy": {
            "Type": "AWS::SNS::TopicPolicy",
            "Properties": {"Topics": [ref("Topic")], "PolicyDocument": GRANT},
        },
        "Subscription": {
            "Type": "AWS::SNS::Subscription",
            "Properties": {
                "TopicArn": ref("Topic"),
                "Protocol": "sqs",
                "Endpoint": arn("Dead"),
                "FilterPolicy": {"kind": [word]},
                "FilterPolicyScope": "MessageBody",
                "RawMessageDelivery": True,
            },
        },
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "RoleName": "runs",
                "Description": word,
                "AssumeRolePolicyDocument": TRUST,
                "ManagedPolicyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"],
                "Policies": [{"PolicyName": "grants", "PolicyDocument": GRANT}],
            },
        },
        "Policy": {
            "Type": "AWS::IAM::Policy",
            "Properties": {"PolicyName": "more", "PolicyDocument": GRANT, "Roles": [ref("Role")]},
        },
        "Logs": {
            "Type": "AWS::Logs::LogGroup",
            "Properties": {"LogGroupName": "/aws/lambda/job", "RetentionInDays": 7 if word == "old" else 30},
        },
        "Layer": {
            "Type": "AWS::Lambda::LayerVersion",
            "Properties": {
                "LayerName": "packages",
                "Description": word,
                "Content": {"S3Bucket": f"code-{account}", "S3Key": "layer.zip"},
                "CompatibleRuntimes": ["python3.13"],
                "CompatibleArchitectures": ["arm64"],
            },
        },
        "Inline": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "FunctionName": "inline",
                "Code": {"ZipFile": f"def handle(event, context): return '{word}'"},
                "Handler": "index.handle",
                "Runtime": "python3.13",
                "Role": arn("Role"),
            },
        },
        "Function": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "FunctionName": "job",
                "Description": word,
                "Code": {"S3Bucket": f"code-{account}", "S3Key": f"{word}.zip"},
                "Handler": "app.handle",
                "Runtime": "python3.13",
                "Architectures": ["arm64"],
                "Role": arn("Role"),
                "Timeout": 5 + number,
                "MemorySize": 128 + number,
                "Environment": {"Variables": {"WORD": word}},
                "Layers": [ref("Layer")],
                "LoggingConfig": {"LogGroup": ref("Logs"), "LogFormat": "JSON"},
                "ReservedConcurrentExecutions": number,
            },
        },
        "Invoke": {
            "Type": "AWS::Lambda::EventInvokeConfig",
            "Properties": {
                "FunctionName": ref("Function"),
                "Qualifier": "$LATEST",
                **retry,
                "DestinationConfig": {"OnFailure": {"Destination": arn("Dead")}},
            },
        },
        "Mapping": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {
                "FunctionName": ref("Function"),
                "EventSourceArn": arn("Queue"),
                "BatchSize": number,
                "Enabled": word == "old",
                "FunctionResponseTypes": ["ReportBatchItemFailures"],
                "ScalingConfig": {"MaximumConcurrency": 2 + number},
            },
        },
        "Url": {
            "Type": "AWS::Lambda::Url",
            "Properties": {
                "TargetFunctionArn": arn("Function"),
                "AuthType": "NONE",
                "InvokeMode": "BUFFERED",
                "Cors": {"AllowOrigins": [f"https://{word}.example"]},
            },
        },
        "MayInvoke": {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "Action": "lambda:InvokeFunction",
                "FunctionName": ref("Function"),
                "Principal": "events.amazonaws.com",
                "SourceArn": arn("Rule"),
                "SourceAccount": {"Ref": "AWS::AccountId"},
            },
        },
        "MayCall": {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "Action": "lambda:InvokeFunctionUrl",
                "FunctionName": ref("Function"),
                "Principal": "*",
                "FunctionUrlAuthType": "NONE",
                "InvokedViaFunctionUrl": True,
            },
        },
        "Rule": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "Name": "tick",
                "Description": word,
                "ScheduleExpression": f"cron({number} * * * ? *)",
                "State": "ENABLED" if word == "old" else "DISABLED",
                "Targets": [
                    {
                        "Id": "function",
                        "Arn": arn("Function"),
                        "Input": json.dumps({"word": word}),
                        "RetryPolicy": retry,
                        "DeadLetterConfig": {"Arn": arn("Dead")},
                    }
                ],
            },
        },
        "Schedules": {"Type": "AWS::Scheduler::ScheduleGroup", "Properties": {"Name": "zoned"}},
        "Schedule": {
            "Type": "AWS::Scheduler::Schedule",
            "Properties": {
                "Name": "daily",
                "GroupName": ref("Schedules"),
                "Description": word,
                "ScheduleExpression": f"cron({number} 9 * * ? *)",
                "ScheduleExpressionTimezone": "Europe/Berlin" if word == "old" else "Asia/Tokyo",
                "FlexibleTimeWindow": {"Mode": "OFF"},
                "State": "ENABLED" if word == "old" else "DISABLED",
                "StartDate": f"2030-01-0{number}T00:00:00Z",
                "EndDate": f"2031-01-0{number}T00:00:00Z",
                "Target": {
                    "Arn": arn("Function"),
                    "RoleArn": arn("Role"),
                    "Input": json.dumps({"word": word}),
                    "RetryPolicy": retry,
                    "DeadLetterConfig": {"Arn": arn("Dead")},
                },
            },
        },
        "Said": {
            "Type": "AWS::SecretsManager::Secret",
            "Properties": {"Name": "said", "Description": word, "SecretString": f"secret {word}"},
        },
        "Generated": {
            "Type": "AWS::SecretsManager::Secret",
            "Properties": {
                "Name": "generated",
                "GenerateSecretString": {
                    "PasswordLength": 40,
                    "ExcludePunctuation": True,
                    "IncludeSpace": False,
                    "SecretStringTemplate": '{"user": "me"}',
                    "GenerateStringKey": "token",
                },
            },
        },
        "Key": {
            "Type": "AWS::KMS::Key",
            "Properties": {"Description": word, "EnableKeyRotation": True, "KeyPolicy": GRANT},
        },
        "Alias": {"Type": "AWS::KMS::Alias", "Properties": {"AliasName": "alias/state", "TargetKeyId": ref("Key")}},
        "Alarm": {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "AlarmName": "late",
                "AlarmDescription": word,
                "ActionsEnabled": True,
                "AlarmActions": [ref("Topic")],
                "OKActions": [ref("Topic")],
                "InsufficientDataActions": [ref("Topic")],
                "ComparisonOperator": "GreaterThanThreshold",
                "DatapointsToAlarm": 1,
                "Dimensions": [{"Name": "job", "Value": word}],
                "EvaluationPeriods": 1,
                "MetricName": "failed",
                "Namespace": "nightshift",
                "Period": 60,
                "Statistic": "Sum",
                "Threshold": number,
                "TreatMissingData": "notBreaching",
            },
        },
        "Dashboard": {
            "Type": "AWS::CloudWatch::Dashboard",
            "Properties": {"DashboardName": "jobs", "DashboardBody": json.dumps({"widgets": [], "start": word})},
        },
    }
