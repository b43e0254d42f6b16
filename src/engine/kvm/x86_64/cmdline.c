/* SPDX-License-Identifier: Apache-2.0 */
/* Building the command line. */
#include "engine/kvm/x86_64/cmdline.h"

#include <errno.h>
#include <inttypes.h>

#include "engine/kvm/arch.h"
#include "engine/kvm/x86_64/layout.h"

/* The order matters: what follows "quiet" says little when it comes up. */
static const char fixed[] =
	"quiet console=hvc0 "
	/* a panic resets at once, and says so: see LAYOUT_RESET_FLAG */
	"panic=-1 reboot=k,panic_warm "
	/* no probing for serial lines that are not there */
	"8250.nr_uarts=0 "
	/* with one CPU, taking the lock prefix from 10,000 instructions costs
	 * more than it saves */
	"noreplace-smp "
	/* grace periods end at once, not at some tick of 10 ms */
	"rcupdate.rcu_expedited=1 "
	/* we seed the guest; nothing waits for entropy */
	"random.trust_bootloader=on random.trust_cpu=on "
	/* no network devices that nobody asked for */
	"dummy.numdummies=0 ifb.numifbs=0 fb_tunnels=none";

int cmdline_build(size_t ndevices, const char *extra, struct buf *text,
		  struct err *err)
{
	uint64_t page = arch_window();
	int rc = buf_str(text, fixed);

	if (!rc)
		rc = buf_printf(text, " poweroff_port=%#x", PORT_POWER_OFF);
	/* messages until the console is up; costs one exit while there are
	 * none */
	if (!rc)
		rc = buf_printf(text, " earlycon=uart8250,mmio32,%#" PRIx64,
				page);
	for (size_t i = 0; !rc && i < ndevices; i++) {
		page += ARCH_PAGE;
		rc = buf_printf(text, " virtio_mmio.device=4K@%#" PRIx64 ":%u",
				page, arch_device_gsi(i));
	}
	if (!rc && extra)
		rc = buf_printf(text, " %s", extra);
	if (rc || buf_len(text) >= CMDLINE_MAX)
		return err_set(err, ERR_INVALID, E2BIG,
			       "the guest kernel's command line is longer than "
			       "%d bytes (%zu devices)",
			       CMDLINE_MAX - 1, ndevices);
	return 0;
}
