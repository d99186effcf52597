"""DynamoDB access patterns, each in one place."""
