/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An entry in every layout. Cut into several, and without marks between lines,
 * it has to come out the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/str.h"
#include "cli/logs_print.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int out = -1;

/* What p printed of data in pieces, and of another stream in between. */
static void print(const struct log_layout *layout, const uint8_t *data,
		  size_t len, size_t piece, struct buf *ret)
{
	struct log_printer p;

	if (ftruncate(out, 0) || lseek(out, 0, SEEK_SET))
		abort();
	log_printer_init(&p, layout, out);
	while (len) {
		size_t n = len < piece ? len : piece;
		msb_log_entry_t e = { .source = MSB_LOG_OUTPUT,
				      .session = 7,
				      .time_unix_ns = (int64_t)len << 40,
				      .data = data,
				      .len = n };
		msb_log_entry_t other = { .source = MSB_LOG_STDERR,
					  .session = 7,
					  .data = "\033[",
					  .len = 2 };

		if (log_print_entry(&p, &e))
			abort();
		if (layout->strip && log_print_entry(&p, &other))
			abort();
		data += n;
		len -= n;
	}
	if (log_print_flush(&p) || lseek(out, 0, SEEK_SET) ||
	    io_read_all(out, ret))
		abort();
	log_printer_fini(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct log_layout l = { .raw = true, .strip = true };
	struct buf whole, cut;

	if (out < 0)
		out = memfd_create("out", MFD_CLOEXEC);
	if (size < 2)
		return 0;
	buf_init(&whole, 64u << 20);
	buf_init(&cut, 64u << 20);
	print(&l, data + 2, size - 2, size, &whole);
	print(&l, data + 2, size - 2, 1 + data[0], &cut);
	if (buf_len(&whole) != buf_len(&cut) ||
	    (buf_len(&cut) &&
	     memcmp(buf_data(&whole), buf_data(&cut), buf_len(&cut)) != 0))
		abort();
	buf_reset(&cut);
	l = (struct log_layout){ .timestamps = data[1] & 1,
				 .show_id = data[1] & 2,
				 .color_sessions = data[1] & 4,
				 .colors = data[1] & 8,
				 .strip = data[1] & 16 };
	print(&l, data + 2, size - 2, 1 + data[0], &cut);
	if (!utf8_valid(buf_data(&cut), buf_len(&cut)))
		abort(); /* nothing was to be raw */
	buf_fini(&whole);
	buf_fini(&cut);
	return 0;
}
