/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of the network: options of new sandboxes, and msb net. */
#include "cli/cli.h"
#include "cli/commands.h"

static const char *const protocols[] = { "tcp", "udp", "icmp", NULL };
static const char *const profiles[] = { "public", "private", "host",
					"all",	  "none",    NULL };
static const char *const actions[] = { "allow", "deny", NULL };
static const char *const violations[] = { "block", "block-and-log",
					  "block-and-terminate", "passthrough",
					  NULL };

#define POLICY_OPTIONS(flags_)                                                 \
	{ .id = O_NET,                                                         \
	  .kind = OPT_LIST,                                                    \
	  .name = "net",                                                       \
	  .value = "PROFILE",                                                  \
	  .help = "What may be reached: public (default), private, host, "     \
		  "all, none; e.g. public,host",                               \
	  .choices = profiles,                                                 \
	  .flags = (flags_) | OPT_COMMAS },                                    \
		{ .id = O_NO_NET,                                              \
		  .kind = OPT_SWITCH,                                          \
		  .name = "no-net",                                            \
		  .help = "Deny whatever no --net-rule allows",                \
		  .flags = (flags_) },                                         \
		{ .id = O_NET_RULE,                                            \
		  .kind = OPT_LIST,                                            \
		  .name = "net-rule",                                          \
		  .value = "RULES",                                            \
		  .help = "ACTION[:DIRECTION]@TARGET[:PROTO[:PORTS]], ...; "   \
			  "e.g. allow@example.com:tcp:443",                    \
		  .flags = (flags_) },                                         \
		{ .id = O_NET_DEFAULT,                                         \
		  .kind = OPT_TEXT,                                            \
		  .name = "net-default",                                       \
		  .value = "ACTION",                                           \
		  .choices = actions,                                          \
		  .help = "What becomes of traffic that no rule decides: "     \
			  "allow, "                                            \
			  "deny",                                              \
		  .flags = (flags_) },                                         \
		{ .id = O_NET_DEFAULT_EGRESS,                                  \
		  .kind = OPT_TEXT,                                            \
		  .name = "net-default-egress",                                \
		  .value = "ACTION",                                           \
		  .choices = actions,                                          \
		  .help = "The same, of what the guest begins (default with "  \
			  "rules: "                                            \
			  "deny)",                                             \
		  .flags = (flags_) },                                         \
	{                                                                      \
		.id = O_NET_DEFAULT_INGRESS, .kind = OPT_TEXT,                 \
		.name = "net-default-ingress", .value = "ACTION",              \
		.choices = actions,                                            \
		.help = "The same, of what comes to published ports (default " \
			"with "                                                \
			"rules: allow)",                                       \
		.flags = (flags_)                                              \
	}

const struct option cli_policy_options[] = {
	POLICY_OPTIONS(0),
	END,
};

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
	{ .id = O_SECRET,
	  .kind = OPT_LIST,
	  .name = "secret",
	  .value = "ENV[=VALUE]@HOST,...",
	  .what = VALUE_SECRET,
	  .help = "Send $ENV, or VALUE, to these hosts; the guest has a "
		  "placeholder",
	  .flags = OPT_CREATION },
	{ .id = O_SECRET_FILE,
	  .kind = OPT_LIST,
	  .name = "secret-file",
	  .value = "ENV=PATH@HOST,...",
	  .what = VALUE_KEY_FILE,
	  .help = "The same, with the value in a file of the host",
	  .flags = OPT_CREATION },
	{ .id = O_SECRET_INJECT,
	  .kind = OPT_LIST,
	  .name = "secret-inject",
	  .value = "ENV=PLACE,...",
	  .help = "Where it is put in: headers, basic (both: default), query, "
		  "body",
	  .flags = OPT_CREATION },
	{ .id = O_SECRET_VIOLATION,
	  .kind = OPT_TEXT,
	  .name = "on-secret-violation",
	  .value = "ACTION",
	  .choices = violations,
	  .help = "A placeholder sent elsewhere: block, block-and-log "
		  "(default), block-and-terminate, passthrough",
	  .flags = OPT_CREATION },
	{ .id = O_TRUST_HOST_CAS,
	  .kind = OPT_SWITCH,
	  .name = "trust-host-cas",
	  .help = "Let the guest trust the authorities that this host trusts",
	  .flags = OPT_CREATION },
	END,
};

const struct option cli_tls_options[] = {
	{ .id = O_TLS_INTERCEPT,
	  .kind = OPT_SWITCH,
	  .name = "tls-intercept",
	  .help = "Look into TLS connections (as all options of TLS)",
	  .flags = OPT_CREATION },
	{ .id = O_TLS_PORT,
	  .kind = OPT_LIST,
	  .name = "tls-intercept-port",
	  .value = "PORT",
	  .help = "A port to intercept, instead of 443",
	  .flags = OPT_CREATION },
	{ .id = O_TLS_BYPASS,
	  .kind = OPT_LIST,
	  .name = "tls-bypass",
	  .value = "DOMAIN",
	  .help = "Do not look into connections to NAME, or *.NAME",
	  .flags = OPT_CREATION },
	{ .id = O_NO_BLOCK_QUIC,
	  .kind = OPT_SWITCH,
	  .name = "no-block-quic",
	  .help = "Let QUIC through, which is never looked into",
	  .flags = OPT_CREATION },
	{ .id = O_TLS_CA_CERT,
	  .kind = OPT_TEXT,
	  .name = "tls-intercept-ca-cert",
	  .value = "FILE",
	  .what = VALUE_FILE,
	  .help = "The authority that the guest sees (PEM), instead of one "
		  "of this home",
	  .flags = OPT_CREATION },
	{ .id = O_TLS_CA_KEY,
	  .kind = OPT_TEXT,
	  .name = "tls-intercept-ca-key",
	  .value = "FILE",
	  .what = VALUE_FILE,
	  .help = "Its key (PEM)",
	  .flags = OPT_CREATION },
	{ .id = O_TLS_UPSTREAM_CA,
	  .kind = OPT_LIST,
	  .name = "tls-upstream-ca-cert",
	  .value = "FILE",
	  .what = VALUE_FILE,
	  .help = "Trust this authority, too, when servers are verified (PEM)",
	  .flags = OPT_CREATION },
	{ .id = O_TLS_UPSTREAM_CA_FOR,
	  .kind = OPT_LIST,
	  .name = "tls-upstream-ca-cert-for",
	  .value = "HOST=FILE",
	  .what = VALUE_KEY_FILE,
	  .help = "The same, for NAME or *.NAME only",
	  .flags = OPT_CREATION },
	{ .id = O_TLS_NO_VERIFY,
	  .kind = OPT_LIST,
	  .name = "tls-no-verify-upstream-for",
	  .value = "HOST",
	  .help = "Do not verify these servers: NAME or *.NAME",
	  .flags = OPT_CREATION },
	END,
};

static const struct option explain_options[] = {
	POLICY_OPTIONS(0),
	{ .id = O_SANDBOX,
	  .kind = OPT_TEXT,
	  .name = "sandbox",
	  .value = "NAME",
	  .what = VALUE_SANDBOX,
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
