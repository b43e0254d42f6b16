/* SPDX-License-Identifier: Apache-2.0 */
/* A second CBOR implementation behind names that do not clash with ours. */
#include "oracle.h"

#include <cbor.h>
#include <stdlib.h>

size_t oracle_item(const uint8_t *data, size_t len)
{
	struct cbor_load_result result;
	cbor_item_t *item = cbor_load(data, len, &result);

	if (!item)
		return 0;
	cbor_decref(&item);
	return result.read;
}

uint8_t *oracle_rewrite(const uint8_t *data, size_t len, size_t *ret_len)
{
	struct cbor_load_result result;
	cbor_item_t *item = cbor_load(data, len, &result);
	unsigned char *out = NULL;
	size_t size;

	if (!item)
		return NULL;
	*ret_len = cbor_serialize_alloc(item, &out, &size);
	cbor_decref(&item);
	return out;
}

static uint32_t next(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(*seed >> 33);
}

static cbor_item_t *leaf(uint64_t *seed)
{
	unsigned char data[] = "abcdefghijklmnopqrstuvwxyzabcdefghijklmno";
	cbor_item_t *item;

	switch (next(seed) % 9) {
	case 0:
		return cbor_build_uint8((uint8_t)next(seed));
	case 1:
		return cbor_build_uint64(next(seed));
	case 2:
		return cbor_build_negint32(next(seed));
	case 3:
		return cbor_build_bytestring(data, next(seed) % 40);
	case 4:
		return cbor_build_stringn((const char *)data, next(seed) % 40);
	case 5:
		return cbor_build_bool(next(seed) & 1);
	case 6:
		return next(seed) & 1 ? cbor_new_null() : cbor_new_undef();
	case 7:
		return cbor_build_float8(next(seed));
	default:
		item = cbor_new_indefinite_string();
		for (uint32_t n = next(seed) % 4; n; n--)
			(void)cbor_string_add_chunk(
				item,
				cbor_move(cbor_build_stringn((const char *)data,
							     next(seed) % 5)));
		return item;
	}
}

static cbor_item_t *tree(uint64_t *seed, int depth)
{
	uint32_t kind = next(seed) % 6, n = next(seed) % 5;
	cbor_item_t *item;

	if (depth == 0 || kind > 4)
		return leaf(seed);
	if (kind == 4)
		return cbor_build_tag(next(seed),
				      cbor_move(tree(seed, depth - 1)));
	if (kind < 2) {
		item = kind ? cbor_new_definite_array(n)
			    : cbor_new_indefinite_array();
		for (; n; n--)
			(void)cbor_array_push(item,
					      cbor_move(tree(seed, depth - 1)));
		return item;
	}
	item = kind == 3 ? cbor_new_definite_map(n) : cbor_new_indefinite_map();
	for (; n; n--) {
		struct cbor_pair pair = {
			.key = cbor_move(leaf(seed)),
			.value = cbor_move(tree(seed, depth - 1)),
		};

		(void)cbor_map_add(item, pair);
	}
	return item;
}

static uint8_t *finish(cbor_item_t *item, size_t *ret_len)
{
	unsigned char *out = NULL;
	size_t size;

	*ret_len = cbor_serialize_alloc(item, &out, &size);
	cbor_decref(&item);
	return out;
}

uint8_t *oracle_random(uint64_t seed, size_t *ret_len)
{
	return finish(tree(&seed, 5), ret_len);
}

static void add(cbor_item_t *map, const char *key, cbor_item_t *value)
{
	struct cbor_pair pair = {
		.key = cbor_move(cbor_build_string(key)),
		.value = cbor_move(value),
	};

	(void)cbor_map_add(map, pair);
}

uint8_t *oracle_loose_exec(size_t *ret_len)
{
	cbor_item_t *map = cbor_new_indefinite_map();
	cbor_item_t *cmd = cbor_new_indefinite_string();
	cbor_item_t *args = cbor_new_indefinite_array();
	cbor_item_t *limit = cbor_new_indefinite_map();
	cbor_item_t *limits = cbor_new_indefinite_array();

	add(map, "cols", cbor_build_uint64(132));
	add(map, "unknown",
	    cbor_build_tag(7, cbor_move(cbor_build_float4(1.5f))));
	(void)cbor_string_add_chunk(cmd, cbor_move(cbor_build_string("/bin")));
	(void)cbor_string_add_chunk(cmd, cbor_move(cbor_build_string("/sh")));
	(void)cbor_array_push(args, cbor_move(cbor_build_string("-c")));
	(void)cbor_array_push(args, cbor_move(cbor_build_string("true")));
	add(map, "args", args);
	add(limit, "hard", cbor_build_uint64(9));
	add(limit, "soft", cbor_build_uint16(8));
	add(limit, "resource", cbor_build_string("core"));
	(void)cbor_array_push(limits, cbor_move(limit));
	add(map, "rlimits", limits);
	add(map, "cmd", cmd);
	add(map, "user", cbor_new_null());
	return finish(map, ret_len);
}
