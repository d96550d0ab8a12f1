"""Passing a patient's message to the clinic's people, so that nothing is lost and nothing untrue is said.

- ``states``    the rules: which step is allowed, and who answers the patient after it (pure)
- ``escalate``  raise, see, claim, hand back, close: each one transaction, with its audit row
- ``worker``    sends what the outbox holds, retries, and shows that it is alive
- ``silence``   a safety question without an answer counts as a yes after a time
- ``email``     the e-mail notice: tier and link, never the patient's words
"""
