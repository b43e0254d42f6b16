/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Typed tables of commands and options, and the parser over them. One table
 * gives the parser, --help, --tree, man pages, completion and the suggestions.
 *
 * Rules: --flag value, --flag=value, -c2, -c 2, -c=2, bundled switches -dq. A
 * value may begin with '-' only in the '=' form or with OPT_HYPHEN. Words and
 * options come in any order; what follows a literal "--" is the guest's command
 * and is passed on verbatim. An option that is not repeatable may be given
 * once.
 */
#ifndef MSB_CLI_OPTIONS_H
#define MSB_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum opt_kind {
	OPT_SWITCH,
	OPT_TEXT,
	OPT_LIST, /* text, may be repeated */
	OPT_UINT, /* unsigned decimal up to max */
	OPT_CHOICE,
};

enum opt_flags {
	OPT_HYPHEN = 1 << 0,	  /* the value may begin with '-' */
	OPT_UNAVAILABLE = 1 << 1, /* known, refused, not shown */
	OPT_HIDDEN = 1 << 2,	  /* another spelling, not shown */
	OPT_CREATION = 1 << 3,	  /* describes a new sandbox */
	OPT_COMMAS = 1 << 4,	  /* the value is choices, separated by ',' */
};

/* What a value or a word is, for completion in shells. */
enum value_kind {
	VALUE_OTHER, /* nothing that could be listed */
	VALUE_FILE,
	VALUE_DIR,
	VALUE_KEY_FILE, /* KEY=FILE or KEY:FILE */
	VALUE_SANDBOX,
	VALUE_RUNNING, /* a sandbox that runs */
	VALUE_STOPPED, /* one that does not */
	VALUE_IMAGE,
	VALUE_ROOT,	/* an image, or the path of a root directory or disk */
	VALUE_MOUNT,	/* VOLUME:... or PATH:... */
	VALUE_ENDPOINT, /* SANDBOX:/path or PATH */
	VALUE_VOLUME,
	VALUE_SNAPSHOT,
	VALUE_REGISTRY,
	VALUE_INSTALLED, /* a command made by install */
	VALUE_VARIABLE,	 /* of the environment */
	VALUE_SECRET,	 /* VARIABLE@HOST */
	VALUE_COMMAND,	 /* of msb */
	VALUE_LABEL,	 /* KEY=VALUE of a sandbox */
};

struct option {
	int id; /* > 0, unique in a program; shared by spellings */
	enum opt_kind kind;
	const char *name;
	const char *value; /* placeholder of the value, e.g. "SIZE" */
	const char *help;
	/* NULL-terminated; all there are of OPT_CHOICE, else for completion */
	const char *const *choices;
	enum value_kind what; /* of a value that is not one of choices */
	uint64_t max;	      /* OPT_UINT */
	unsigned flags;	      /* enum opt_flags */
	int group;	      /* options of one group exclude each other */
	int needs;	      /* id of an option that must be there too */
	char letter;	      /* 0 = none */
};

struct positional {
	const char *name; /* placeholder, e.g. "NAME" */
	const char *help;
	/* many: one of a command only, in front of required ones */
	bool required, many;
	enum value_kind what;
	const char *const *choices; /* for completion; or NULL */
};

#define MAX_ALIASES 3
#define MAX_GROUPS 5
#define MAX_POSITIONALS 2
#define MAX_DEPTH 4 /* of nested commands */

/* Commands under a heading of help, in its order. */
struct section {
	const char *title;	  /* NULL: the end */
	const char *commands[16]; /* ended by NULL */
};

struct cli;

struct command {
	const char *name;
	const char *aliases[MAX_ALIASES];
	const char *summary; /* one line, no full stop */
	const char *details; /* further text of --help, or NULL */
	/* Option tables, each ended by an entry without name. */
	const struct option *groups[MAX_GROUPS];
	const char *titles[MAX_GROUPS]; /* of them in help; NULL: no new one */
	struct positional words[MAX_POSITIONALS];
	const char *rest; /* help of the command after "--"; NULL: none */
	bool unavailable, hidden;
	int failure;		   /* exit code when msb itself fails; 0 = 1 */
	const struct command *sub; /* ended by an entry without name */
	const struct section *sections; /* of sub in help; NULL: just one */
	int (*run)(struct cli *cli);	/* exit code */
};

struct arg {
	const struct option *opt;
	int id;		  /* of opt */
	const char *text; /* borrowed from argv; NULL for a switch */
	uint64_t number;  /* OPT_UINT */
};

struct args {
	const struct command *path[MAX_DEPTH]; /* root first */
	size_t depth;
	struct arg *items; /* options in the order given; owned */
	size_t nitems;
	const char **words; /* positionals; owned list of borrowed text */
	size_t nwords;
	const char *const *rest; /* after "--", borrowed */
	size_t nrest;
};

/* Why parsing ended early. */
enum parse_result {
	PARSE_OK,
	PARSE_HELP,	   /* --help of the command reached */
	PARSE_VERSION,	   /* --version */
	PARSE_EMPTY,	   /* a command that needs a subcommand */
	PARSE_UNAVAILABLE, /* message: what is not available */
	PARSE_USAGE,	   /* message, and perhaps a hint */
	PARSE_NO_MEMORY
};

struct parse_error {
	char message[256];
	char hint[256]; /* "" when there is none */
};

/* Ids of the options the parser itself knows. */
#define OPT_ID_HELP 1
#define OPT_ID_VERSION 2

/*
 * Parse argv[1..] against root, whose own options are valid everywhere. *args
 * is filled as far as parsing came in every case; args_fini frees it.
 */
enum parse_result args_parse(const struct command *root, int argc, char **argv,
			     struct args *args, struct parse_error *err);
void args_fini(struct args *a);

static inline const struct command *args_command(const struct args *a)
{
	return a->path[a->depth - 1];
}

bool args_has(const struct args *a, int id);
/* Value of the last occurrence, or NULL. */
const char *args_text(const struct args *a, int id);
bool args_number(const struct args *a, int id, uint64_t *ret);
/* The n-th item with this id from *pos on; NULL at the end. */
const char *args_next(const struct args *a, int id, size_t *pos);

/* Subcommand by name or alias, NULL when there is none. */
const struct command *command_find(const struct command *parent,
				   const char *name);
/* Option of a command by long name or, when that is NULL, by letter. */
const struct option *option_find(const struct command *cmd, const char *name,
				 char letter);
/* Name of a subcommand close to a word that is none, or NULL. */
const char *command_suggest(const struct command *parent, const char *word);
/* Neither hidden nor refused. */
bool command_shown(const struct command *c);
bool option_shown(const struct option *o);
/* "msb run", from the path of a. buf is always terminated. */
void args_command_line(const struct args *a, char *buf, size_t size);

#endif
