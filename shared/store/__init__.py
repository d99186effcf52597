"""Access patterns of DynamoDB: the gateway, keys, indexes by age and due time, bulk and conditional writes."""
