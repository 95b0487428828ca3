"""Charter, recount and publication rules: pure functions of their arguments."""
