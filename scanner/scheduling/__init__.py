"""What happens by itself, and when: APScheduler, made to stand what happens in years of running.

A process of its own runs it (`manage.py runapscheduler`), never the web. `engine` is APScheduler
with its gaps closed, `tasks` says what may be run, `jobs` keeps the rows of the job store as the
settings want them, `scheduler` starts and stops it all, `service` runs it until it is told to stop.
"""
