/* SPDX-License-Identifier: Apache-2.0 */
/* What is told about a program that could not be started. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "agent/exec.h"

static enum msg_fail_kind kind_of_errno(int sys)
{
	switch (sys) {
	case ENOENT:
	case ENOTDIR: /* a directory on the way is none */
		return MSG_FAIL_NOT_FOUND;
	case EACCES:
	case EPERM:
		return MSG_FAIL_PERMISSION_DENIED;
	case ENOEXEC:
	case EISDIR:
	case ETXTBSY:
		return MSG_FAIL_NOT_EXECUTABLE;
	case E2BIG:
	case ELOOP:
	case ENAMETOOLONG:
	case EFAULT:
		return MSG_FAIL_BAD_ARGS;
	case EMFILE:
	case ENFILE:
	case EAGAIN:
		return MSG_FAIL_RESOURCE_LIMIT;
	case ENOMEM:
		return MSG_FAIL_OUT_OF_MEMORY;
	default:
		return MSG_FAIL_OTHER;
	}
}

enum msg_fail_kind exec_fail_kind(enum spawn_step step, int sys)
{
	switch (step) {
	case SPAWN_TTY:
		return MSG_FAIL_PTY_SETUP;
	case SPAWN_CHDIR:
		if (sys == ENOENT || sys == ENOTDIR || sys == EACCES)
			return MSG_FAIL_BAD_CWD;
		return kind_of_errno(sys);
	case SPAWN_RLIMIT:
		return MSG_FAIL_RESOURCE_LIMIT;
	case SPAWN_USER:
		return MSG_FAIL_USER_SETUP;
	case SPAWN_CLONE:
	case SPAWN_SETSID:
	case SPAWN_STDIO:
	case SPAWN_EXEC:
	case SPAWN_STEP_COUNT:
		break;
	}
	return kind_of_errno(sys);
}

void exec_fail_text(struct buf *out, const char *cmd, int sys)
{
	char text[160];

	(void)buf_str(out, "spawn \"");
	/* a command may be megabytes long; its head tells enough */
	for (size_t i = 0; i < 1024 && cmd[i]; i++) {
		unsigned char c = (unsigned char)cmd[i];

		if (c == '"' || c == '\\')
			(void)buf_printf(out, "\\%c", c);
		else if (c == '\n' || c == '\t' || c == '\r')
			(void)buf_printf(out, "\\%c",
					 c == '\n'   ? 'n'
					 : c == '\t' ? 't'
						     : 'r');
		else if (c < 0x20 || c == 0x7f)
			(void)buf_printf(out, "\\u{%x}", c);
		else
			(void)buf_append(out, &c, 1);
	}
	(void)buf_printf(out, "\": %s",
			 agent_errno_text(sys, text, sizeof(text)));
}

void exec_send_failed(struct agent *a, uint32_t id, enum msg_fail_kind kind,
		      const char *fmt, ...)
{
	struct msg_exec_failed m = { .kind = kind };
	MSB_CLEANUP(buf_fini) struct buf b = { .max = 8192 };
	char text[600];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	m.message = view_cstr(text);
	msg_encode_exec_failed(&b, &m);
	(void)agent_send(a, id, MSG_T_EXEC_FAILED, &b);
}
