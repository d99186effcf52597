"""Jobs on users, and on what belongs to their accounts."""
