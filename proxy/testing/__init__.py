"""What `chatreel.pytest_plugin` is made of. Light: a test run that records and replays nothing must not notice it.

options   what can be configured, and what wins
names     the cassette of a test
guard     calls that go around the proxy
shared    one proxy for all processes of a run
control   the control API, over one connection
handle    what a test sees of its session
verdicts  what all tests came to: findings, table, report
"""
