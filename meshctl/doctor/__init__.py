"""What phones would show in this network, found out by asking as they ask."""
