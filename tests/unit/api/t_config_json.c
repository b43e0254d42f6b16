/* SPDX-License-Identifier: Apache-2.0 */
/* Options of a sandbox as JSON: what each becomes, and how it is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/api_int.h"
#include "api/image_int.h"
#include "api/network.h"
#include "protocol/patch.h"
#include "world.h"

static struct world *w;
static msb_config_t *c;

static int setup(void **state)
{
	msb_error_t *e = NULL;

	w = world_make(NULL);
	*state = w;
	return msb_config_new(w->m, &c, &e);
}

static int teardown(void **state)
{
	(void)state;
	msb_config_free(c);
	world_free(w);
	return 0;
}

/* Quotes are written as ' to stay readable; no option here needs one. */
static int apply(const char *text, msb_error_t **e)
{
	char *json = strdup(text);
	int rc;

	assert_non_null(json);
	for (char *p = json; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	rc = msb_config_apply_json(c, json, strlen(json), e);
	free(json);
	return rc;
}

static void taken(const char *text)
{
	msb_error_t *e = NULL;

	if (apply(text, &e))
		print_error("%s: %s\n", text, msb_error_text(e));
	assert_null(e);
}

static void renew(void)
{
	msb_error_t *e = NULL;

	msb_config_free(c);
	assert_int_equal(msb_config_new(w->m, &c, &e), 0);
}

/* Refused with exactly this message, or with this at its beginning ("..."). */
static void refused(const char *text, const char *want)
{
	msb_error_t *e = NULL;
	const char *got;
	size_t len = strlen(want);
	bool open = str_ends(want, "...");

	assert_true(apply(text, &e) < 0);
	got = msb_error_message(e);
	if (open ? strncmp(got, want, len - 3) : strcmp(got, want))
		print_error("'%s' is not '%s'\n", got, want);
	assert_int_equal(open ? strncmp(got, want, len - 3) : strcmp(got, want),
			 0);
	assert_int_equal(msb_error_kind(e), MSB_ERR_INVALID);
	msb_error_free(e);
	renew();
}

static void shapes(void **state)
{
	msb_error_t *e = NULL;

	(void)state;
	refused("[]", "the options must be one object");
	refused("{'cpus':1", "the options are no JSON: line 1, column 9");
	refused("{'cpus':1,'cpus':2}",
		"the options are no JSON (a key is there twice): line 1, "
		"column 16");
	refused("{'cpus':'1'}", "cpus: must be a whole number");
	refused("{'cpus':1.0}", "cpus: must be a whole number");
	refused("{'cpus':-1}", "cpus: must be from 0 to 4294967295; got -1");
	refused("{'cpus':0}", "cpus: cpus must be at least 1");
	refused("{'workdir':1}", "workdir: must be a text");
	refused("{'ephemeral':1}", "ephemeral: must be true or false");
	refused("{'env':[]}", "env: must be an object");
	refused("{'env':{'A':1}}", "env.A: must be a text");
	refused("{'cmd':'x'}", "cmd: must be a list");
	refused("{'cmd':['x',1]}", "cmd[1]: must be a text");
	refused("{'cpu':1}", "cpu: no such option; did you mean cpus?");
	refused("{'memory':1}",
		"memory: no such option; did you mean memory_mib?");
	refused("{'memoryMib':1}",
		"memoryMib: no such option; did you mean memory_mib?");
	refused("{'bogus':null}", "bogus: no such option");
	refused("{'network':{'dns':{'timeout':1}}}",
		"network.dns.timeout: no such option; did you mean "
		"query_timeout_ms?");
	/* a secret that was cut off must not be shown */
	assert_true(msb_config_apply_json(c, "{\"a\":\"s3cr", 10, &e) < 0);
	assert_null(strstr(msb_error_text(e), "s3cr"));
	msb_error_free(e);
	taken("{'cpus':null,'env':null,'network':null,'secrets':null}");
}

static void simple_ones(void **state)
{
	(void)state;
	taken("{'cpus':2,'memory_mib':256,'workdir':'/srv','shell':'/bin/ash',"
	      "'hostname':'h','user':'u:g','env':{'A':'1','B':'2'},"
	      "'labels':{'l':'v'},'entrypoint':['/e'],'cmd':['c','d'],"
	      "'scripts':{'s':'#!/bin/sh\\n'},'max_duration_s':60,"
	      "'idle_timeout_s':5,'ephemeral':true,'attached':true,"
	      "'log_level':'debug','metrics_interval_ms':0,'engine':'uml',"
	      "'engine_jail':'relaxed','engine_mode':'ptrace',"
	      "'startup':['x'],'pull_policy':'never'}");
	assert_int_equal(c->c.cpus, 2);
	assert_int_equal(c->c.memory_mib, 256);
	assert_string_equal(c->c.workdir, "/srv");
	assert_string_equal(c->c.shell, "/bin/ash");
	assert_string_equal(c->c.hostname, "h");
	assert_string_equal(c->c.user, "u:g");
	assert_string_equal(strv_env_get(&c->c.env, "B"), "2");
	assert_string_equal(c->c.labels.v[0], "l=v");
	assert_string_equal(c->c.cmd.v[1], "d");
	assert_string_equal(c->c.entrypoint.v[0], "/e");
	assert_string_equal(c->c.scripts[0].data, "#!/bin/sh\n");
	assert_int_equal(c->c.max_duration_s, 60);
	assert_int_equal(c->c.idle_timeout_s, 5);
	assert_true(c->c.ephemeral && c->attached && c->has_startup);
	assert_string_equal(c->c.log_level, "debug");
	assert_int_equal(c->c.metrics_interval_ms, 0);
	assert_string_equal(c->c.engine_mode, "ptrace");
	assert_int_equal(c->image_options->policy, MSB_PULL_NEVER);
	refused("{'engine':'x'}", "engine: invalid engine: x...");
	refused("{'pull_policy':'x'}",
		"pull_policy: 'x' is none of: always, if-missing, never");
	refused("{'env':{'MSB_X':'1'}}", "env.MSB_X: environment...");
	refused("{'env':{'A B=':'1'}}", "env[\"A B=\"]: environment...");
}

static void roots(void **state)
{
	char text[512], disk[160];

	(void)state;
	taken("{'image':'busybox'}");
	assert_int_equal(c->c.root.kind, ROOT_OCI);
	renew();
	taken("{'image':{'oci':'busybox','upper_size_mib':128}}");
	assert_int_equal(c->upper_size_mib, 128);
	renew();
	(void)snprintf(text, sizeof(text), "{'image':{'bind':'%s'}}",
		       w->rootfs);
	taken(text);
	assert_int_equal(c->c.root.kind, ROOT_BIND);
	renew();
	/* a disk, whatever it is called */
	(void)snprintf(disk, sizeof(disk), "%s/image", w->base);
	world_file(disk, "x");
	(void)snprintf(text, sizeof(text),
		       "{'image':{'disk':'%s','format':'qcow2',"
		       "'fstype':'ext4'}}",
		       disk);
	taken(text);
	assert_int_equal(c->c.root.kind, ROOT_DISK);
	assert_int_equal(c->c.root.format, DISK_FORMAT_QCOW2);
	assert_string_equal(c->c.root.fstype, "ext4");
	renew();
	refused("{'image':{}}", "image: needs one of: oci, bind, disk");
	refused("{'image':{'oci':'a','bind':'/'}}",
		"image: oci and bind exclude each other");
	refused("{'image':{'oci':'./a'}}",
		"image.oci: './a' is a path, not a reference");
	refused("{'image':{'bind':'/','upper_size_mib':64}}",
		"image.upper_size_mib: is for oci only");
	refused("{'image':{'bind':'/','fstype':'ext4'}}",
		"image.fstype: is for disks only");
	refused("{'image':7}", "image: must be a text or an object");
	refused("{'image':'busybox','snapshot':'x'}",
		"snapshot: from_snapshot is mutually exclusive...");
}

static void programs(void **state)
{
	(void)state;
	taken("{'init':{'cmd':'/sbin/init','args':['a'],'env':{'K':'v'}},"
	      "'rlimits':[{'resource':'nofile','soft':10,'hard':'unlimited'},"
	      "{'resource':'nproc','soft':7}]}");
	assert_string_equal(c->c.init, "/sbin/init");
	assert_string_equal(c->c.init_args.v[0], "a");
	assert_string_equal(c->c.init_env.v[0], "K=v");
	assert_true(c->c.rlimits[0].hard == UINT64_MAX);
	assert_int_equal(c->c.rlimits[1].hard, 7);
	renew();
	taken("{'init':'auto'}");
	taken("{'replace':true}");
	assert_true(c->replace && c->grace_ms == 10000);
	taken("{'replace_timeout_ms':0}");
	assert_true(c->replace && c->grace_ms == 0);
	refused("{'init':{'args':[]}}", "init.cmd: is required");
	refused("{'replace':false,'replace_timeout_ms':5}",
		"replace_timeout_ms: contradicts replace, which is false");
	refused("{'rlimits':[{'resource':'nofile','soft':2,'hard':1}]}",
		"rlimits[0]: rlimit nofile: soft...");
	refused("{'rlimits':[{'resource':'nofile'}]}",
		"rlimits[0].soft: is required");
	refused("{'rlimits':[{'soft':1}]}", "rlimits[0].resource: is required");
	refused("{'rlimits':[{'resource':'nofile','soft':'no'}]}",
		"rlimits[0].soft: must be a whole number or \"unlimited\"");
	refused("{'registry':{'username':'u'}}",
		"registry: a login needs username and password");
}

static int keep_quiet(void *ctx, const msb_image_event_t *event)
{
	(void)ctx;
	(void)event;
	return 0;
}

/* Whoever looks at the progress of a pull goes on doing so. */
static void image_options(void **state)
{
	msb_image_options_t *o = msb_image_options_new();
	msb_error_t *e = NULL;

	(void)state;
	msb_image_options_set_progress(o, keep_quiet, NULL);
	assert_int_equal(msb_config_set_image_options(c, o, &e), 0);
	msb_image_options_free(o);
	taken("{'pull_policy':'always','registry':{'username':'u',"
	      "'password':'p','insecure':true}}");
	assert_ptr_equal(c->image_options->progress, keep_quiet);
	assert_int_equal(c->image_options->policy, MSB_PULL_ALWAYS);
	assert_string_equal(c->image_options->password, "p");
	assert_true(c->image_options->insecure);
}

static void mounts(void **state)
{
	char text[768], disk[160];
	const struct mount_config *m;

	(void)state;
	(void)snprintf(disk, sizeof(disk), "%s/image", w->base);
	world_file(disk, "x");
	(void)snprintf(
		text, sizeof(text),
		"{'mounts':{'/a':{'bind':'%s','readonly':true,'noexec':true,"
		"'follow_symlinks':true,'stat_virtualization':'relaxed',"
		"'host_permissions':'mirror','quota_mib':'none'},"
		"'/b':{'tmpfs':true,'size_mib':5,'nosuid':true},"
		"'/c':{'disk':'%s','format':'raw','fstype':'ext4'},"
		"'/d':{'named':'vol','create':'new','volume':{'kind':'disk',"
		"'capacity_mib':64,'labels':{'k':'v'}}}}}",
		w->rootfs, disk);
	taken(text);
	assert_int_equal(c->c.nmounts, 4);
	m = c->c.mounts;
	assert_int_equal(m[0].kind, MOUNT_BIND);
	assert_int_equal(m[0].flags, MOUNT_READONLY | MOUNT_NOEXEC);
	assert_int_equal(m[0].stat_virt, STAT_VIRT_RELAXED);
	assert_int_equal(m[0].host_perms, HOST_PERMS_MIRROR);
	assert_int_equal(m[0].quota_mib, 0);
	assert_int_equal(m[1].size_mib, 5);
	assert_string_equal(m[2].fstype, "ext4");
	assert_string_equal(m[3].name, "vol");
	assert_int_equal(c->nwishes, 1);
	renew();
	refused("{'mounts':{'/a':{}}}",
		"mounts[\"/a\"]: needs one of: bind, named, tmpfs, disk");
	refused("{'mounts':{'/a':{'tmpfs':false}}}",
		"mounts[\"/a\"].tmpfs: must be true");
	refused("{'mounts':{'/a':{'tmpfs':true,'create':'new'}}}",
		"mounts[\"/a\"].create: is for named volumes only");
	refused("{'mounts':{'/a':{'tmpfs':true,'quota_mib':1}}}",
		"mounts[\"/a\"]: this kind of mount does not take a quota");
	refused("{'mounts':{'/a':{'tmpfs':true,'quota_mib':0}}}",
		"mounts[\"/a\"].quota_mib: must be above 0, or \"none\"");
	refused("{'mounts':{'a':{'tmpfs':true}}}",
		"mounts.a: guest path 'a' must be absolute");
	refused("{'mounts':{'/a':{'tmpfs':true,'stat_virtualization':'x'}}}",
		"mounts[\"/a\"].stat_virtualization: 'x' is none of: strict, "
		"relaxed, off");
	refused("{'mounts':{'/a':{'tmpfs':true,'read_only':true}}}",
		"mounts[\"/a\"].read_only: no such option; did you mean "
		"readonly?");
}

static void expect_rules(const char *const want[])
{
	const struct policy *p = &c->net->c.policy;
	MSB_CLEANUP(buf_fini) struct buf b = { .max = 4096 };

	for (size_t i = 0; want[i]; i++) {
		assert_true(i < p->nrules);
		buf_reset(&b);
		policy_rule_text(&p->rules[i], &b);
		assert_string_equal(buf_cstr(&b), want[i]);
		if (!want[i + 1])
			assert_int_equal(p->nrules, i + 1);
	}
}

static void policies(void **state)
{
	static const char *const rules[] = {
		"deny@bad.example.com",
		"deny@*.worse.example.com",
		"allow@example.com:tcp:443",
		"allow:any@10.0.0.0/8:udp:1000-2000",
		"allow@[fd00::]/8:tcp:80",
		NULL
	};
	static const char *const denials[] = { "deny@x.example.com", NULL };

	(void)state;
	taken("{'network':{'policy':'none'}}");
	assert_true(c->net->nothing);
	renew();
	taken("{'network':{'policy':'non_local'}}");
	assert_true(c->net->own_policy && c->net->profiles);
	renew();
	taken("{'network':{'policy':{}}}");
	assert_true(c->net->own_policy && !c->net->c.policy.allow_egress &&
		    c->net->c.policy.allow_ingress);
	renew();
	taken("{'network':{'deny_domains':['bad.example.com'],"
	      "'deny_domain_suffixes':['worse.example.com'],"
	      "'policy':{'default_egress':'deny','default_ingress':'deny',"
	      "'rules':['allow@example.com:tcp:443',{'action':'allow',"
	      "'direction':'any','destination':'10.0.0.0/8','protocol':'udp',"
	      "'port':'1000-2000'},{'action':'allow','destination':'fd00::/8',"
	      "'protocols':['tcp'],'ports':[80]}]}}}");
	assert_false(c->net->c.policy.allow_ingress);
	expect_rules(rules);
	renew();
	/* nothing but names that are denied: all else is allowed */
	taken("{'network':{'deny_domains':['x.example.com']}}");
	expect_rules(denials);
	assert_true(c->net->c.policy.allow_egress);
	renew();
	/* several protocols and ports are rules of their own */
	taken("{'network':{'policy':{'rules':[{'action':'deny',"
	      "'protocols':['tcp','udp'],'ports':[1,'2-3']}]}}}");
	assert_int_equal(c->net->c.policy.nrules, 4);
	renew();
	refused("{'network':{'policy':'off'}}",
		"network.policy: 'off' is none of: none, public_only, "
		"non_local, allow_all");
	refused("{'network':{'policy':{'rules':[{'action':'permit'}]}}}",
		"network.policy.rules[0]: InvalidAction: ...");
	refused("{'network':{'policy':{'rules':[{'destination':'*'}]}}}",
		"network.policy.rules[0].action: is required");
	refused("{'network':{'policy':{'rules':[{'action':'allow',"
		"'destination':'a.example.com:tcp:1'}]}}}",
		"network.policy.rules[0].destination: 'a.example.com:tcp:1' is "
		"no...");
	refused("{'network':{'policy':{'rules':[{'action':'allow',"
		"'destination':'a.example.com,deny@any'}]}}}",
		"network.policy.rules[0].destination: ...");
	refused("{'network':{'policy':{'rules':[{'action':'allow',"
		"'port':1,'ports':[2]}]}}}",
		"network.policy.rules[0]: port and ports exclude each other");
	refused("{'network':{'policy':{'rules':[{'action':'allow',"
		"'port':'many'}]}}}",
		"network.policy.rules[0]: InvalidPorts: ...");
	refused("{'network':{'policy':{'rules':[{'action':'allow',"
		"'destination':'.com'}]}}}",
		"network.policy.rules[0]: SuffixTooBroad: ...");
	refused("{'network':{'deny_domains':['a,b']}}",
		"network.deny_domains[0]: 'a,b' is no domain name");
}

static void networks(void **state)
{
	const struct net_config *n;

	(void)state;
	taken("{'ports':['8080:80',{'host':53,'guest':5353,'bind':'::1',"
	      "'protocol':'udp'}],'network':{'ports':['81:81'],"
	      "'dns':{'rebind_protection':false,'nameservers':['192.0.2.1'],"
	      "'query_timeout_ms':100},'ipv4_pool':'10.0.0.0/16',"
	      "'max_connections':9,'trust_host_cas':true,"
	      "'tls':{'ports':[8443],'bypass':['*.example.com'],"
	      "'verify_upstream':false,'block_quic':false},"
	      "'interface':{'mac':'02:00:00:00:00:0a','mtu':1400,"
	      "'ipv4':'10.0.0.2'}}}");
	n = &c->net->c;
	assert_int_equal(n->nports, 3);
	assert_true(n->ports[1].udp && n->ports[1].guest_port == 5353);
	assert_int_equal(n->ports[1].bind.addr.family, AF_INET6);
	assert_false(n->rebind_protection);
	assert_int_equal(n->dns_timeout_ms, 100);
	assert_int_equal(n->max_connections, 9);
	assert_true(n->trust_host_cas && n->tls.enabled);
	assert_int_equal(n->tls.ports[0], 8443);
	assert_true(!n->tls.verify_upstream && !n->tls.block_quic);
	assert_true(n->has_mac && n->mac[5] == 10 && n->mtu == 1400);
	renew();
	taken("{'network':{'enabled':false}}");
	taken("{'network':{'tls':{'intercept':false,'ports':null}}}");
	assert_false(c->net->c.tls.enabled);
	refused("{'network':{'enabled':false},'ports':['1:1']}",
		"network: enabled: false contradicts published ports: there "
		"is no network");
	refused("{'network':{'enabled':false,'policy':'none'}}",
		"network: enabled: false contradicts a policy...");
	refused("{'network':{'tls':{'intercept':false,'ports':[1]}}}",
		"network: tls: intercept: false contradicts what...");
	refused("{'network':{'tls':{'intercept':false}},'secrets':[{'env':'A',"
		"'value':'v','hosts':['a.example.com']}]}",
		"network: tls: intercept: false contradicts secrets...");
	refused("{'network':{'tls':{'ca_cert':'/x'}}}",
		"network.tls: IncompleteInterceptCaConfig: ...");
	refused("{'network':{'interface':{'mac':'02:00'}}}",
		"network.interface.mac: must be six pairs...");
	refused("{'network':{'interface':{'mac':'01:00:00:00:00:00'}}}",
		"network.interface: network: interface.mac is a group...");
	refused("{'network':{'interface':{'mtu':3}}}",
		"network.interface: network: interface.mtu...");
	refused("{'ports':[{'host':1}]}", "ports[0].guest: is required");
	refused("{'ports':['x']}", "ports[0]: port must be in format...");
	refused("{'ports':[1]}", "ports[0]: must be a text or an object");
}

static void secrets(void **state)
{
	const struct secret_config *s;

	(void)state;
	taken("{'secrets':[{'env':'A','value':'v4lue','hosts':"
	      "['a.example.com'],'host_patterns':['*.b.example.com'],"
	      "'placeholder':'PLACEHOLDER','require_tls':false,"
	      "'inject':{'headers':false,'body':true},"
	      "'on_violation':{'passthrough':['c.example.com']}},"
	      "{'env':'B','from_env':'HOME','allow_any_host':true}],"
	      "'on_secret_violation':'block-and-terminate'}");
	assert_int_equal(c->net->c.secrets.n, 2);
	s = c->net->c.secrets.v;
	assert_string_equal(s[0].placeholder, "PLACEHOLDER");
	assert_int_equal(s[0].allowed.n, 2);
	assert_true(!s[0].headers && s[0].basic_auth && s[0].body);
	assert_false(s[0].require_tls_identity);
	assert_int_equal(s[0].on_violation.action, SECRET_PASSTHROUGH);
	assert_int_equal(s[0].on_violation.pass.n, 1);
	assert_int_equal(s[1].source, SECRET_ENV);
	assert_int_equal(s[1].allowed.v[0].kind, HOST_ANY);
	assert_int_equal(c->net->c.secrets.on_violation.action,
			 SECRET_BLOCK_TERMINATE);
	renew();
	refused("{'secrets':[{'value':'x','hosts':['a.example.com']}]}",
		"secrets[0].env: is required");
	refused("{'secrets':[{'env':'A','hosts':['a.example.com']}]}",
		"secrets[0]: needs one of: value, from_env, from_file");
	refused("{'secrets':[{'env':'A','value':'x','from_env':'y'}]}",
		"secrets[0]: value and from_env exclude each other");
	refused("{'secrets':[{'env':'A','value':'x','hosts':['*']}]}",
		"secrets[0].hosts: '*' is any host: set allow_any_host");
	refused("{'secrets':[{'env':'A','value':'x','hosts':"
		"['*.example.com']}]}",
		"secrets[0].hosts: '*.example.com' is a pattern, for "
		"host_patterns");
	refused("{'secrets':[{'env':'A','value':'x','hosts':['h.example.com'],"
		"'inject':{'headers':false,'basic_auth':false}}]}",
		"secrets[0].inject: leaves no place for the value");
	refused("{'secrets':[{'env':'A','value':'x','hosts':['h.example.com'],"
		"'on_violation':'shrug'}]}",
		"secrets[0]: invalid violation action: shrug...");
	refused("{'on_secret_violation':{'pass':[]}}",
		"on_secret_violation.pass: no such option; did you mean "
		"passthrough?");
}

/* A message about a secret never holds its value. */
static void values_are_not_told(void **state)
{
	static const char *const texts[] = {
		"{'secrets':[{'env':'A','value':'s3cr3t','hosts':[]}]}",
		"{'secrets':[{'env':'A=','value':'s3cr3t','hosts':['h.de']}]}",
		"{'secrets':[{'env':'A','value':'s3cr3t','from_env':'B'}]}",
		"{'secrets':[{'env':'A','value':['s3cr3t'],'hosts':['h.de']}]}",
		"{'registry':{'username':1,'password':'s3cr3t'}}",
		"{'secrets':[{'env':'A','value':'s3cr3t','value':'x'}]}",
		"{'secrets':[{'env':'A','value':'s3cr3t]}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		msb_error_t *e = NULL;

		assert_true(apply(texts[i], &e) < 0);
		assert_null(strstr(msb_error_text(e), "s3cr3t"));
		msb_error_free(e);
		renew();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(shapes, setup, teardown),
		cmocka_unit_test_setup_teardown(simple_ones, setup, teardown),
		cmocka_unit_test_setup_teardown(roots, setup, teardown),
		cmocka_unit_test_setup_teardown(programs, setup, teardown),
		cmocka_unit_test_setup_teardown(image_options, setup, teardown),
		cmocka_unit_test_setup_teardown(mounts, setup, teardown),
		cmocka_unit_test_setup_teardown(policies, setup, teardown),
		cmocka_unit_test_setup_teardown(networks, setup, teardown),
		cmocka_unit_test_setup_teardown(secrets, setup, teardown),
		cmocka_unit_test_setup_teardown(values_are_not_told, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
