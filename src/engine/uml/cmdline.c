/* SPDX-License-Identifier: Apache-2.0 */
/* Building the guest kernel's command line. */
#include "engine/uml/cmdline.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"

/* COMMAND_LINE_SIZE of the kernel; it exits when that is exceeded. */
#define MAX_LEN 4096

static const char *const fixed_args[] = {
	/* no chatter; errors are still printed */
	"quiet",
	/* kernel log on standard output until the real console exists */
	"earlyprintk", "console=hvc0",
	/* the kernel's own terminals lead nowhere */
	"con=null", "con0=null",
	/* grace periods end at once, not at some tick of 10 ms */
	"rcupdate.rcu_expedited=1",
	/* the host seeds the guest at boot; nothing waits for entropy */
	"random.trust_bootloader=on", "random.trust_cpu=on",
	/* no network devices that nobody asked for */
	"dummy.numdummies=0", "ifb.numifbs=0", "fb_tunnels=none",
	/* a panic ends the process; this covers one too early or too late for
	 * the kernel's own hook */
	"panic=-1"
};

static int add_words(struct strv *argv, const char *words)
{
	for (const char *p = words; *p;) {
		size_t n = strcspn(p, " \t\n");
		int rc;

		if (!n) {
			p++;
			continue;
		}
		rc = strv_take(argv, strndup(p, n));
		if (rc)
			return rc;
		p += n;
	}
	return 0;
}

static int add_args(const struct uml_cmdline *c, struct strv *argv)
{
	int rc = strv_add(argv, "msb-guest-kernel");

	if (!rc)
		rc = strv_take(argv, str_fmt("mem=%uM", c->memory_mib));
	if (!rc)
		rc = strv_take(argv, str_fmt("initrd=@%d", UML_INITRAMFS_FD));
	for (size_t i = 0; !rc && i < ARRAY_SIZE(fixed_args); i++)
		rc = strv_add(argv, fixed_args[i]);
	if (!rc)
		rc = strv_add(argv, c->seccomp ? "seccomp=on" : "seccomp=off");
	if (!rc && c->vcpus > 1)
		rc = strv_take(argv, str_fmt("ncpus=%u", c->vcpus));
	for (size_t i = 0; !rc && i < c->ndevices; i++)
		rc = strv_take(argv,
			       str_fmt("virtio_uml.device=@%zu:%" PRIu32,
				       UML_DEVICE_FD + i, c->virtio_ids[i]));
	if (!rc && c->extra)
		rc = add_words(argv, c->extra);
	return rc;
}

int uml_cmdline_build(const struct uml_cmdline *c, struct strv *argv,
		      struct err *err)
{
	size_t first = argv->n, len = 0;
	int rc = add_args(c, argv);

	if (rc)
		return err_set(err, ERR_NO_MEMORY, -rc, "out of memory");
	for (size_t i = first + 1; i < argv->n; i++)
		len += strlen(argv->v[i]) + 1;
	if (len >= MAX_LEN)
		return err_set(err, ERR_INVALID, E2BIG,
			       "the guest kernel's command line has %zu bytes; "
			       "it accepts %d (%zu devices)",
			       len, MAX_LEN - 1, c->ndevices);
	return 0;
}
