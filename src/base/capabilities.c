/* SPDX-License-Identifier: Apache-2.0 */
/* Giving up capabilities. */
#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/jail.h"

int jail_capabilities_keep(uint32_t mask)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data) < 0)
		return -errno;
	/* needs CAP_SETPCAP; without it there is nothing to bound */
	for (int c = 0; c <= CAP_LAST_CAP; c++)
		if (c > 31 || !(mask & JAIL_CAP(c)))
			(void)prctl(PR_CAPBSET_DROP, c, 0, 0, 0);
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	data[0].effective &= mask;
	data[0].permitted &= mask;
	data[0].inheritable = 0;
	memset(&data[1], 0, sizeof(data[1]));
	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}
