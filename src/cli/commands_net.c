/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of the network: options of new sandboxes, and msb net. */
#include "cli/cli.h"
#include "cli/commands.h"

static const char *const protocols[] = { "tcp", "udp", "icmp", NULL };

#define POLICY_OPTIONS(flags_)                                                 \
	{ .id = O_NET,                                                         \
	  .kind = OPT_LIST,                                                    \
	  .name = "net",                                                       \
	  .value = "PROFILE",                                                  \
	  .help = "What may be reached: public (default), private, host, "     \
		  "all, none; e.g. public,host",                               \
	  .flags = (flags_) },                                                 \
		{ .id = O_NO_NET,                                              \
		  .kind = OPT_SWITCH,                                          \
		  .name = "no-net",                                            \
		  .help = "Deny whatever no --net-rule allows",                \
		  .flags = (flags_) },                                         \
		{ .id = O_NET_RULE,                                            \
		  .kind = OPT_LIST,                                            \
		  .name = "net-rule",                                          \
		  .value = "RULES",                                            \
		  .help = "ACTION[:DIRECTION]@TARGET[:PROTO[:PORTS]],...; "    \
			  "e.g. "                                              \
			  "allow@example.com:tcp:443",                         \
		  .flags = (flags_) },                                         \
		{ .id = O_NET_DEFAULT,                                         \
		  .kind = OPT_TEXT,                                            \
		  .name = "net-default",                                       \
		  .value = "ACTION",                                           \
		  .help = "What becomes of traffic that no rule decides: "     \
			  "allow, "                                            \
			  "deny",                                              \
		  .flags = (flags_) },                                         \
		{ .id = O_NET_DEFAULT_EGRESS,                                  \
		  .kind = OPT_TEXT,                                            \
		  .name = "net-default-egress",                                \
		  .value = "ACTION",                                           \
		  .help = "The same, of what the guest begins (default with "  \
			  "rules: "                                            \
			  "deny)",                                             \
		  .flags = (flags_) },                                         \
	{                                                                      \
		.id = O_NET_DEFAULT_INGRESS, .kind = OPT_TEXT,                 \
		.name = "net-default-ingress", .value = "ACTION",              \
		.help = "The same, of what comes to published ports (default " \
			"with "                                                \
			"rules: allow)",                                       \
		.flags = (flags_)                                              \
	}

const struct option cli_network_options[] = {
	{ .id = O_PORT,
	  .kind = OPT_LIST,
	  .letter = 'p',
	  .name = "port",
	  .value = "[BIND:]HOST:GUEST[/udp]",
	  .help = "Publish a port of the guest (default BIND: 127.0.0.1)",
	  .flags = OPT_CREATION },
	POLICY_OPTIONS(OPT_CREATION),
	{ .id = O_NO_REBIND,
	  .kind = OPT_SWITCH,
	  .name = "no-dns-rebind-protection",
	  .help = "Let names stand for addresses that are not public",
	  .flags = OPT_CREATION },
	{ .id = O_NAMESERVER,
	  .kind = OPT_LIST,
	  .name = "dns-nameserver",
	  .value = "SERVER",
	  .help = "IP, IP:PORT or [IPv6]:PORT to ask instead of the host's "
		  "nameservers",
	  .flags = OPT_CREATION },
	{ .id = O_DNS_TIMEOUT,
	  .kind = OPT_UINT,
	  .name = "dns-query-timeout-ms",
	  .value = "N",
	  .help = "How long a nameserver has to answer (default: 5000)",
	  .flags = OPT_CREATION,
	  .max = UINT32_MAX },
	{ .id = O_IPV4_POOL,
	  .kind = OPT_TEXT,
	  .name = "net-ipv4-pool",
	  .value = "CIDR",
	  .help = "Where the guest's /30 is taken from (default: "
		  "172.16.0.0/12)",
	  .flags = OPT_CREATION },
	{ .id = O_IPV6_POOL,
	  .kind = OPT_TEXT,
	  .name = "net-ipv6-pool",
	  .value = "CIDR",
	  .help = "Where the guest's /64 is taken from (default: "
		  "fd42:6d73:62::/48)",
	  .flags = OPT_CREATION },
	{ .id = O_MAX_CONNECTIONS,
	  .kind = OPT_UINT,
	  .name = "max-connections",
	  .value = "N",
	  .help = "TCP connections of the guest at one time (default: 256)",
	  .flags = OPT_CREATION,
	  .max = UINT32_MAX },
	END,
};

static const struct option explain_options[] = {
	POLICY_OPTIONS(0),
	{ .id = O_SANDBOX,
	  .kind = OPT_TEXT,
	  .name = "sandbox",
	  .value = "NAME",
	  .help = "The policy of this sandbox" },
	{ .id = O_PROTO,
	  .kind = OPT_CHOICE,
	  .name = "proto",
	  .value = "PROTO",
	  .help = "tcp (default), udp, icmp",
	  .choices = protocols },
	{ .id = O_INGRESS,
	  .kind = OPT_SWITCH,
	  .name = "ingress",
	  .help = "TARGET is a peer that comes to this port of the guest" },
	{ .id = O_ADDRESS,
	  .kind = OPT_TEXT,
	  .name = "address",
	  .value = "IP",
	  .help = "What the name resolved to (default: some public "
		  "address)" },
	{ .id = O_CHECK,
	  .kind = OPT_SWITCH,
	  .name = "check",
	  .help = "Exit code 1 when it is denied" },
	FORMAT_OPTION,
	END,
};

const struct command cli_net_commands[] = {
	{ .name = "explain",
	  .summary = "Say which rule of a policy decides, without a sandbox",
	  .details = "The rules stand in front of TARGET, or in the options "
		     "of run; without any it is the\ndefault policy. A name "
		     "is two questions: may it be resolved, and what of a "
		     "connection\nto it then. Without a port, all ports are "
		     "told.\n\nmsb net explain allow@example.com:tcp:443 "
		     "example.com:443",
	  .groups = { explain_options },
	  .words = { { .name = "RULES",
		       .many = true,
		       .help = "Rules as of --net-rule" },
		     { .name = "TARGET",
		       .required = true,
		       .help = "IP[:PORT], [IPv6]:PORT or NAME[:PORT]" } },
	  .run = cmd_net_explain },
	END,
};
