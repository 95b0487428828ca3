"""The pages that neighbours see. Unprivileged; talks to the agent over its socket."""
