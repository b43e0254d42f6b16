/* SPDX-License-Identifier: Apache-2.0 */
/* What is decided and said from facts: selection, refusals, doctor, exits. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/str.h"
#include "engine/doctor.h"
#include "engine/machine.h"
#include "engine/uml/cmdline.h"
#include "engine/uml/uml.h"

/* A host that forbids nothing. */
static struct host_facts good_host(void)
{
	struct host_facts f = { .euid = 1000,
				.nobody_mapped = true,
				.kvm_errno = ENOENT,
				.linux_major = 6,
				.linux_minor = 1 };

	for (size_t i = 0; i < HOST_SYSCTL_COUNT; i++)
		f.sysctl[i] = i <= HOST_MAX_CGROUP_NS ? 1000 : HOST_ABSENT;
	return f;
}

static void auto_takes_uml_and_says_why(void **state)
{
	static const struct {
		int kvm_errno;
		bool vmx;
		const char *reason;
	} cases[] = {
		{ ENOENT, true, "there is no /dev/kvm" },
		{ EACCES, true, "/dev/kvm cannot be opened" },
		{ 0, false, "neither vmx nor svm" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct host_facts f = good_host();
		enum engine_kind kind = ENGINE_AUTO;
		char reason[200];

		f.kvm_errno = cases[i].kvm_errno;
		f.cpu_vmx = cases[i].vmx;
		assert_int_equal(engine_select_from(&f, ENGINE_AUTO, &kind,
						    reason, sizeof(reason),
						    NULL),
				 0);
		assert_int_equal(kind, ENGINE_UML);
		assert_non_null(strstr(reason, cases[i].reason));
	}
}

static void kvm_is_taken_where_it_can_be(void **state)
{
	struct host_facts f = good_host();
	enum engine_kind kind = ENGINE_UML;
	char reason[200];

	(void)state;
	f.kvm_errno = 0;
	f.cpu_svm = true;
	assert_int_equal(engine_select_from(&f, ENGINE_AUTO, &kind, reason,
					    sizeof(reason), NULL),
			 0);
	assert_int_equal(kind, ENGINE_KVM);
	assert_non_null(strstr(reason, "/dev/kvm can be used"));
	kind = ENGINE_AUTO;
	assert_int_equal(engine_select_from(&f, ENGINE_KVM, &kind, reason,
					    sizeof(reason), NULL),
			 0);
	assert_int_equal(kind, ENGINE_KVM);
	assert_int_equal(engine_select_from(&f, ENGINE_UML, &kind, reason,
					    sizeof(reason), NULL),
			 0);
	assert_int_equal(kind, ENGINE_UML);
	assert_non_null(strstr(reason, "asked for"));
}

static void kvm_is_refused_with_the_way_out(void **state)
{
	struct host_facts f = good_host();
	enum engine_kind kind = ENGINE_AUTO;
	struct err err = { 0 };

	(void)state;
	assert_true(engine_select_from(&f, ENGINE_KVM, &kind, NULL, 0, &err) <
		    0);
	assert_int_equal(err.kind, ERR_UNSUPPORTED);
	assert_non_null(strstr(err.msg, "--engine uml"));
	assert_int_equal(kind, ENGINE_AUTO);
	assert_string_equal(engine_kind_name(ENGINE_AUTO), "auto");
	assert_string_equal(engine_kind_name(ENGINE_KVM), "kvm");
	assert_string_equal(engine_kind_name(ENGINE_UML), "uml");
}

static void mode_follows_vcpus_and_host(void **state)
{
	struct host_facts f = good_host();
	struct err err = { 0 };
	bool seccomp = true;

	(void)state;
	assert_int_equal(uml_choose_mode(&f, UML_MODE_AUTO, 1, &seccomp, NULL),
			 0);
	assert_false(seccomp);
	f.no_close_range = true;
	assert_int_equal(uml_choose_mode(&f, UML_MODE_AUTO, 1, &seccomp, NULL),
			 0);
	assert_int_equal(uml_choose_mode(&f, UML_MODE_AUTO, 2, &seccomp, &err),
			 -ENOSYS);
	assert_non_null(strstr(err.msg, "more than one vCPU, needs Linux 5.9"));
	err = (struct err){ 0 };
	f.no_close_range = false;
	assert_int_equal(uml_choose_mode(&f, UML_MODE_AUTO, 2, &seccomp, NULL),
			 0);
	assert_true(seccomp);
	assert_int_equal(
		uml_choose_mode(&f, UML_MODE_PTRACE, 1, &seccomp, NULL), 0);
	assert_false(seccomp);
	assert_int_equal(
		uml_choose_mode(&f, UML_MODE_SECCOMP, 1, &seccomp, NULL), 0);
	assert_true(seccomp);
	assert_int_equal(
		uml_choose_mode(&f, UML_MODE_PTRACE, 2, &seccomp, NULL),
		-EINVAL);

	f.sysctl[HOST_YAMA_SCOPE] = 1;
	assert_int_equal(uml_choose_mode(&f, UML_MODE_AUTO, 1, &seccomp, NULL),
			 0);
	assert_false(seccomp);
	f.sysctl[HOST_YAMA_SCOPE] = 3;
	assert_int_equal(uml_choose_mode(&f, UML_MODE_AUTO, 1, &seccomp, NULL),
			 0);
	assert_true(seccomp);
	assert_int_equal(
		uml_choose_mode(&f, UML_MODE_PTRACE, 1, &seccomp, &err),
		-EPERM);
	assert_int_equal(err.kind, ERR_UNSUPPORTED);
	assert_non_null(strstr(err.msg, "kernel.yama.ptrace_scope=3"));
}

static void never_runs_as_the_hosts_root(void **state)
{
	struct host_facts f = good_host();

	(void)state;
	assert_int_equal(jail_host_id(&f, 1000), 1000);
	assert_int_equal(jail_host_id(&f, 0), 65534);
	/* root of a namespace of one id: an ordinary user of the host */
	f.nobody_mapped = false;
	assert_int_equal(jail_host_id(&f, 0), 0);
}

static void assert_refusal(const struct host_facts *f, enum jail_layer l,
			   enum jail_step step, int sys, const char *reason,
			   const char *remedy)
{
	char r[160], m[240];

	jail_refusal(f, l, step, sys, r, sizeof(r), m, sizeof(m));
	if (!strstr(r, reason) || !strstr(m, remedy))
		fail_msg("'%s' / '%s'", r, m);
}

static void refusals_name_the_setting_that_forbids(void **state)
{
	struct host_facts f = good_host();

	(void)state;
	assert_refusal(&f, JAIL_SECCOMP, STEP_FILTER, EINVAL,
		       "does not have it", "Linux kernel of 5.11");
	assert_refusal(&f, JAIL_NET_NS, STEP_UNSHARE, EPERM,
		       "Operation not permitted", "seccomp=unconfined");
	assert_refusal(&f, JAIL_USER_NS, STEP_CLONE, ENOSPC, "limit",
		       "sysctl -w user.max_user_namespaces=");
	assert_refusal(&f, JAIL_USER_NS, STEP_ID_MAP, EPERM, "user map",
		       "SETUID");
	f.sysctl[HOST_MAX_NET_NS] = 0;
	assert_refusal(&f, JAIL_NET_NS, STEP_UNSHARE, ENOSPC,
		       "user.max_net_namespaces is 0",
		       "sysctl -w user.max_net_namespaces=");
	f.sysctl[HOST_APPARMOR_USERNS] = 1;
	assert_refusal(&f, JAIL_ROOT, STEP_MOUNT_ROOT, EACCES, "AppArmor",
		       "userns,");
	f.sysctl[HOST_USERNS_CLONE] = 0;
	assert_refusal(&f, JAIL_USER_NS, STEP_CLONE, EPERM,
		       "kernel.unprivileged_userns_clone=0",
		       "sysctl -w kernel.unprivileged_userns_clone=1");
	/* these bind ordinary users only */
	f.euid = 0;
	assert_refusal(&f, JAIL_USER_NS, STEP_CLONE, EPERM,
		       "the host refuses it", "container");
}

static void every_layer_has_distinct_names(void **state)
{
	(void)state;
	for (int a = 0; a < JAIL_LAYER_COUNT; a++)
		for (int b = 0; b < a; b++) {
			assert_string_not_equal(
				jail_layer_name((enum jail_layer)a),
				jail_layer_name((enum jail_layer)b));
			assert_string_not_equal(
				jail_layer_title((enum jail_layer)a),
				jail_layer_title((enum jail_layer)b));
		}
}

static const struct engine_check *find(const struct engine_check *checks,
				       size_t n, const char *name)
{
	static const struct engine_check none;

	for (size_t i = 0; i < n; i++)
		if (!strcmp(checks[i].name, name))
			return &checks[i];
	fail_msg("no check '%s'", name);
	return &none;
}

static void doctor_is_content_with_a_good_host(void **state)
{
	struct doctor_facts f = { .host = good_host(),
				  .max_processes = ~0ull,
				  .max_files = 65536,
				  .cgroup = { CGROUP_NO_LIMIT, 4096 },
				  .landlock_abi = 4 };
	struct engine_check checks[32];
	size_t n;

	(void)state;
	f.host.kvm_errno = 0;
	f.host.cpu_vmx = true;
	n = doctor_report(&f, checks, ARRAY_SIZE(checks));
	for (size_t i = 0; i < n; i++) {
		assert_true(checks[i].state == CHECK_OK ||
			    checks[i].state == CHECK_INFO);
		assert_true(checks[i].name[0] && checks[i].detail[0]);
		assert_string_equal(checks[i].remedy, "");
	}
	assert_non_null(strstr(find(checks, n, "engine")->detail, "kvm: "));
	assert_int_equal(find(checks, n, "kvm engine")->state, CHECK_OK);
	assert_non_null(strstr(find(checks, n, "landlock")->detail, "4"));
	assert_string_equal(find(checks, n, "kernel")->detail, "Linux 6.1");
	assert_string_equal(find(checks, n, "cgroup limits")->detail,
			    "memory not limited, processes 4096");
	/* no more than there is room for */
	assert_int_equal(doctor_report(&f, checks, 3), 3);
}

static void doctor_tells_why_there_is_no_kvm(void **state)
{
	struct doctor_facts f = { .host = good_host() };
	struct engine_check checks[32];
	const struct engine_check *c;
	size_t n;

	(void)state;
	f.host.kvm_errno = 0;
	f.host.cpu_svm = true;
	f.kvm_create_errno = EBUSY;
	n = doctor_report(&f, checks, ARRAY_SIZE(checks));
	c = find(checks, n, "kvm engine");
	assert_int_equal(c->state, CHECK_INFO);
	assert_non_null(strstr(c->remedy, "another hypervisor"));
	/* where every instruction is emulated, a group would not help */
	f.host.cpu_svm = false;
	f.host.kvm_errno = EACCES;
	n = doctor_report(&f, checks, ARRAY_SIZE(checks));
	c = find(checks, n, "kvm engine");
	assert_non_null(strstr(c->detail, "neither vmx nor svm"));
	assert_null(strstr(c->remedy, "usermod"));
}

static void doctor_names_each_problem_with_its_remedy(void **state)
{
	struct doctor_facts f = { .host = good_host(),
				  .max_processes = 100,
				  .max_files = 1024,
				  .cgroup = { 256 << 20, 50 } };
	struct engine_check checks[32];
	const struct engine_check *c;
	size_t n;

	(void)state;
	f.host.kvm_errno = EACCES;
	f.host.cpu_vmx = true;
	(void)snprintf(f.host.kvm_group, sizeof(f.host.kvm_group), "kvm");
	f.host.sysctl[HOST_MAX_USER_NS] = 0;
	f.host.sysctl[HOST_YAMA_SCOPE] = 3;
	f.jail.layer[JAIL_USER_NS].off = true;
	f.jail.layer[JAIL_USER_NS].sys = ENOSPC;
	f.jail.layer[JAIL_NET_NS].off = true;
	f.jail.layer[JAIL_NET_NS].sys = EPERM;
	f.exec_map_errno = EPERM;
	n = doctor_report(&f, checks, ARRAY_SIZE(checks));
	c = find(checks, n, "kvm engine");
	assert_non_null(strstr(c->remedy, "usermod -aG kvm"));
	c = find(checks, n, "user namespace");
	assert_int_equal(c->state, CHECK_FAIL);
	assert_non_null(strstr(c->remedy, "user.max_user_namespaces"));
	c = find(checks, n, "network namespace");
	assert_string_equal(c->detail, "it needs the user namespace");
	assert_string_equal(c->remedy, "");
	c = find(checks, n, "ptrace");
	assert_int_equal(c->state, CHECK_WARN);
	assert_non_null(strstr(c->remedy, "ptrace_scope"));
	assert_int_equal(find(checks, n, "executable memory")->state,
			 CHECK_FAIL);
	assert_int_equal(find(checks, n, "limits")->state, CHECK_WARN);
	assert_non_null(strstr(find(checks, n, "limits")->remedy,
			       "* hard nproc 65536"));
	c = find(checks, n, "cgroup limits");
	assert_int_equal(c->state, CHECK_WARN);
	assert_string_equal(c->detail, "memory 256 MiB, processes 50");
	assert_non_null(strstr(c->remedy, "MemoryMax and TasksMax"));
	for (size_t i = 0; i < n; i++)
		assert_string_not_equal(checks[i].name, "jail");

	f.host.linux_major = 5;
	f.host.linux_minor = 4;
	f.host.no_close_range = true;
	n = doctor_report(&f, checks, ARRAY_SIZE(checks));
	c = find(checks, n, "kernel");
	assert_int_equal(c->state, CHECK_WARN);
	assert_non_null(strstr(c->remedy, "5.9"));
	f.host.linux_major = 4;
	f.host.linux_minor = 17;
	f.probe_rc = -ENOMEM;
	n = doctor_report(&f, checks, ARRAY_SIZE(checks));
	assert_int_equal(find(checks, n, "jail")->state, CHECK_FAIL);
	assert_int_equal(find(checks, n, "kernel")->state, CHECK_FAIL);
}

static bool has(const struct strv *argv, const char *arg)
{
	for (size_t i = 0; i < argv->n; i++)
		if (!strcmp(argv->v[i], arg))
			return true;
	return false;
}

static void command_line_is_complete_and_ordered(void **state)
{
	static const uint32_t ids[] = { 3, 26, 2, 2 };
	struct uml_cmdline c = { .memory_mib = 512,
				 .vcpus = 1,
				 .virtio_ids = ids,
				 .ndevices = ARRAY_SIZE(ids),
				 .extra = " loglevel=7  foo=\"a b\" " };
	static const char *const devices[] = { "virtio_uml.device=@6:3",
					       "virtio_uml.device=@7:26",
					       "virtio_uml.device=@8:2",
					       "virtio_uml.device=@9:2" };
	struct strv argv = { 0 };
	size_t at = 0;

	(void)state;
	assert_int_equal(uml_cmdline_build(&c, &argv, NULL), 0);
	assert_true(has(&argv, "mem=512M"));
	assert_true(has(&argv, "initrd=@5"));
	assert_true(has(&argv, "seccomp=off"));
	assert_true(has(&argv, "console=hvc0"));
	assert_true(has(&argv, "panic=-1"));
	for (size_t i = 0; i < argv.n; i++) {
		assert_false(str_starts(argv.v[i], "ncpus="));
		if (at < ARRAY_SIZE(devices) && !strcmp(argv.v[i], devices[at]))
			at++;
	}
	assert_int_equal(at, ARRAY_SIZE(devices));
	/* what comes later wins in the kernel */
	assert_string_equal(argv.v[argv.n - 3], "loglevel=7");
	assert_string_equal(argv.v[argv.n - 2], "foo=\"a");
	assert_string_equal(argv.v[argv.n - 1], "b\"");
	strv_fini(&argv);

	c.vcpus = 3;
	c.seccomp = true;
	c.extra = NULL;
	assert_int_equal(uml_cmdline_build(&c, &argv, NULL), 0);
	assert_true(has(&argv, "ncpus=3"));
	assert_true(has(&argv, "seccomp=on"));
	strv_fini(&argv);
}

static void command_line_has_a_limit(void **state)
{
	static char extra[5000];
	struct uml_cmdline c = { .memory_mib = 64, .vcpus = 1, .extra = extra };
	struct strv argv = { 0 };
	struct err err = { 0 };

	(void)state;
	memset(extra, 'x', 3000);
	assert_int_equal(uml_cmdline_build(&c, &argv, &err), 0);
	strv_fini(&argv);
	memset(extra, 'x', sizeof(extra) - 1);
	assert_int_equal(uml_cmdline_build(&c, &argv, &err), -E2BIG);
	assert_int_equal(err.kind, ERR_INVALID);
	strv_fini(&argv);
}

static struct machine_exit explain(int code, int status, bool killed,
				   const char *text)
{
	struct machine_exit e;
	struct klog log;

	memset(&log, 0, sizeof(log));
	klog_note(&log, text, strlen(text));
	uml_explain_exit(code, status, killed, &log, &e);
	return e;
}

static void ends_are_told_apart(void **state)
{
	struct machine_exit e;

	(void)state;
	e = explain(CLD_EXITED, 0, false, "reboot: Power down\n");
	assert_true(e.clean);
	assert_int_equal(e.code, 0);

	e = explain(CLD_EXITED, 127, false,
		    "[    0.1] Kernel panic - not syncing: no init\n[  0.1] "
		    "CPU: 0\n");
	assert_false(e.clean);
	assert_string_equal(e.text, "guest kernel panic: no init");

	e = explain(CLD_EXITED, 127, false, "");
	assert_false(e.clean);
	assert_non_null(strstr(e.text, "panicked"));

	e = explain(CLD_EXITED, 1, false, "one\nInitialisation failed\n\n");
	assert_non_null(strstr(e.text, "status 1: Initialisation failed"));

	e = explain(CLD_KILLED, SIGSEGV, false, "");
	assert_int_equal(e.signal, SIGSEGV);
	assert_int_equal(e.code, -1);
	assert_non_null(strstr(e.text, "crashed: signal 11"));

	e = explain(CLD_KILLED, SIGKILL, true, "");
	assert_non_null(strstr(e.text, "by force"));
	e = explain(CLD_KILLED, SIGKILL, false, "");
	assert_non_null(strstr(e.text, "from outside"));
}

static void hostile_last_words_stay_on_one_line(void **state)
{
	struct machine_exit e;

	(void)state;
	e = explain(CLD_EXITED, 3, false, "a\n\x1b[31mred\x07\x7f text\r\n");
	assert_non_null(strstr(e.text, "?[31mred?? text"));
	for (const char *p = e.text; *p; p++)
		assert_true((unsigned char)*p >= ' ');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(auto_takes_uml_and_says_why),
		cmocka_unit_test(kvm_is_taken_where_it_can_be),
		cmocka_unit_test(kvm_is_refused_with_the_way_out),
		cmocka_unit_test(mode_follows_vcpus_and_host),
		cmocka_unit_test(never_runs_as_the_hosts_root),
		cmocka_unit_test(refusals_name_the_setting_that_forbids),
		cmocka_unit_test(every_layer_has_distinct_names),
		cmocka_unit_test(doctor_is_content_with_a_good_host),
		cmocka_unit_test(doctor_tells_why_there_is_no_kvm),
		cmocka_unit_test(doctor_names_each_problem_with_its_remedy),
		cmocka_unit_test(command_line_is_complete_and_ordered),
		cmocka_unit_test(command_line_has_a_limit),
		cmocka_unit_test(ends_are_told_apart),
		cmocka_unit_test(hostile_last_words_stay_on_one_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
