/* SPDX-License-Identifier: Apache-2.0 */
/* One file from a web server, and the unpacking of such a one: releases. */
#ifndef MSB_IMAGE_FETCH_H
#define MSB_IMAGE_FETCH_H

#include <stdbool.h>

#include "base/err.h"
#include "image/http.h"
#include "image/worker_out.h"

#define FETCH_DOCUMENT_MAX (1u << 20)
#define FETCH_ARCHIVE_MAX (2ull << 30)

/*
 * What url leads to, into the empty file out. Redirects are followed, but not
 * from https to http; what breaks off is resumed, a few times. Progress is told
 * to o as that of layer 0, unless it is a document.
 */
int fetch(struct http *h, const char *url, bool document, int out,
	  struct worker_out *o, struct err *err);

#define EXTRACT_ENTRIES_MAX 20000u
#define EXTRACT_BYTES_MAX (8ull << 30)

/*
 * Unpack a tar archive, compressed or not, into the empty directory dir.
 * Regular files, directories, and symbolic links that stay inside of the
 * topmost directory, as they read; anything else is refused. Of modes only the
 * right to execute is kept.
 */
int extract(int in, int dir, struct err *err);

#endif
