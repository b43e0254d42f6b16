/* SPDX-License-Identifier: Apache-2.0 */
/* Any words as a command line; one word per line of input. */
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "cli/cli.h"
#include "cli/complete.h"
#include "cli/help.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the words could become: candidates begin with the last of them. */
static void complete(int argc, char **argv)
{
	struct cli cli = { .m = NULL };
	const char *word = argc > 1 ? argv[argc - 1] : "";
	const char *line;
	struct buf out;

	buf_init(&out, 1 << 20);
	complete_words(&cli, (const char *const *)argv + 1, (size_t)argc - 1,
		       &out);
	line = buf_cstr(&out);
	if (!line)
		abort();
	while ((line = strchr(line, '\n')) && *++line)
		if (strncmp(line, word, strlen(word)) != 0 && word[0])
			abort();
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size), *rest = text;
	char *argv[34] = { text };
	enum parse_result result;
	struct parse_error err;
	struct args args;
	struct buf out;
	int argc = 1;

	if (!text)
		return 0;
	while (rest && argc < 33)
		argv[argc++] = strsep(&rest, "\n");
	result = args_parse(&cli_root, argc, argv, &args, &err);
	if (result == PARSE_USAGE && !err.message[0])
		abort();
	buf_init(&out, 1 << 20);
	help_usage(&args, &out);
	if (result == PARSE_HELP)
		help_print(&args, false, 60, &out);
	if (args_has(&args, O_TREE))
		help_tree(&cli_root, argc, argv, &out);
	if (out.failed)
		abort();
	buf_fini(&out);
	args_fini(&args);
	/* no home: names of sandboxes are not the subject */
	if (!setenv("MSB_HOME", "/nonexistent/msb", 1))
		complete(argc, argv);
	free(text);
	return 0;
}
