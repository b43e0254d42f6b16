/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of a response's head, apart from the library that receives them. */
#ifndef MSB_IMAGE_HTTP_INT_H
#define MSB_IMAGE_HTTP_INT_H

#include "image/http.h"

#define HTTP_HEAD_MAX (256u << 10) /* of all header lines of a response */

void http_response_init(struct http_response *r);
/*
 * Take a header line, with or without its line end. A status line begins the
 * response anew. -EPROTO when a value holds control characters; -ENOMEM.
 */
int http_header(struct http_response *r, const char *line, size_t len);

#endif
