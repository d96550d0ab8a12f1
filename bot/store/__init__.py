"""What is kept: conversations, their events, handoffs, the outbox, clinicians, audit, gaps.

- ``session``        the database handle, transactions, the clock, migrations from code
- ``models``         the tables
- ``conversations``  conversations, their tokens, state, open question, hold, offered buttons
- ``events``         the numbered event log of a conversation: the truth for what was said
- ``handoffs``       reading handoffs, for the inbox
- ``outbox``         notices that are due, leased, sent or dead; heartbeats
- ``clinicians``     the people who answer, and their sign-in sessions
- ``audit``          who did what, append only
- ``rights``         what a patient may see and erase, and their feedback on replies
- ``gaps``           what the assistant could not answer (never the patient's words)
- ``reports``        counts, times and means for the clinic, with small numbers hidden

Query functions take a ``Session``; the caller decides where a transaction begins and ends
(``with db.begin() as session:``). Nothing here imports any other package of ours.
"""
