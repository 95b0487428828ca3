"""The fleet: intake, store, dashboard, public page."""
