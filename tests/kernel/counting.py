"""Tables for nft that only count: what comes to the far end of the terrace, and what its gateway itself sends."""

FIRST_PORT = 10_000
"""The far end knows a device by the port that it talks to: this many and its number."""

CAME = f"""table inet came {{
	set up {{
		type inet_service
		flags dynamic
		size 65535
		counter
	}}
	chain first {{
		type filter hook prerouting priority raw; policy accept;
		th dport {FIRST_PORT}-{FIRST_PORT + 9999} update @up {{ th dport }}
	}}
	chain second {{
		type nat hook prerouting priority dstnat; policy accept;
		tcp dport {FIRST_PORT}-{FIRST_PORT + 9999} redirect to :80
	}}
}}
"""

OWN = """table inet own {
	set own {
		typeof meta oifname
		flags dynamic
		size 1024
		counter
	}
	set given {
		typeof meta oifname . meta priority
		flags dynamic
		size 4096
		counter
	}
	chain out {
		type filter hook output priority filter; policy accept;
		update @own { meta oifname }
	}
	chain leaving {
		type filter hook postrouting priority 300; policy accept;
		update @given { meta oifname . meta priority }
	}
}
"""
