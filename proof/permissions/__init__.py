"""Least privilege: calls of each job against the policy of its role.

requests      the IAM actions, resources and condition keys of a call
policy        what a policy answers
usage         calls of a job that are denied, and permissions that no call used
reasons       permissions that no call of the proof can use, and why the role has them
"""
