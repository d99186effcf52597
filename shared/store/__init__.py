"""Access patterns of DynamoDB.

The gateway, keys, indexes by age and due time, bulk and conditional writes.
"""
