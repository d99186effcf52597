"""Properties of deployed resources, read from the services, in template syntax."""

from __future__ import annotations

import json
from typing import Any

from tests.local.conftest import Account


def chosen(found: Any, *names: str) -> dict[str, Any]:
    return {name: found[name] for name in names if name in found}


def read(account: Account) -> dict[str, dict[str, Any]]:
    """Properties by logical name."""
    return {**storage(account), **messages(account), **functions(account), **ticks(account), **watched(account)}


def storage(account: Account) -> dict[str, dict[str, Any]]:
    dynamodb, s3 = account.client("dynamodb"), account.client("s3")
    table = dynamodb.describe_table(TableName="things")["Table"]
    ttl = dynamodb.describe_time_to_live(TableName="things")["TimeToLiveDescription"]
    backups = dynamodb.describe_continuous_backups(TableName="things")["ContinuousBackupsDescription"]
    bucket = f"artifacts-{account.id}"
    assert bucket in [one["Name"] for one in s3.list_buckets()["Buckets"]]
    block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    return {
        "Table": {
            "BillingMode": table["BillingModeSummary"]["BillingMode"],
            **chosen(table, "TableName", "DeletionProtectionEnabled", "AttributeDefinitions", "KeySchema"),
            "GlobalSecondaryIndexes": [
                chosen(index, "IndexName", "KeySchema", "Projection") for index in table["GlobalSecondaryIndexes"]
            ],
            "TimeToLiveSpecification": {
                "AttributeName": ttl["AttributeName"],
                "Enabled": ttl["TimeToLiveStatus"] == "ENABLED",
            },
            "PointInTimeRecoverySpecification": {
                "PointInTimeRecoveryEnabled": backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
                == "ENABLED"
            },
        },
        "Bucket": {
            "BucketName": bucket,
            "VersioningConfiguration": chosen(s3.get_bucket_versioning(Bucket=bucket), "Status"),
            "PublicAccessBlockConfiguration": chosen(block, "BlockPublicAcls", "BlockPublicPolicy"),
        },
        "BucketPolicy": {
            "Bucket": bucket,
            "PolicyDocument": json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"]),
        },
    }


def messages(account: Account) -> dict[str, dict[str, Any]]:
    sqs, sns = account.client("sqs"), account.client("sns")
    names = {url.rsplit("/", 1)[1]: url for url in sqs.list_queues()["QueueUrls"]}
    work = sqs.get_queue_attributes(QueueUrl=names["work"], AttributeNames=["All"])["Attributes"]
    redrive = json.loads(work["RedrivePolicy"])
    topic = sns.get_topic_attributes(TopicArn=account.arn("sns", "alerts"))["Attributes"]
    (subscription,) = sns.list_subscriptions_by_topic(TopicArn=topic["TopicArn"])["Subscriptions"]
    said = sns.get_subscription_attributes(SubscriptionArn=subscription["SubscriptionArn"])["Attributes"]
    numbers = ("DelaySeconds", "MessageRetentionPeriod", "ReceiveMessageWaitTimeSeconds", "VisibilityTimeout")
    return {
        "Dead": {"QueueName": "dead" if "dead" in names else ""},
        "Queue": {
            "QueueName": "work",
            **{name: int(work[name]) for name in numbers},
            "SqsManagedSseEnabled": work["SqsManagedSseEnabled"] == "true",
            "RedrivePolicy": redrive | {"maxReceiveCount": int(redrive["maxReceiveCount"])},
        },
        "QueuePolicy": {"Queues": ["work"], "PolicyDocument": json.loads(work["Policy"])},
        "Topic": {"TopicName": topic["TopicArn"].split(":")[-1], "DisplayName": topic["DisplayName"]},
        "TopicPolicy": {"Topics": [topic["TopicArn"]], "PolicyDocument": json.loads(topic["Policy"])},
        "Subscription": {
            **chosen(subscription, "TopicArn", "Protocol", "Endpoint"),
            "FilterPolicy": json.loads(said["FilterPolicy"]),
            "FilterPolicyScope": said["FilterPolicyScope"],
            "RawMessageDelivery": said["RawMessageDelivery"] == "true",
        },
    }


def functions(account: Account) -> dict[str, dict[str, Any]]:
    lambda_, iam = account.client("lambda"), account.client("iam")
    role = iam.get_role(RoleName="runs")["Role"]
    attached = iam.list_attached_role_policies(RoleName="runs")["AttachedPolicies"]
    grants = iam.get_role_policy(RoleName="runs", PolicyName="grants")["PolicyDocument"]
    config = lambda_.get_function_configuration(FunctionName="job")
    inline = lambda_.get_function_configuration(FunctionName="inline")
    layer = lambda_.get_layer_version_by_arn(Arn=config["Layers"][0]["Arn"])
    word = config["Environment"]["Variables"]["WORD"]
    (group,) = account.client("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/job")["logGroups"]
    shared = ("FunctionName", "Handler", "Runtime", "Role")
    concurrency = lambda_.get_function_concurrency(FunctionName="job")
    return {
        "Role": {
            "RoleName": role["RoleName"],
            "Description": role["Description"],
            "AssumeRolePolicyDocument": role["AssumeRolePolicyDocument"],
            "ManagedPolicyArns": [policy["PolicyArn"] for policy in attached],
            "Policies": [{"PolicyName": "grants", "PolicyDocument": grants}],
        },
        "Policy": {
            "PolicyName": "more",
            "PolicyDocument": iam.get_role_policy(RoleName="runs", PolicyName="more")["PolicyDocument"],
            "Roles": ["runs"],
        },
        "Logs": {"LogGroupName": group["logGroupName"], "RetentionInDays": group["retentionInDays"]},
        "Layer": {
            "LayerName": config["Layers"][0]["Arn"].split(":")[-2],
            **chosen(layer, "Description", "CompatibleRuntimes", "CompatibleArchitectures"),
            # The size stands for the content.
            "Content": {"S3Bucket": f"code-{account.id}", "S3Key": "layer.zip"} if layer["Content"]["CodeSize"] else {},
        },
        "Inline": {
            **chosen(inline, *shared),
            "Code": {"ZipFile": f"def handle(event, context): return '{account.invoke('inline')}'"},
        },
        "Function": {
            **chosen(config, *shared, "Description", "Architectures", "Timeout", "MemorySize"),
            "Code": {"S3Bucket": f"code-{account.id}", "S3Key": f"{account.invoke('job')}.zip"},
            "Environment": {"Variables": {"WORD": word}},
            "Layers": ["the newest layer"],
            "LoggingConfig": chosen(config["LoggingConfig"], "LogGroup", "LogFormat"),
            "ReservedConcurrentExecutions": concurrency["ReservedConcurrentExecutions"],
        },
        **invokers(account),
    }


def invokers(account: Account) -> dict[str, dict[str, Any]]:
    lambda_ = account.client("lambda")
    invoke = lambda_.get_function_event_invoke_config(FunctionName="job", Qualifier="$LATEST")
    (mapping,) = lambda_.list_event_source_mappings(FunctionName="job")["EventSourceMappings"]
    url = lambda_.get_function_url_config(FunctionName="job")
    statements = json.loads(lambda_.get_policy(FunctionName="job")["Policy"])["Statement"]
    rule = next(one for one in statements if one["Action"] == "lambda:InvokeFunction")
    call = next(one for one in statements if one["Action"] == "lambda:InvokeFunctionUrl")
    return {
        "Invoke": {
            "FunctionName": "job",
            "Qualifier": "$LATEST",
            **chosen(invoke, "MaximumEventAgeInSeconds", "MaximumRetryAttempts"),
            "DestinationConfig": chosen(invoke["DestinationConfig"], "OnFailure"),
        },
        "Mapping": {
            "FunctionName": mapping["FunctionArn"].split(":")[-1],
            **chosen(mapping, "EventSourceArn", "BatchSize", "FunctionResponseTypes", "ScalingConfig"),
            "Enabled": mapping["State"] == "Enabled",
        },
        "Url": {"TargetFunctionArn": url["FunctionArn"], **chosen(url, "AuthType", "InvokeMode", "Cors")},
        "MayInvoke": {
            "Action": rule["Action"],
            "FunctionName": "job",
            "Principal": rule["Principal"]["Service"],
            "SourceArn": rule["Condition"]["ArnLike"]["AWS:SourceArn"],
            "SourceAccount": rule["Condition"]["StringEquals"]["AWS:SourceAccount"],
        },
        "MayCall": {
            "Action": call["Action"],
            "FunctionName": "job",
            "Principal": call["Principal"],
            "FunctionUrlAuthType": call["Condition"]["StringEquals"]["lambda:FunctionUrlAuthType"],
            "InvokedViaFunctionUrl": call["Condition"]["Bool"]["lambda:InvokedViaFunctionUrl"] == "true",
        },
    }


def ticks(account: Account) -> dict[str, dict[str, Any]]:
    events, scheduler = account.client("events"), account.client("scheduler")
    schedule = scheduler.get_schedule(Name="daily", GroupName="zoned")
    named = ("Name", "GroupName", "Description", "ScheduleExpression", "ScheduleExpressionTimezone", "State")
    return {
        "Rule": {
            **chosen(events.describe_rule(Name="tick"), "Name", "Description", "ScheduleExpression", "State"),
            "Targets": events.list_targets_by_rule(Rule="tick")["Targets"],
        },
        "Schedules": {"Name": scheduler.get_schedule_group(Name="zoned")["Name"]},
        "Schedule": {
            **chosen(schedule, *named, "FlexibleTimeWindow", "Target"),
            "StartDate": schedule["StartDate"].strftime("%Y-%m-%dT%H:%M:%SZ"),
            "EndDate": schedule["EndDate"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
    }


def watched(account: Account) -> dict[str, dict[str, Any]]:
    secrets, kms, watch = account.client("secretsmanager"), account.client("kms"), account.client("cloudwatch")
    generated = json.loads(secrets.get_secret_value(SecretId="generated")["SecretString"])
    assert generated["token"].isalnum()
    (alias,) = [one for one in kms.list_aliases()["Aliases"] if one["AliasName"] == "alias/state"]
    key = alias["TargetKeyId"]
    (alarm,) = watch.describe_alarms(AlarmNames=["late"])["MetricAlarms"]
    described = ("AlarmName", "AlarmDescription", "ActionsEnabled", "AlarmActions", "OKActions")
    measured = ("InsufficientDataActions", "ComparisonOperator", "DatapointsToAlarm", "Dimensions", "EvaluationPeriods")
    more = ("MetricName", "Namespace", "Period", "Statistic", "Threshold", "TreatMissingData")
    return {
        "Said": {
            **chosen(secrets.describe_secret(SecretId="said"), "Name", "Description"),
            "SecretString": secrets.get_secret_value(SecretId="said")["SecretString"],
        },
        "Generated": {
            "Name": "generated",
            "GenerateSecretString": {
                "PasswordLength": len(generated["token"]),
                "ExcludePunctuation": True,
                "IncludeSpace": False,
                "SecretStringTemplate": json.dumps({"user": generated["user"]}),
                "GenerateStringKey": "token",
            },
        },
        "Key": {
            "Description": kms.describe_key(KeyId=key)["KeyMetadata"]["Description"],
            "EnableKeyRotation": kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"],
            "KeyPolicy": json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]),
        },
        "Alias": {"AliasName": alias["AliasName"], "TargetKeyId": "the key"},
        "Alarm": chosen(alarm, *described, *measured, *more),
        "Dashboard": {
            "DashboardName": "jobs",
            "DashboardBody": watch.get_dashboard(DashboardName="jobs")["DashboardBody"],
        },
    }
