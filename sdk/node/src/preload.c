/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads the libmicrosandbox.so.0 at a given path, so that the addon proper,
 * which needs a library of that name, gets that one.
 */
#include <dlfcn.h>
#include <node_api.h>

static napi_value load(napi_env env, napi_callback_info info)
{
	size_t argc = 1, len;
	char path[4096];
	napi_value v;

	if (napi_get_cb_info(env, info, &argc, &v, NULL, NULL) ||
	    napi_get_value_string_utf8(env, v, path, sizeof(path), &len)) {
		(void)napi_throw_type_error(env, NULL, "a path is needed");
		return NULL;
	}
	if (!dlopen(path, RTLD_NOW | RTLD_GLOBAL))
		(void)napi_throw_error(env, NULL, dlerror());
	return NULL;
}

NAPI_MODULE_INIT()
{
	napi_value f;

	if (napi_create_function(env, "load", NAPI_AUTO_LENGTH, load, NULL,
				 &f) ||
	    napi_set_named_property(env, exports, "load", f))
		return NULL;
	return exports;
}
