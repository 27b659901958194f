"""What happens by itself, and when: APScheduler, made to stand what happens in years of running.

A process of its own runs it (`manage.py runapscheduler`), never the web. Of several such processes
one leads (`leadership`) and the others stand by.

`service` leads or stands by until it is told to stop; `scheduler` starts and stops what a leader
has: `engine`, which is APScheduler with its gaps closed. `tasks` says what may be run, `slots`
when, and `reconcile` has the job store follow what people change. Each run goes through `dispatch`,
which has it claimed and closed in the history (`ledger`); `interruption` closes what is not waited
for.
"""
