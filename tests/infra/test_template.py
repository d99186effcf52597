"""Templates of this tree: schedules, grants, retention, encryption, alarms."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from infra import public, quotas, state
from infra.template import PSEUDO, Resource, Template, plain, resources, text
from shared.aws.names import DEAD, FIRINGS, WORK
from shared.aws.permissions import SENDER_IDENTITY
from shared.job import registry
from shared.job.definition import Job
from shared.tables import STATE, TABLES, TTL
from tests.support.table_creation import projection

Templates = Mapping[str, Template]
ROOT = Path(__file__).parents[2]
PREFIX = "nightshift-prod-"
ACCOUNT, REGION = PSEUDO["AWS::AccountId"], PSEUDO["AWS::Region"]
JOBS = {name: job for name, job in registry.jobs().items() if not job.stages}


def arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


def functions(templates: Templates) -> dict[str, Resource]:
    found = resources(templates, "AWS::Lambda::Function")
    return {text(function.properties["FunctionName"]).removeprefix(PREFIX): function for function in found}


def of_function(templates: Templates, kind: str, key: str, function: Resource) -> list[Resource]:
    """Resources of the kind whose property refers to the function."""
    own = {f"<{function.id}>", f"<{function.id}.Arn>"}
    return [found for found in resources(templates, kind) if text(found.properties[key]) in own]


def statements(templates: Templates, function: Resource) -> Iterator[dict[str, Any]]:
    role = templates[function.stack]["Resources"][function.properties["Role"]["Fn::GetAtt"][0]]["Properties"]
    assert set(role) <= {"AssumeRolePolicyDocument", "Policies", "Description"}, "a policy from elsewhere"
    for policy in role["Policies"]:
        yield from plain(policy["PolicyDocument"])["Statement"]


def granted(job: Job, *, denied: bool = False) -> set[tuple[str, str]]:
    """Pairs of action and resource that the declaration names; ARNs are formed independently here."""
    pairs = set()
    for grant in job.grants():
        # Without a configured sender no mail is sent.
        if grant.denied != denied or grant.resource == SENDER_IDENTITY:
            continue
        kind, _, name = grant.resource.partition("/")
        form = {
            "table": arn("dynamodb", f"table/{PREFIX}{name}"),
            "bucket": f"arn:aws:s3:::{PREFIX}artifacts-{ACCOUNT}-{REGION}/{name}",
            "listing": f"arn:aws:s3:::{PREFIX}artifacts-{ACCOUNT}-{REGION}",
            "secret": arn("secretsmanager", f"secret:nightshift/prod/{name}-??????"),
            "queue": arn("sqs", PREFIX + name.replace(":", "-")),
            "topic": arn("sns", PREFIX + name),
            "function": arn("lambda", f"function:{PREFIX}{name}"),
            "parameter": arn("ssm", f"parameter/nightshift/prod/{name}"),
            "model": f"arn:aws:bedrock:*::foundation-model/{name}",
            "stack": arn("cloudformation", f"stack/{PREFIX}{name}/*"),
            "role": f"arn:aws:iam::{ACCOUNT}:role/{PREFIX}{name}",
            "account": "*",
        }[kind]
        besides = {"model": arn("bedrock", f"inference-profile/{name}")}
        if kind == "table" and not grant.keys:
            besides["table"] = f"{form}/index/*"
        forms = {form, besides.get(kind, form)}
        pairs |= {(action, one) for action in grant.actions for one in forms}
    return pairs


def test_every_schedule_in_the_template_comes_from_a_declared_job_and_every_declared_one_is_there(
    templates: Templates,
) -> None:
    declared = {
        (name, form, schedule.zone)
        for name, job in JOBS.items()
        for schedule in job.schedules()
        for form in schedule.eventbridge()
    }
    by_arn = {f"{function.stack}<{function.id}.Arn>": name for name, function in functions(templates).items()}
    rules = {
        (by_arn[rule.stack + text(target["Arn"])], rule.properties["ScheduleExpression"], "UTC")
        for rule in resources(templates, "AWS::Events::Rule")
        for target in rule.properties["Targets"]
    }
    zoned = {
        (
            by_arn[found.stack + text(found.properties["Target"]["Arn"])],
            found.properties["ScheduleExpression"],
            found.properties["ScheduleExpressionTimezone"],
        )
        for found in resources(templates, "AWS::Scheduler::Schedule")
    }
    assert rules | zoned == declared


def test_every_job_is_a_function_and_every_function_a_job_or_an_endpoint(templates: Templates) -> None:
    endpoints = {path.parent.name for path in ROOT.glob("functions/*/handler.py")}
    assert set(functions(templates)) == set(JOBS) | endpoints


@pytest.mark.parametrize("name", JOBS)
def test_a_job_runs_as_it_declares(templates: Templates, name: str) -> None:
    job, properties = JOBS[name], functions(templates)[name].properties
    assert (properties["Timeout"], properties["MemorySize"]) == (job.timeout, job.memory)
    assert properties["Handler"] == "shared.handler.handle"
    assert (properties["Runtime"], properties["Architectures"]) == ("python3.13", ["arm64"])
    variables = properties["Environment"]["Variables"]
    assert registry.load(variables["NIGHTSHIFT_JOB"]).name == name
    assert variables["NIGHTSHIFT_STAGE"] == "prod"
    assert text(variables["NIGHTSHIFT_ACCOUNT"]) == ACCOUNT
    # The bundle's: an edit elsewhere changes no function.
    assert properties["Code"]["S3Key"].startswith(variables["NIGHTSHIFT_CODE_VERSION"])


@pytest.mark.parametrize("name", JOBS)
def test_lambda_never_retries_a_job_and_sends_every_interrupted_run_to_the_firings(
    templates: Templates, name: str
) -> None:
    (config,) = of_function(templates, "AWS::Lambda::EventInvokeConfig", "FunctionName", functions(templates)[name])
    assert config.properties["MaximumRetryAttempts"] == 0
    assert 60 <= config.properties["MaximumEventAgeInSeconds"] <= 3600
    assert text(config.properties["DestinationConfig"]["OnFailure"]["Destination"]) == arn("sqs", PREFIX + FIRINGS)
    assert ("sqs:SendMessage", arn("sqs", PREFIX + FIRINGS)) in granted(JOBS[name])


@pytest.mark.parametrize("name", JOBS)
def test_a_role_holds_nothing_but_the_grants_of_its_job(templates: Templates, name: str) -> None:
    function, job = functions(templates)[name], JOBS[name]
    allowed, denied = (
        {
            (action, one)
            for statement in statements(templates, function)
            for action in statement["Action"]
            for one in statement["Resource"]
            if statement["Effect"] == effect
        }
        for effect in ("Allow", "Deny")
    )
    assert denied == granted(job, denied=True)
    beyond = allowed - granted(job)
    own_log = {one for action, one in beyond if action.startswith("logs:")}
    assert {action for action, _ in beyond if action.startswith("logs:")} == {
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    }
    assert len(own_log) == 1
    rest = {(action, one) for action, one in beyond if not action.startswith("logs:")}
    if job.queue is None:
        assert rest == set()
    else:
        assert {action.partition(":")[0] for action, _ in rest} == {"sqs"}
        assert ("sqs:SendMessage", "*") not in rest
        assert arn("sqs", PREFIX + job.queue.replace(":", "-")) in {one for _, one in rest}
    assert granted(job) <= allowed | {pair for pair in granted(job) if pair[1].endswith("/index/*")}


@pytest.mark.parametrize("name", JOBS)
def test_rows_are_bounded_by_the_keys_that_the_grant_names(templates: Templates, name: str) -> None:
    keyed = {grant.keys for grant in JOBS[name].grants() if grant.keys}
    found = {
        tuple(statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"])
        for statement in statements(templates, functions(templates)[name])
        if "ForAllValues:StringLike" in statement.get("Condition", {})
    }
    assert found == keyed
    listed = [s for s in statements(templates, functions(templates)[name]) if "s3:ListBucket" in s["Action"]]
    prefixes = {
        grant.resource.removeprefix("listing/") for grant in JOBS[name].grants() if "listing/" in grant.resource
    }
    # Without a condition only where S3 must report missing objects.
    assert {s.get("Condition", {}).get("StringLike", {}).get("s3:prefix", "*") for s in listed} == prefixes
    assert all(prefix == "*" or prefix.endswith("/*") for prefix in prefixes)


def test_every_log_group_has_a_retention(templates: Templates) -> None:
    groups = {f"{group.stack}<{group.id}>": group for group in resources(templates, "AWS::Logs::LogGroup")}
    for function in functions(templates).values():
        group = groups[function.stack + text(function.properties["LoggingConfig"]["LogGroup"])]
        assert group.properties["RetentionInDays"] in (7, 30, 90)
        assert text(group.properties["LogGroupName"]) == f"/aws/lambda/{text(function.properties['FunctionName'])}"
    assert len(groups) == len(functions(templates))


def test_a_tick_that_cannot_be_delivered_is_retried_for_an_hour_and_then_a_dead_letter(templates: Templates) -> None:
    for rule in resources(templates, "AWS::Events::Rule"):
        (target,) = rule.properties["Targets"]
        assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 5}
        assert text(target["DeadLetterConfig"]["Arn"]) == arn("sqs", PREFIX + DEAD)
    (policy,) = [
        plain(found.properties["PolicyDocument"])
        for found in resources(templates, "AWS::SQS::QueuePolicy")
        if len(found.properties["PolicyDocument"]["Statement"]) > 1
    ]
    (allow,) = [statement for statement in policy["Statement"] if statement["Effect"] == "Allow"]
    assert allow["Principal"] == {"Service": "events.amazonaws.com"}
    assert allow["Condition"] == {"ArnLike": {"aws:SourceArn": arn("events", f"rule/{PREFIX}*")}}


def test_a_queue_hides_a_batch_for_six_times_as_long_as_its_function_may_take(templates: Templates) -> None:
    assert list(quotas.of_mappings(templates)) == []
    timeouts = {f"{f.stack}<{f.id}>": f.properties["Timeout"] for f in resources(templates, "AWS::Lambda::Function")}
    queues = {f"{q.stack}<{q.id}.Arn>": q.properties for q in resources(templates, "AWS::SQS::Queue")}
    mappings = list(resources(templates, "AWS::Lambda::EventSourceMapping"))
    assert len(mappings) >= 2
    for mapping in mappings:
        queue = queues[mapping.stack + text(mapping.properties["EventSourceArn"])]
        timeout = timeouts.get(mapping.stack + text(mapping.properties["FunctionName"]))
        if timeout is not None:
            assert queue["VisibilityTimeout"] >= 6 * timeout
        assert mapping.properties["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert 2 <= mapping.properties["ScalingConfig"]["MaximumConcurrency"] <= 1000


def test_a_dead_letter_queue_retains_messages_longer_than_its_source(templates: Templates) -> None:
    queues = {f"{q.stack}<{q.id}.Arn>": q.properties for q in resources(templates, "AWS::SQS::Queue")}
    by_name = {arn("sqs", text(properties["QueueName"])): properties for properties in queues.values()}
    for key, properties in queues.items():
        redrive = properties.get("RedrivePolicy")
        if redrive is None:
            continue
        assert redrive["maxReceiveCount"] == 5
        stack, target = key.partition("<")[0], text(redrive["deadLetterTargetArn"])
        below = by_name.get(target) or queues[stack + target]
        assert below["MessageRetentionPeriod"] > properties["MessageRetentionPeriod"]


def test_queues_are_encrypted_and_require_tls(templates: Templates) -> None:
    queues = list(resources(templates, "AWS::SQS::Queue"))
    denied = {
        text(one)
        for policy in resources(templates, "AWS::SQS::QueuePolicy")
        for statement in policy.properties["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny" and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        for one in statement["Resource"]
    }
    assert all(queue.properties["SqsManagedSseEnabled"] for queue in queues)
    assert denied == {f"<{queue.id}.Arn>" for queue in queues}


def test_the_queues_of_the_platform_are_created_once(templates: Templates) -> None:
    names = [text(queue.properties["QueueName"]) for queue in resources(templates, "AWS::SQS::Queue")]
    assert sorted(names) == sorted(set(names))
    assert {PREFIX + FIRINGS, PREFIX + WORK, PREFIX + DEAD, f"{PREFIX}last-resort"} <= set(names)


def test_the_queue_of_workers_is_polled_by_nobody_until_one_is_started(templates: Templates) -> None:
    [work] = [q for q in resources(templates, "AWS::SQS::Queue") if text(q.properties["QueueName"]) == PREFIX + WORK]
    mapped = {
        found.stack + text(found.properties["EventSourceArn"])
        for found in resources(templates, "AWS::Lambda::EventSourceMapping")
    }
    assert f"{work.stack}<{work.id}.Arn>" not in mapped
    assert mapped


def test_a_function_url_is_allowed_both_ways(templates: Templates) -> None:
    for url in resources(templates, "AWS::Lambda::Url"):
        target = url.properties["TargetFunctionArn"]
        allowed = {
            (
                found.properties["Action"],
                found.properties["Principal"],
                found.properties.get("FunctionUrlAuthType"),
                found.properties.get("InvokedViaFunctionUrl"),
            )
            for found in resources(templates, "AWS::Lambda::Permission")
            if found.properties["FunctionName"] == target
        }
        assert allowed == {
            ("lambda:InvokeFunctionUrl", "*", "NONE", None),
            ("lambda:InvokeFunction", "*", None, True),
        }
        assert url.properties["AuthType"] == "NONE"


def test_the_trigger_can_read_one_secret_start_functions_and_read_state_and_nothing_else(templates: Templates) -> None:
    allowed = {
        action
        for statement in statements(templates, functions(templates)["trigger"])
        for action in statement["Action"]
        if not action.startswith("logs:")
    }
    reads = {"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"}
    assert allowed == {"secretsmanager:GetSecretValue", "lambda:InvokeFunction", *reads}
    assert functions(templates)["trigger"].properties["Timeout"] == 29


def test_the_downloads_can_look_up_one_export_and_read_archives_and_cost_nothing_idle(templates: Templates) -> None:
    function = functions(templates)["downloads"]
    allowed = {
        (action, text(resource))
        for statement in statements(templates, function)
        for action in statement["Action"]
        for resource in statement["Resource"]
        if not action.startswith("logs:")
    }
    table, objects = (
        arn("dynamodb", f"table/{PREFIX}exports"),
        f"arn:aws:s3:::{PREFIX}artifacts-{ACCOUNT}-{REGION}/exports/*",
    )
    assert allowed == {("dynamodb:GetItem", table), ("dynamodb:GetItem", f"{table}/index/*"), ("s3:GetObject", objects)}
    watched = json.dumps([alarm.properties for alarm in resources(templates, "AWS::CloudWatch::Alarm")])
    assert ("trigger-errors" in watched, "downloads-errors" in watched) == (True, False)


def test_stacks_share_nothing_but_names(templates: Templates) -> None:
    for template in templates.values():
        assert not [output for output in template.get("Outputs", {}).values() if "Export" in output]
        written = json.dumps(template)
        assert "Fn::ImportValue" not in written
        assert "Fn::GetStackOutput" not in written


def test_no_stack_is_near_what_cloudformation_allows(templates: Templates) -> None:
    assert max(len(template["Resources"]) for template in templates.values()) <= 400


def test_tables_are_as_declared_have_a_ttl_and_can_be_restored(templates: Templates) -> None:
    found = {text(table.properties["TableName"]): table for table in resources(templates, "AWS::DynamoDB::Table")}
    assert set(found) == {PREFIX + table.name for table in TABLES}
    for table in TABLES:
        properties = found[PREFIX + table.name].properties
        assert properties["TimeToLiveSpecification"] == {"AttributeName": TTL, "Enabled": True}
        assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert properties["BillingMode"] == "PAY_PER_REQUEST"
        assert [key["AttributeName"] for key in properties["KeySchema"]] == [table.pk, table.sk]
        projections = {
            index["IndexName"]: index["Projection"] for index in properties.get("GlobalSecondaryIndexes", [])
        }
        assert projections == {index.name: projection(index) for index in table.indexes}


def test_an_index_can_be_left_out_since_an_update_creates_one_of_a_table() -> None:
    def left(given: str | None) -> list[str]:
        return [index.name for index in state.indexes_of(STATE, given)]

    assert left(None) == ["failures", "tenant"]
    assert left("state/tenant") == ["failures"]
    assert left("webevals/queued") == ["failures", "tenant"]
    with pytest.raises(state.UnknownIndex, match="there is no such index; name its table too: state/failures"):
        left("tenant")


def test_artifacts_are_private_encrypted_versioned_and_expire(templates: Templates) -> None:
    (bucket,) = resources(templates, "AWS::S3::Bucket")
    assert text(bucket.properties["BucketName"]) == f"{PREFIX}artifacts-{ACCOUNT}-{REGION}"
    assert set(bucket.properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket.properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert "AES256" in json.dumps(bucket.properties["BucketEncryption"])
    rule, *folders = bucket.properties["LifecycleConfiguration"]["Rules"]
    kept = {found["Prefix"]: found["ExpirationInDays"] for found in folders if "ExpirationInDays" in found}
    results = {f"effects/{name}/": job.effects for name, job in JOBS.items() if job.effects}
    backstops = {"dead/": 45, "plans/": 45, "exports/": 14, "payloads/": 60}
    assert kept == {**backstops, **{prefix: kept[prefix] for prefix in results}}
    assert all(timedelta(days=kept[prefix]) >= span + timedelta(days=1) for prefix, span in results.items())
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    gone = {found["Prefix"] for found in folders if found.get("NoncurrentVersionExpiration") == {"NoncurrentDays": 1}}
    assert gone == {"mail/", "exports/"}
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 2}
    (policy,) = resources(templates, "AWS::S3::BucketPolicy")
    assert policy.properties["PolicyDocument"]["Statement"][0]["Effect"] == "Deny"


def test_the_token_is_generated_and_no_secret_is_created_that_the_stages_file_does_not_name(
    templates: Templates,
) -> None:
    secrets = {text(found.properties["Name"]): found for found in resources(templates, "AWS::SecretsManager::Secret")}
    assert set(secrets) == {"nightshift/prod/internal-health-token"}
    token = secrets["nightshift/prod/internal-health-token"].properties
    assert token["GenerateSecretString"]["PasswordLength"] >= 48


def test_production_keeps_data_dead_letters_and_logs_except_of_a_first_deployment_that_fails(
    templates: Templates,
) -> None:
    targets = {
        text(queue.properties["RedrivePolicy"]["deadLetterTargetArn"])
        for queue in resources(templates, "AWS::SQS::Queue")
        if "RedrivePolicy" in queue.properties
    }
    kinds = ("AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::SecretsManager::Secret", "AWS::Logs::LogGroup")
    kept = set()
    for found in resources(templates):
        queue = found.type == "AWS::SQS::Queue" and (
            f"<{found.id}.Arn>" in targets or arn("sqs", text(found.properties["QueueName"])) in targets
        )
        resource = templates[found.stack]["Resources"][found.id]
        if found.type in kinds or queue:
            kept.add(found.type)
            assert resource["DeletionPolicy"] == "RetainExceptOnCreate", found.id
            assert resource["UpdateReplacePolicy"] == "Retain", found.id
        elif found.type not in ("AWS::KMS::Key", "AWS::SQS::QueuePolicy"):
            assert "DeletionPolicy" not in resource, found.id
    assert kept == {*kinds, "AWS::SQS::Queue"}


def test_functions_are_tagged_with_their_job(templates: Templates) -> None:
    for name in JOBS:
        [tag] = functions(templates)[name].properties["Tags"]
        assert tag == {"Key": "nightshift:job", "Value": name}


def test_every_alarm_notifies_the_same_topic(templates: Templates) -> None:
    alarms = list(resources(templates, "AWS::CloudWatch::Alarm"))
    told = {text(topic) for alarm in alarms for topic in alarm.properties["AlarmActions"]}
    assert told == {arn("sns", f"{PREFIX}alerts")}
    watched = {text(d["Value"]) for alarm in alarms for d in alarm.properties.get("Dimensions", [])}
    assert {PREFIX + FIRINGS, PREFIX + DEAD, f"{PREFIX}last-resort", f"{PREFIX}trigger"} <= watched


def test_a_job_with_silent_after_has_an_alarm(templates: Templates) -> None:
    asked = {f"{PREFIX}{name}-silent": job.silent_after for name, job in JOBS.items() if job.silent_after}
    found = {
        text(alarm.properties["AlarmName"]): alarm.properties["Period"]
        for alarm in resources(templates, "AWS::CloudWatch::Alarm")
        if alarm.properties["TreatMissingData"] == "breaching"
    }
    # The reconciler reports missed ticks of all jobs, except its own.
    assert f"{PREFIX}reconciler-silent" in asked
    assert found == asked


def test_one_missed_tick_is_an_alarm(templates: Templates) -> None:
    (missed,) = (
        alarm.properties
        for alarm in resources(templates, "AWS::CloudWatch::Alarm")
        if alarm.properties["MetricName"] == "Missed"
    )
    assert (missed["EvaluationPeriods"], missed["Threshold"], missed["Statistic"]) == (1, 1, "Sum")
    assert [text(d["Value"]) for d in missed["Dimensions"]] == ["prod"]


def test_jobs_that_watch_others_have_an_alarm_that_missing_data_breaches(templates: Templates) -> None:
    alarms = {text(a.properties["AlarmName"]): a.properties for a in resources(templates, "AWS::CloudWatch::Alarm")}
    for watcher in ("reconciler", "job-monitoring"):
        alarm = alarms[f"{PREFIX}{watcher}-silent"]
        assert (alarm["MetricName"], alarm["TreatMissingData"]) == ("Invocations", "breaching")
        assert [text(d["Value"]) for d in alarm["Dimensions"]] == [PREFIX + watcher]
        assert alarm["Period"] * alarm["EvaluationPeriods"] <= 900
        assert [text(topic) for topic in alarm["AlarmActions"]] == [arn("sns", f"{PREFIX}alerts")]
    # A watching job that starts and fails, or is interrupted at once, is counted by these metrics.
    for metric in ("Failed", "Lost", "Missed"):
        alarm = alarms[f"{PREFIX}runs-{metric.lower()}"]
        assert (alarm["Namespace"], alarm["MetricName"]) == ("Nightshift", metric)
        assert [(d["Name"], text(d["Value"])) for d in alarm["Dimensions"]] == [("stage", "prod")]


def test_the_dashboard_is_valid_json_once_it_is_deployed(templates: Templates) -> None:
    (dashboard,) = resources(templates, "AWS::CloudWatch::Dashboard")
    body = json.loads(text(dashboard.properties["DashboardBody"]))
    assert len(body["widgets"]) >= 8


# The grammar of search expressions: a schema in braces, then designators whose quoted values match as a whole.
SEARCH = re.compile(r"""SEARCH\('\{\w+(,\w+)+\}( \w+="[^"'*]+")+', '\w+', \d+\)""")


def test_every_graph_names_metrics_that_exist(templates: Templates) -> None:
    (dashboard,) = resources(templates, "AWS::CloudWatch::Dashboard")
    known = {
        "FunctionName": {*functions(templates)},
        "QueueName": {text(queue.properties["QueueName"]) for queue in resources(templates, "AWS::SQS::Queue")},
        "TableName": {text(table.properties["TableName"]) for table in resources(templates, "AWS::DynamoDB::Table")},
    }
    shown: dict[str, set[str]] = {name: set() for name in known}
    for widget in json.loads(text(dashboard.properties["DashboardBody"]))["widgets"]:
        assert 1 <= len(widget["properties"]["metrics"]) <= 500
        for metric in widget["properties"]["metrics"]:
            if isinstance(metric[0], dict):
                assert SEARCH.fullmatch(metric[0]["expression"])
                assert 'stage="prod"' in metric[0]["expression"]
            else:
                _, _, dimension, value = metric
                shown[dimension].add(value)
    assert {name.removeprefix(PREFIX) for name in shown["FunctionName"]} == {
        name.removeprefix(PREFIX) for name in known["FunctionName"]
    }
    assert shown["QueueName"] == known["QueueName"]
    assert shown["TableName"] == known["TableName"]


@pytest.mark.timeout(600)
def test_cfn_lint_finds_no_error(templates: Templates, tmp_path: Path) -> None:
    for stack, template in templates.items():
        (tmp_path / f"{stack}.template.json").write_text(json.dumps(template))
    lint = Path(sys.executable).with_name("cfn-lint")
    done = subprocess.run(
        [str(lint), "--non-zero-exit-code", "error", *map(str, tmp_path.glob("*.json"))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout == ""


def test_a_job_of_another_stage_is_not_deployed(templates: Templates) -> None:
    elsewhere = registry.jobs().keys() - JOBS.keys()
    assert elsewhere
    assert not elsewhere & functions(templates).keys()


def of_url(templates: Templates, name: str, action: str) -> set[str]:
    """Last parts of the resources on which the function of a URL may do something."""
    return {
        one.rpartition(":")[2]
        for statement in statements(templates, functions(templates)[name])
        if action in statement["Action"]
        for one in statement["Resource"]
    }


def test_a_url_invokes_and_drains_only_what_it_serves(templates: Templates) -> None:
    consumers = {name: job.queue for name, job in JOBS.items() if job.queue and job.queue not in (FIRINGS, DEAD)}
    assert len(consumers) > 3
    invoke = "lambda:InvokeFunction"
    assert of_url(templates, "trigger", invoke) == {PREFIX + name for name in JOBS}
    assert of_url(templates, "console", invoke) == {PREFIX + name for name in JOBS}
    assert of_url(templates, "queues", invoke) == {PREFIX + name for name in consumers}
    assert of_url(templates, "downloads", invoke) == set()
    for action in ("sqs:ReceiveMessage", "sqs:DeleteMessage"):
        assert of_url(templates, "queues", action) == {PREFIX + queue.replace(":", "-") for queue in consumers.values()}
        assert all(of_url(templates, name, action) == set() for name in ("trigger", "console", "downloads"))


def test_a_flood_of_requests_to_a_url_throttles_no_job(templates: Templates) -> None:
    urls = {path.parent.name for path in ROOT.glob("functions/*/handler.py")}
    reserved = {
        name: function.properties.get("ReservedConcurrentExecutions") for name, function in functions(templates).items()
    }
    assert {name: reserved[name] for name in urls} == dict.fromkeys(urls, public.URL_CONCURRENCY)


def scope(given: object) -> Any:
    """A construct with this value in the context."""
    return SimpleNamespace(node=SimpleNamespace(try_get_context={public.CONCURRENCY: given}.get))


@pytest.mark.parametrize(("given", "reserved"), [(None, 5), ("1", 1), (12, 12), ("0", None)])
def test_the_concurrency_of_the_urls_is_set_by_the_context(given: object, reserved: int | None) -> None:
    assert public.concurrency(scope(given)) == reserved


@pytest.mark.parametrize("given", ["", "-1", "many", "1001", "\u0661"])
def test_a_concurrency_that_is_no_number_is_refused(given: str) -> None:
    with pytest.raises(quotas.LimitError, match="from 0 to 1000"):
        public.concurrency(scope(given))


def test_templates_name_no_partition_and_no_domain(templates: Templates) -> None:
    """They deploy in China and GovCloud too: only principals of services have the same names there."""
    principals = {f"{service}.amazonaws.com" for service in ("cloudwatch", "events", "lambda")}
    literals = {
        found
        for template in templates.values()
        for found in re.findall(
            r"arn:aws[\w-]*:[^\"]*|[\w.-]*amazonaws\.com[\w./-]*", json.dumps(template["Resources"])
        )
    }
    assert literals == principals
