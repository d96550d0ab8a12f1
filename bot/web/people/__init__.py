"""The clinic's people and how they sign in, without HTTP: pages and cookies are in ``bot.web.inbox``.

- ``auth``           passwords, sessions, the pause after wrong tries
- ``second_factor``  app codes and recovery codes; ``codes`` the step of signing in that asks for one
- ``oidc``           the clinic's own identity provider; ``linking`` whose account it is
- ``staff``          adding, inviting, disabling people, and their roles; ``passwords`` what may be one
- ``devices``        browsers that somebody has used before; ``keys`` the key that secrets are kept with
"""
