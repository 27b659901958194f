"""What people are told, and how it is never lost and never a storm.

facts -> incidents -> events -> deliveries -> messages. `noticing` turns the state of jobs and
findings into incidents and their events, with the deliveries that `planning` gives them, in one
transaction; `outbox` sends; `tell` does all of it once.
"""
