"""DynamoDB client like boto3's, with a third of its CPU.

client: the calls. transport: HTTP on urllib3. responses: JSON. docs/decisions/0043 explains what is left to botocore.
"""
