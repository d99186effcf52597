"""Sample CDK app with one resource of each type that Nightshift deploys."""

import os

from aws_cdk import App, CfnOutput, DefaultStackSynthesizer, Duration, Stack, TimeZone
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as scheduled
from aws_cdk import aws_secretsmanager as secrets
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs

app = App()
stack = Stack(app, f"nightshift-{app.node.get_context('stage')}-sample", synthesizer=DefaultStackSynthesizer())
dead = sqs.Queue(stack, "Dead", queue_name="sample-dead")
work = sqs.Queue(
    stack, "Work", queue_name="sample-work", dead_letter_queue=sqs.DeadLetterQueue(queue=dead, max_receive_count=2)
)
failures = sqs.Queue(stack, "Failures", queue_name="sample-failures")
table = dynamodb.Table(
    stack,
    "Table",
    table_name="sample-state",
    partition_key=dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.STRING),
    billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
    time_to_live_attribute="expires",
)
table.add_global_secondary_index(
    index_name="by-due", partition_key=dynamodb.Attribute(name="due", type=dynamodb.AttributeType.STRING)
)
s3.Bucket(stack, "Bucket", bucket_name="sample-artifacts")
function = lambda_.Function(
    stack,
    "Function",
    function_name="nightshift-local-trigger",
    runtime=lambda_.Runtime.PYTHON_3_13,
    handler="app.handle",
    code=lambda_.Code.from_asset("code"),
    environment={"WORD": os.environ["WORD"]},
    timeout=Duration.seconds(10),
    retry_attempts=0,
    max_event_age=Duration.hours(1),
    on_failure=destinations.SqsDestination(failures),
)
function.add_event_source(sources.SqsEventSource(work, report_batch_item_failures=True, max_concurrency=2))
function.add_function_url(auth_type=lambda_.FunctionUrlAuthType.NONE)
table.grant_read_write_data(function)
events.Rule(
    stack,
    "Rule",
    rule_name="sample-rule",
    schedule=events.Schedule.cron(minute="0/15"),
    targets=[targets.LambdaFunction(function, retry_attempts=3, dead_letter_queue=dead)],
)
scheduler.Schedule(
    stack,
    "Schedule",
    schedule_name="sample-schedule",
    schedule=scheduler.ScheduleExpression.cron(minute="0", hour="9", time_zone=TimeZone.of("Europe/Berlin")),
    target=scheduled.LambdaInvoke(
        function, input=scheduler.ScheduleTargetInput.from_object({"time": scheduler.ContextAttribute.scheduled_time})
    ),
)
topic = sns.Topic(stack, "Topic", topic_name="sample-alerts")
secrets.Secret(
    stack,
    "Secret",
    secret_name="sample-token",
    generate_secret_string=secrets.SecretStringGenerator(exclude_punctuation=True, password_length=32),
)
cloudwatch.Alarm(
    stack,
    "Alarm",
    alarm_name="sample-alarm",
    metric=dead.metric_approximate_number_of_messages_visible(),
    threshold=1,
    evaluation_periods=1,
)
CfnOutput(stack, "TopicArn", value=topic.topic_arn)
app.synth()
