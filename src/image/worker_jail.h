/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's jail: it keeps the store, what it needs to reach a registry, and
 * the system calls for that. A layer the host does not offer is left out.
 */
#ifndef MSB_IMAGE_WORKER_JAIL_H
#define MSB_IMAGE_WORKER_JAIL_H

#include <stdbool.h>

/*
 * store_fd: the directory to work in, mostly the store's; -1: none. input_fd: a
 * directory to read from, or -1. The process has one thread.
 */
void worker_jail(int store_fd, int input_fd, bool network);

#endif
