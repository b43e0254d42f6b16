/* SPDX-License-Identifier: Apache-2.0 */
/* msb-runtime: the process of a sandbox that needs no TLS library. */
#include <stddef.h>

#include "runtime/run.h"

int main(int argc, char **argv)
{
	return runtime_main(argc, argv, NULL);
}
