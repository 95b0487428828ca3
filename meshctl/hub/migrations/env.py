"""What Alembic runs: the steps, in the transaction and under the lock that `migrate` already holds."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
