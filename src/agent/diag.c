/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's own messages. */
#include "agent/diag.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

/* KERN_ERR: the kernel's "quiet" shows what is more urgent than warnings. */
#define PREFIX "<3>agentd: "
#define PRIORITY_LEN 3

void diag(const char *fmt, ...)
{
	char line[800] = PREFIX;
	size_t used = sizeof(PREFIX) - 1;
	autoclose int kmsg = -1;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line + used, sizeof(line) - used - 1, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	n = n < (int)(sizeof(line) - used - 1) ? n
					       : (int)(sizeof(line) - used - 2);
	for (int i = 0; i < n; i++, used++)
		if ((unsigned char)line[used] < 0x20 || line[used] == 0x7f)
			line[used] = '?';
	line[used++] = '\n';
	if (getpid() == 1)
		kmsg = open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY);
	if (kmsg >= 0 && io_write(kmsg, line, used) > 0)
		return;
	/* nowhere left to tell when this fails as well */
	(void)io_write_full(2, line + PRIORITY_LEN, used - PRIORITY_LEN);
}
