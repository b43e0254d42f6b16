/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands of msb share. */
#ifndef MSB_CLI_CLI_H
#define MSB_CLI_CLI_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "cli/options.h"
#include "microsandbox/microsandbox.h"

#define EXIT_USAGE 2
#define EXIT_TIMED_OUT 124
#define EXIT_MSB 125 /* msb itself failed in run, exec or attach */

#define STOP_TIMEOUT_S 10u

struct cli {
	struct args args;
	msb_t *m;	   /* opened by cli_open */
	bool no_catalogue; /* leave it alone, also at the end */
};

enum {
	/* 1 and 2 are OPT_ID_HELP and OPT_ID_VERSION */
	O_ERROR = 3,
	O_WARN,
	O_INFO,
	O_DEBUG,
	O_TRACE,
	O_TREE,
	O_ADDRESS,
	O_ALL,
	O_ARCHIVE_FORMAT,
	O_CA_CERTS,
	O_CHECK,
	O_COLOR,
	O_COLOR_SESSIONS,
	O_CPUS,
	O_DETACH,
	O_DETACH_KEYS,
	O_DNS_TIMEOUT,
	O_DRY_RUN,
	O_ENGINE,
	O_ENGINE_JAIL,
	O_ENGINE_MODE,
	O_ENTRYPOINT,
	O_ENV,
	O_ENV_RM,
	O_FOLLOW,
	O_FORCE,
	O_FORMAT,
	O_FROM,
	O_GREP,
	O_HOSTNAME,
	O_IDLE_TIMEOUT,
	O_INPUT,
	O_INSTALLED,
	O_INSECURE,
	O_INIT,
	O_INIT_ARG,
	O_INIT_ENV,
	O_INGRESS,
	O_INTEGRITY,
	O_INTERVAL,
	O_IPV4_POOL,
	O_IPV6_POOL,
	O_JSON,
	O_KIND,
	O_LABEL,
	O_LABEL_RM,
	O_LIST,
	O_LOG_LEVEL,
	O_MAN,
	O_MAN_DIR,
	O_MAX_CONNECTIONS,
	O_MAX_DURATION,
	O_MEMORY,
	O_MOUNT_DIR,
	O_MOUNT_DISK,
	O_MOUNT_FILE,
	O_MOUNT_NAMED,
	O_NAME,
	O_NAMESERVER,
	O_NET,
	O_NET_DEFAULT,
	O_NET_DEFAULT_EGRESS,
	O_NET_DEFAULT_INGRESS,
	O_NET_RULE,
	O_NO_BLOCK_QUIC,
	O_NO_COLOR,
	O_NO_NET,
	O_NO_PULL,
	O_NO_REBIND,
	O_NO_TTY,
	O_PLAIN_TAR,
	O_OUTPUT,
	O_PASSWORD_STDIN,
	O_PORT,
	O_PORT_RM,
	O_PROTO,
	O_PULL,
	O_QUIET,
	O_RAW,
	O_REPLACE,
	O_REPLACE_GRACE,
	O_RLIMIT,
	O_RUNNING,
	O_SANDBOX,
	O_SCRIPT,
	O_SCRIPT_PATH,
	O_SCRIPT_RAW,
	O_SECRET,
	O_SECRET_FILE,
	O_SECRET_INJECT,
	O_SECRET_VIOLATION,
	O_SHELL,
	O_SHOW_ID,
	O_SINCE,
	O_SIZE,
	O_SNAPSHOT,
	O_SORT,
	O_SOURCE,
	O_STOPPED,
	O_STOP_TIMEOUT,
	O_TAG,
	O_TAIL,
	O_TIMEOUT,
	O_TIMESTAMPS,
	O_TLS_BYPASS,
	O_TLS_CA_CERT,
	O_TLS_CA_KEY,
	O_TLS_INTERCEPT,
	O_TLS_NO_VERIFY,
	O_TLS_PORT,
	O_TLS_UPSTREAM_CA,
	O_TLS_UPSTREAM_CA_FOR,
	O_TMP,
	O_TMPFS,
	O_TRUST_HOST_CAS,
	O_TTY,
	O_UNTIL,
	O_UPPER_SIZE,
	O_USER,
	O_VERIFY,
	O_USERNAME,
	O_VOLUME,
	O_WATCH,
	O_WITH_PARENTS,
	O_WORKDIR,
	O_YES,
	O_UNAVAILABLE, /* and above */
};

/* The whole program. */
extern const struct command cli_root;

/* The program; main() is apart so that tests can link everything else. */
int cli_main(int argc, char **argv);

/* Open the home directory; false after an error message. */
bool cli_open(struct cli *cli);

/* Print the help of the command of args: exit code. */
int cli_help(const struct args *args);

/* Wrong usage found by a command itself: prints it, returns EXIT_USAGE. */
int cli_usage(const struct cli *cli, const char *fmt, ...) MSB_PRINTF(2, 3);

/*
 * True for success; else the error is printed and freed. Made to be wrapped
 * around a call that fills e, hence the pointer.
 */
bool cli_ok(int rc, msb_error_t **e);

/*
 * Run fn for each name of a command that takes several, also after failures: 0
 * or 1.
 */
int cli_each(struct cli *cli, int (*fn)(struct cli *cli, const char *name));

static inline bool cli_has(const struct cli *cli, int id)
{
	return args_has(&cli->args, id);
}

static inline const char *cli_text(const struct cli *cli, int id)
{
	return args_text(&cli->args, id);
}

/* --- commands: exit code --- */

int cmd_attach(struct cli *cli);
int cmd_complete(struct cli *cli);
int cmd_completion(struct cli *cli);
int cmd_copy(struct cli *cli);
int cmd_create(struct cli *cli);
int cmd_doctor(struct cli *cli);
int cmd_exec(struct cli *cli);
int cmd_help(struct cli *cli);
int cmd_image_inspect(struct cli *cli);
int cmd_image_list(struct cli *cli);
int cmd_image_prune(struct cli *cli);
int cmd_image_remove(struct cli *cli);
int cmd_inspect(struct cli *cli);
int cmd_install(struct cli *cli);
int cmd_list(struct cli *cli);
int cmd_load(struct cli *cli);
int cmd_metrics(struct cli *cli);
int cmd_modify(struct cli *cli);
int cmd_logs(struct cli *cli);
int cmd_net_explain(struct cli *cli);
int cmd_ping(struct cli *cli);
int cmd_pull(struct cli *cli);
int cmd_registry_list(struct cli *cli);
int cmd_registry_login(struct cli *cli);
int cmd_registry_logout(struct cli *cli);
int cmd_remove(struct cli *cli);
int cmd_restart(struct cli *cli);
int cmd_run(struct cli *cli);
int cmd_save(struct cli *cli);
int cmd_self_downgrade(struct cli *cli);
int cmd_self_uninstall(struct cli *cli);
int cmd_self_update(struct cli *cli);
int cmd_snapshot_create(struct cli *cli);
int cmd_snapshot_export(struct cli *cli);
int cmd_snapshot_import(struct cli *cli);
int cmd_snapshot_inspect(struct cli *cli);
int cmd_snapshot_list(struct cli *cli);
int cmd_snapshot_reindex(struct cli *cli);
int cmd_snapshot_remove(struct cli *cli);
int cmd_snapshot_verify(struct cli *cli);
int cmd_start(struct cli *cli);
int cmd_status(struct cli *cli);
int cmd_stop(struct cli *cli);
int cmd_uninstall(struct cli *cli);
int cmd_touch(struct cli *cli);
int cmd_volume_create(struct cli *cli);
int cmd_volume_inspect(struct cli *cli);
int cmd_volume_list(struct cli *cli);
int cmd_volume_prune(struct cli *cli);
int cmd_volume_remove(struct cli *cli);

#endif
