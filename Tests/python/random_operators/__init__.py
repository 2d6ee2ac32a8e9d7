"""The operators of random graphs by family: functions that add a node or a few to a `Builder`."""
